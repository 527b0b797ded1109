"""Every SQL text that the official command line sends (admin.md §6.1), and the kinds that documentation of both
generations shows, run over a small database: each must plan, run, and find what is there.
"""

from typing import Any

import msgspec
import pytest
import trio

from restate.runtime.model.ids import DeploymentId, format_invocation_id, partition_key_of_key
from restate.runtime.model.invocation import Status
from restate.runtime.model.journal import CommandRow
from restate.runtime.model.target import Generation, HandlerType, ServiceType
from restate.runtime.query.errors import QueryError
from restate.runtime.schema.deployment import Deployment, Handler, Service
from restate.runtime.schema.rows import deployment_row
from restate.runtime.schema.rule import Rule
from restate.runtime.schema.stored import RULES
from tests.query.workers import Bed, bed, invocation_id, record

pytestmark = pytest.mark.slow

DP = "dp_10000000000000000000001"
OTHER_DP = "dp_10000000000000000000002"
ONE, TWO = (invocation_id(number, "k") for number in range(2))
ID = format_invocation_id(ONE)
LISTED = "status != 'completed'"
ORDER = "ORDER BY inv.created_at DESC, inv.id"
DETAILS = (
    "SELECT inv.id, inv.target, inv.target_service_ty, inv.idempotency_key, inv.status, inv.created_at,"
    " inv.modified_at as state_modified_at, inv.pinned_deployment_id, inv.retry_count as num_retries,"
    " inv.last_failure as last_failure_message, inv.last_failure_related_entry_index as last_failure_entry_index,"
    " inv.last_failure_related_entry_name as last_failure_entry_name,"
    " inv.last_failure_related_entry_type as last_failure_entry_ty, inv.last_attempt_deployment_id,"
    " inv.last_attempt_server, inv.next_retry_at, inv.last_start_at, inv.invoked_by_id, inv.invoked_by_target,"
    " inv.trace_id, inv.completion_result, inv.completion_failure, dp.id IS NOT NULL as pinned_deployment_exists"
    " FROM sys_invocation inv LEFT JOIN sys_deployment dp ON dp.id = inv.pinned_deployment_id"
)

MODERN: dict[str, tuple[str, int]] = {
    "count": (f"SELECT COUNT(1) FROM (SELECT * FROM sys_invocation inv LIMIT 50000 ) WHERE {LISTED}", 1),
    "count of a service": (
        "SELECT COUNT(1) FROM (SELECT * FROM sys_invocation inv LIMIT 50000 ) WHERE inv.target_service_name IN ('Cart')",
        1,
    ),
    "ids": (f"SELECT id FROM sys_invocation inv WHERE {LISTED} {ORDER} LIMIT 100", 2),
    "details": (f"{DETAILS} WHERE {LISTED} AND inv.id in ('{ID}','inv_1x') {ORDER}", 1),
    "details by id": (f"{DETAILS} WHERE inv.id in ('{ID}') {ORDER}", 1),
    "batch by target": (
        "SELECT id, target FROM sys_invocation_status WHERE target LIKE 'Cart/%' AND status != 'completed' LIMIT 500",
        2,
    ),
    "batch by handler": (
        "SELECT id, target FROM sys_invocation_status WHERE ((target = 'Cart/k' AND target_service_ty = 'service')"
        " OR (target LIKE 'Cart/k/%' AND target_service_ty != 'service')) AND status IN ('invoked', 'suspended') LIMIT 500",
        1,
    ),
    "active of a deployment": (
        "SELECT COUNT(1) AS inv_count FROM sys_invocation_status"
        f" WHERE pinned_deployment_id = '{DP}' AND status != 'completed'",
        1,
    ),
    "active of a deployment by handler": (
        "SELECT target_service_name as service, target_handler_name as handler, COUNT(1) AS inv_count"
        f" FROM sys_invocation_status WHERE pinned_deployment_id = '{DP}' AND status != 'completed'"
        " GROUP BY pinned_deployment_id, target_service_name, target_handler_name",
        1,
    ),
    "pending": (
        "SELECT target_service_name, target_handler_name, 'pending' as status, COUNT(1) as num_invocations,"
        " MIN(created_at) as oldest_at, FIRST_VALUE(id ORDER BY created_at ASC) as oldest_invocation"
        " FROM sys_invocation_status WHERE status == 'inboxed' AND target_service_name IN ('Cart','B')"
        " GROUP BY target_service_name, target_handler_name",
        1,
    ),
    "by status": (
        "SELECT target_service_name, target_handler_name, status, COUNT(1) as num_invocations,"
        " MIN(created_at) as oldest_at, FIRST_VALUE(id ORDER BY created_at ASC) as oldest_invocation"
        " FROM sys_invocation WHERE target_service_name IN ('Cart','B')"
        " GROUP BY target_service_name, target_handler_name, status ORDER BY target_handler_name",
        3,
    ),
    "inbox": (
        "SELECT service_name, service_key, COUNT(1) as num_pending FROM sys_inbox WHERE service_name IN ('Cart','B')"
        " GROUP BY service_name, service_key ORDER BY num_pending DESC",
        1,
    ),
    "locks": (
        "SELECT target_service_name as service_name, target_service_key as service_key, status as invocation_status,"
        " first_value(id) as invocation_holding_lock,"
        " first_value(target_handler_name) as invocation_method_holding_lock,"
        " first_value(created_at) as invocation_created_at, first_value(modified_at) as modified_at,"
        " first_value(pinned_deployment_id) as pinned_deployment_id,"
        " first_value(last_attempt_deployment_id) as last_attempt_deployment_id,"
        " first_value(last_failure) as last_failure_message, first_value(next_retry_at) as next_retry_at,"
        " first_value(last_start_at) as last_start_at, 0 as num_pending, sum(retry_count) as num_retries"
        " FROM sys_invocation WHERE status != 'pending' AND target_service_name IN ('Cart','B')"
        " GROUP BY target_service_name, target_service_key, status",
        2,
    ),
    "column check": (
        "SELECT COUNT(*) FROM information_schema.columns WHERE table_name = 'sys_journal'"
        " AND column_name IN ('version', 'entry_json', 'appended_at')",
        1,
    ),
    "journal": (
        "SELECT sj.index, sj.entry_type, sj.completed, sj.invoked_id, sj.invoked_target, sj.sleep_wakeup_at, sj.name,"
        " sj.promise_name, sj.version, sj.entry_json, sj.appended_at FROM sys_journal sj"
        f" WHERE sj.id = '{ID}' ORDER BY index DESC LIMIT 100",
        1,
    ),
    "state": ("select key, value from state where service_name = 'Cart' and service_key = 'k' ;", 1),
    "state of a service": (
        "SELECT service_name, service_key, key, value FROM state WHERE service_name = 'Cart'",
        1,
    ),
    "rules": (
        "SELECT pattern, concurrency, description, disabled, version, last_modified FROM sys_rules ORDER BY pattern",
        1,
    ),
    "vqueues": (
        "SELECT id, is_active, queue_is_paused, service_name, scope, limit_key, lock_name, created_at,"
        " last_enqueued_at, last_start_at, last_attempt_at, last_finish_at, num_inbox, num_running, num_suspended,"
        " num_paused, num_finished FROM sys_vqueue_meta LIMIT 10",
        0,
    ),
    "older command lines": (
        f"WITH invocations as (SELECT * FROM sys_invocation inv WHERE {LISTED} {ORDER} LIMIT 10)"
        " SELECT inv.*, dp.id IS NOT NULL as pinned_deployment_exists FROM sys_deployment dp"
        f" RIGHT JOIN invocations inv ON dp.id = inv.pinned_deployment_id {ORDER}",
        2,
    ),
    "zombies": (
        f"SELECT id FROM sys_invocation inv WHERE (inv.pinned_deployment_id IS NOT NULL"
        f" AND inv.pinned_deployment_id NOT IN (select id from sys_deployment)) {ORDER} LIMIT 100",
        0,
    ),
    "virtual objects": (
        "SELECT id FROM sys_invocation inv WHERE inv.target_service_name IN"
        f" (select name from sys_service where ty = 'virtual_object') {ORDER} LIMIT 100",
        3,
    ),
}
"""{what it is for: (SQL, rows it finds)}."""

CLASSIC: dict[str, tuple[str, int]] = {
    "describe": ("describe sys_status;", 14),
    "status of a service": ("select * from sys_status where service = 'Cart'", 1),
    "status of a key": (
        "select id, method from sys_status where service = 'Cart' and service_key = 'k' and status = 'invoked'",
        1,
    ),
    "long ago": (
        "select * from sys_status where to_timestamp(modified_at) <= now() + interval '1000000' hour",
        1,
    ),
    "journal with status": (
        "select j.index, j.entry_type, s.status from sys_journal j join sys_status s"
        " on j.service = s.service and j.service_key = s.service_key where s.service = 'Cart'",
        1,
    ),
    "journal by key": ("select * from sys_journal where service = 'Cart' and service_key = 'k'", 1),
    "inbox": (
        "select sequence_number, id, method from sys_inbox where service = 'Cart' and service_key = 'k'",
        1,
    ),
    "locked keys with their queues": (
        "select ss.service, ss.service_key, count(i.id) as queued from sys_status ss left join sys_inbox i"
        " on ss.service = i.service and ss.service_key = i.service_key group by ss.service, ss.service_key",
        1,
    ),
    "retries": (
        "select s.id, retry_count, last_failure, last_error_code from sys_status s left join sys_invocation_state st"
        " on s.id = st.id",
        1,
    ),
    "state": ("select key, value_utf8 from state where service = 'Cart' and service_key = 'k'", 1),
    "services": ("select name, instance_type, public from sys_service where instance_type = 'keyed'", 1),
    "deployments": ("select id, ty, endpoint, created_at from sys_deployment", 2),
    "tables": ("show tables", 27),
}


async def _fill(server: Bed) -> None:
    place = (partition_key_of_key("k"), "Cart", "k")
    pinned = {"service": "Cart", "key": "k"}
    for number, status in enumerate((Status.INVOKED, Status.INBOXED, Status.COMPLETED)):
        each = record(number, status, **pinned)
        if status is Status.INBOXED:
            each = msgspec.structs.replace(each, pin=None)
        server.tables.invocations.put(invocation_id(number, "k"), each, None)
    server.tables.journal.append(ONE, 0, CommandRow(0x0400, 0, 1_795_000_000_000, b""))
    server.tables.locks.put(*place, ONE)
    server.tables.inbox.push(*place, 1, TWO)
    server.tables.state.put(*place, b"items", b"[1]")
    handler = Handler("greet", HandlerType.EXCLUSIVE)
    service = Service("Cart", ServiceType.VIRTUAL_OBJECT, (handler,), DeploymentId(DP), 1)
    deployment = Deployment(
        DeploymentId(DP),
        Generation.MODERN,
        "http://x/",
        "BidiStream",
        "HTTP/2.0",
        5,
        6,
        1_795_000_000_000,
        (service,),
    )
    function = msgspec.structs.replace(
        deployment, id=DeploymentId(OTHER_DP), uri="", arn="arn:aws:lambda:eu:1:function:f:1", services=()
    )
    rule = Rule("scope/*", 5, "few", False, 3, 1_795_000_000_000)
    for row_key, value in (
        deployment_row(deployment),
        deployment_row(function),
        RULES.row(rule.pattern, rule),
    ):
        assert value is not None
        server.tables.schema.put(row_key, value)
    server.write()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]] | QueryError]:
    """{SQL: rows}, all from one worker."""
    found: dict[str, list[dict[str, Any]] | QueryError] = {}

    async def ask() -> None:
        async with bed(tmp_path_factory.mktemp("known")) as server:
            await _fill(server)
            for sql, _ in [*MODERN.values(), *CLASSIC.values()]:
                try:
                    found[sql] = await server.rows(sql)
                except QueryError as error:
                    found[sql] = error

    trio.run(ask)
    return found


@pytest.mark.parametrize("name", MODERN)
def test_what_the_modern_generation_asks(
    answers: dict[str, list[dict[str, Any]] | QueryError], name: str
) -> None:
    sql, count = MODERN[name]
    rows = answers[sql]
    assert isinstance(rows, list), rows
    assert len(rows) == count


@pytest.mark.parametrize("name", CLASSIC)
def test_what_the_classic_generation_asks(
    answers: dict[str, list[dict[str, Any]] | QueryError], name: str
) -> None:
    sql, count = CLASSIC[name]
    rows = answers[sql]
    assert isinstance(rows, list), rows
    assert len(rows) == count


def test_the_schema_is_told_as_it_is_stored(answers: dict[str, list[dict[str, Any]] | QueryError]) -> None:
    created = {"created_at": "2026-11-18T11:06:40Z"}
    assert answers[CLASSIC["deployments"][0]] == [
        {"id": DP, "ty": "http", "endpoint": "http://x/"} | created,
        {"id": OTHER_DP, "ty": "lambda", "endpoint": "arn:aws:lambda:eu:1:function:f:1"} | created,
    ]
    assert answers[MODERN["rules"][0]] == [
        {"pattern": "scope/*", "concurrency": 5, "description": "few", "disabled": False, "version": 3}
        | {"last_modified": "2026-11-18T11:06:40Z"}
    ]


def test_what_is_counted_is_right(answers: dict[str, list[dict[str, Any]] | QueryError]) -> None:
    for name, column, number in (
        ("count", "count(Int64(1))", 2),
        ("count of a service", "count(Int64(1))", 3),
        ("active of a deployment", "inv_count", 1),
        ("column check", "count(*)", 3),
    ):
        rows = answers[MODERN[name][0]]
        assert isinstance(rows, list)
        assert rows == [{column: number}], name
