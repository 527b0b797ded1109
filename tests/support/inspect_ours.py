"""What our server has stored, read from its database while it runs (a RocksDB secondary)."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from typing import TYPE_CHECKING

from rocksdict import AccessType, Options, Rdict, ReadOptions

from restate.runtime.journal.catalog import kind_of
from restate.runtime.model.ids import (
    InvocationId,
    format_invocation_id,
    parse_invocation_id,
    partition_key_of_key,
)
from restate.runtime.model.invocation import InvocationRecord, ServiceSource, Status
from restate.runtime.model.journal import CALLEE_ID_CODE, SIGNAL_CODE, CommandRow, JournalRow
from restate.runtime.model.result import Failure
from restate.runtime.model.target import Generation, Target
from restate.runtime.service_protocol.modern import encode_notification
from restate.runtime.storage.api import TABLES
from restate.runtime.tables.api import Tables
from tests.support.inspection import Entry, Invocation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Server

_STATUS = {Status.INBOXED: "pending"}
_FRAME_HEADER = 8
_NEWEST_VERSION = 7


class OurInspector:
    def __init__(self, server: Server) -> None:
        """server: started."""
        self._folder = tempfile.TemporaryDirectory()
        self._lock = threading.Lock()
        options = Options(raw_mode=True)
        self._db = Rdict(
            str(server.base_dir / "db"),
            options,
            {name: options for name in TABLES},
            AccessType.secondary(self._folder.name),
        )
        self._tables = Tables(_Reads(self._db))

    def invocation(self, invocation_id: str) -> Invocation | None:
        parsed = parse_invocation_id(invocation_id)
        with self._newest() as tables:
            record = tables.invocations.get(parsed)
        return None if record is None else _invocation(parsed, record)

    def invocations(self) -> dict[str, Invocation]:
        with self._newest() as tables:
            found = [_invocation(*row) for row in tables.invocations.scan()]
        return {invocation.id: invocation for invocation in found}

    def journal(self, invocation_id: str) -> list[Entry]:
        parsed = parse_invocation_id(invocation_id)
        with self._newest() as tables:
            record = tables.invocations.get(parsed)
            rows = [] if record is None else tables.journal.read(parsed, 0, record.journal_length)
        return [_entry(row) for row in rows]

    def state(self, service: str, key: str) -> dict[str, str]:
        with self._newest() as tables:
            rows = tables.state.all(partition_key_of_key(key), service, key)
        return {name.decode(): value.decode() for name, value in rows}

    def close(self) -> None:
        self._db.close()
        self._folder.cleanup()

    @contextlib.contextmanager
    def _newest(self) -> Iterator[Tables]:
        with self._lock:
            self._db.try_catch_up_with_primary()
            yield self._tables


class _Reads:
    """The reads of a Store."""

    def __init__(self, db: Rdict) -> None:
        self._tables = {name: db.get_column_family(name) for name in TABLES}

    def get(self, table: str, key: bytes) -> bytes | None:
        value: bytes | None = self._tables[table].get(key)
        return value

    def scan(self, table: str, start: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        options = ReadOptions()
        if end is not None:
            options.set_iterate_upper_bound(end)
        rows = self._tables[table].iter(options)
        rows.seek(start)
        while rows.valid():
            yield rows.key(), rows.value()
            rows.next()


def _invocation(invocation_id: InvocationId, record: InvocationRecord) -> Invocation:
    outcome = record.outcome
    source = record.source
    return Invocation(
        id=format_invocation_id(invocation_id),
        target=_target(record.target),
        status=_STATUS.get(record.status, record.status.name.lower()),
        outcome=(
            None
            if outcome is None
            else f"[{outcome.code}] {outcome.message}"
            if isinstance(outcome, Failure)
            else "success"
        ),
        parent=format_invocation_id(source.invocation) if isinstance(source, ServiceSource) else None,
    )


def _target(target: Target) -> str:
    return "/".join(part for part in (target.service, target.key, target.handler) if part is not None)


def _entry(row: JournalRow) -> Entry:
    if isinstance(row, CommandRow):
        return Entry(f"Command: {kind_of(Generation.MODERN, row.code)}", row.raw)
    raw = encode_notification(row, _NEWEST_VERSION)[_FRAME_HEADER:]
    return Entry(f"Notification: {_notification(row.code)}", raw)


def _notification(code: int) -> str:
    if code == SIGNAL_CODE:
        return "Signal"
    if code == CALLEE_ID_CODE:
        return "CallInvocationId"
    # A completion has the low byte of its command.
    return kind_of(Generation.MODERN, 0x0400 | (code & 0xFF))
