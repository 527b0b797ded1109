"""Checks of the stored data, read-only, beside a running server or not."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from restate.runtime.errors import RestateError
from restate.runtime.maintenance.finding import Finding
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import Status
from restate.runtime.schema.registry import Registry
from restate.runtime.storage.precheck import check_files, check_tables, holder
from restate.runtime.storage.secondary import Secondary, secondary
from restate.runtime.tables import rows
from restate.runtime.tables.api import Tables

DECODERS: Mapping[str, Callable[[bytes], Any]] = {
    "meta": bytes,  # the store's own
    "inv": rows.INVOCATION.decode,
    "run": rows.decode_number,
    "inv_svc": rows.decode_service_entry,
    "journal": rows.JOURNAL_ROW.decode,
    "jidx": rows.decode_bytes,
    "events": rows.EVENT.decode,
    "lock": rows.decode_invocation_id,
    "inbox": rows.decode_inbox_entry,
    "promise": rows.PROMISE.decode,
    "state": rows.decode_bytes,
    "timers": rows.decode_number,
    "outbox": rows.decode_bytes,
    "dedup": rows.decode_number,
    "schema": rows.decode_bytes,
    "fsm": rows.decode_number,
}
"""{table: reader of its values}."""

_ACCESS = "look at its permissions and at the disk"
_RESTORE = "restore a backup, or start the version that wrote the data"


def check(database: Path) -> tuple[list[Finding], Registry]:
    """Read every row. Returns what was found, and the registry, empty if it cannot be read."""
    try:
        running = holder(database) is not None
        if not running:
            check_files(database)
        if not (database / "CURRENT").exists():
            return [Finding("ok", "data", f"none yet in {database.parent}")], Registry.EMPTY
        if not running:
            # What reads beside a server, below, does not miss a file that is not there.
            check_tables(database)
        with secondary(database) as reader:
            counts = {table: _read(reader, table) for table in DECODERS}
            tables = Tables(reader)
            findings = [_running(tables), _held(tables)]
            registry = Registry.load(tables.counters.get("schema_version"), tables.schema.scan())
    except OSError as error:
        text = f"cannot read {database}: {error.strerror} (RT0002)"
        return [Finding("problem", "data", text, _ACCESS)], Registry.EMPTY
    except RestateError as error:
        if error.code is None:
            return [Finding("problem", "data", str(error), _ACCESS)], Registry.EMPTY
        return [Finding("problem", "data", f"{error} ({error.code})", _RESTORE)], Registry.EMPTY
    text = f"{counts['inv']} invocations, {counts['journal']} journal entries, {counts['state']} states; all can be read"
    return [Finding("ok", "data", text), *findings], registry


def _read(reader: Secondary, table: str) -> int:
    """The number of rows. Raises StorageError, StorageDamaged, StorageFormatError."""
    decode = DECODERS[table]
    count = 0
    for _, value in reader.scan(table, b"", None):
        decode(value)
        count += 1
    return count


def _running(tables: Tables) -> Finding:
    """What the server takes up at its start are invocations that run, each one of them."""
    listed = {invocation for invocation, _ in tables.invocations.running()}
    stored = {
        invocation for invocation, record in tables.invocations.scan() if record.status is Status.INVOKED
    }
    if listed != stored:
        text = f"{len(listed ^ stored)} invocations are either listed or stored as running, not both"
        return Finding("problem", "running", text, _RESTORE)
    return Finding("ok", "running", f"{len(stored)} invocations go on at the next start")


def _held(tables: Tables) -> Finding:
    """Each lock is held by an invocation that has not ended."""
    holders = set(tables.locks.holders())
    lost = [holder for holder in holders if not _lives(tables, holder)]
    if lost:
        text = f"{len(lost)} objects are locked by an invocation that has ended"
        return Finding("problem", "locks", text, _RESTORE)
    return Finding("ok", "locks", f"{len(holders)} objects are in use")


def _lives(tables: Tables, invocation: InvocationId) -> bool:
    record = tables.invocations.get(invocation)
    return record is not None and record.status is not Status.COMPLETED
