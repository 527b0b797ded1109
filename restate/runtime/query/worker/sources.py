"""Where the rows of every table come from."""

from collections.abc import Mapping

from restate.runtime.query.worker import tables
from restate.runtime.query.worker.chunks import ListSource
from restate.runtime.query.worker.live_columns import LiveAttempts
from restate.runtime.query.worker.scan import Source
from restate.runtime.query.worker.tables_events import Events
from restate.runtime.query.worker.tables_idempotency import Idempotency
from restate.runtime.query.worker.tables_invocations import (
    SYS_INVOCATION,
    SYS_INVOCATION_STATUS,
    SYS_STATUS,
    Invocations,
)
from restate.runtime.query.worker.tables_journal import JournalEntries
from restate.runtime.query.worker.tables_objects import InboxRows, LockRows, PromiseRows, StateRows
from restate.runtime.query.worker.tables_schema import deployments, rules, services
from restate.runtime.query.worker.world import World


def all_sources(world: World) -> Mapping[str, Source]:
    """{table: source}. Tables of features that this server does not have are there, and empty."""
    sources: dict[str, Source] = {table.name: ListSource(table.schema, {}) for table in tables.TABLES}
    sources["sys_invocation"] = Invocations(SYS_INVOCATION, world)
    sources["sys_invocation_status"] = Invocations(SYS_INVOCATION_STATUS, world)
    sources["sys_status"] = Invocations(SYS_STATUS, world)
    sources["sys_invocation_state"] = LiveAttempts(world)
    sources["sys_journal"] = JournalEntries(world)
    sources["sys_journal_events"] = Events(world)
    sources["sys_inbox"] = InboxRows(world)
    sources["sys_keyed_service_status"] = LockRows(world)
    sources["state"] = StateRows(world)
    sources["sys_promise"] = PromiseRows(world)
    sources["sys_idempotency"] = Idempotency(world)
    sources["sys_service"] = services(world)
    sources["sys_deployment"] = deployments(world)
    sources["sys_rules"] = rules(world)
    return sources
