"""The worker: takes requests from its socket, runs one at a time, and ends when the socket does.

A second thread reads the socket, so that a cancel is seen while a query computes, and the end of the server ends the
process, whatever it computes.
"""

import os
import resource
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import NoReturn, Protocol

import attrs
import pyarrow as pa

from restate.runtime.errors import RestateError
from restate.runtime.query import frames
from restate.runtime.query.errors import QueryError
from restate.runtime.query.worker import parameters, tables
from restate.runtime.query.worker.arrow import ArrowStream
from restate.runtime.query.worker.catalog.engine import Catalog, CatalogResult
from restate.runtime.query.worker.catalog.session import CatalogSession
from restate.runtime.query.worker.json_rows import CLOSING, OPENING, JsonRows
from restate.runtime.query.worker.postgres_rows import RowEncoder
from restate.runtime.query.worker.session import Session, column_types
from restate.runtime.query.worker.settings import Settings
from restate.runtime.query.worker.sources import all_sources
from restate.runtime.query.worker.world import Cancelled, World
from restate.runtime.storage.secondary import Secondary

_RECEIVE_BYTES = 256 << 10
_PIECE_BYTES = 4 << 20
"""The server holds a piece until its client has taken it; a filter may gather thousands of long rows into one batch."""


class _Result(Protocol):
    """The rows of one query on their way out."""

    columns: list[tuple[str, int, int]]

    def start(self) -> None:
        """Begin, now that everything is there."""

    def next(self, max_rows: int | None) -> tuple[bytes, int] | None: ...


class Worker:
    """One per process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._socket = socket.socket(fileno=settings.socket)
        self._requests: SimpleQueue[frames.Request] = SimpleQueue()
        home = Path(settings.home)
        self._world = World(Secondary(Path(settings.database), home / "secondary", settings.cache_bytes))
        spill_home = home / "spill"
        spill_home.mkdir(parents=True, exist_ok=True)
        self._session = Session(
            self._world,
            all_sources(self._world),
            memory_bytes=settings.memory_bytes,
            spill_home=spill_home,
        )
        self._catalog: Catalog | None = None

    def serve(self) -> NoReturn:
        """Until the server goes away; then the process ends from the other thread."""
        threading.Thread(target=self._receive, daemon=True).start()
        self._send(frames.Ready())
        while True:
            match self._requests.get():
                case frames.Describe() as request:
                    self._describe(request)
                case frames.Execute() as request:
                    self._execute(request)
                case _:
                    # Meant for a query that has ended meanwhile.
                    continue

    def _receive(self) -> None:
        reader = frames.FrameReader()
        while True:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except OSError:
                data = b""
            if not data:
                # Threads of the engine may compute for ever; nobody will take what they find.
                os._exit(0)
            reader.feed(data)
            for frame in reader.frames():
                if isinstance(frame, frames.Cancel):
                    self._world.cancelled = frame.number
                self._requests.put(frame)  # type: ignore[arg-type]

    def _send(self, message: frames.Reply) -> None:
        self._write(frames.encode(message))

    def _write(self, *pieces: bytes) -> None:
        try:
            for piece in pieces:
                self._socket.sendall(piece)
        except OSError:
            os._exit(0)

    # -- describing ----------------------------------------------------------------------------------------------

    def _describe(self, request: frames.Describe) -> None:
        try:
            if request.catalog:
                found, columns = self._system_tables().describe(
                    request.sql, request.oids, _catalog_session(request.session)
                )
                described = [frames.ColumnOf(column.name, column.oid, column.size) for column in columns]
            else:
                types, schema = self._session.describe(request.sql, request.oids)
                found = tuple(types)
                described = [frames.ColumnOf(*column) for column in column_types(schema)]
        except Exception as error:
            self._fail(error, request.sql)
        else:
            self._send(frames.Described(found, tuple(described)))

    def _system_tables(self) -> Catalog:
        if self._catalog is None:
            schemas = {table.name: table.schema for table in tables.TABLES}
            self._catalog = Catalog(
                schemas,
                [table.name for table in tables.TABLES if table.view],
                timeout_s=self._settings.catalog_timeout_s,
                row_limit=self._settings.catalog_row_limit,
            )
        return self._catalog

    # -- running -------------------------------------------------------------------------------------------------

    def _execute(self, request: frames.Execute) -> None:
        try:
            self._run(request)
        except Cancelled:
            self._send(frames.Finished())
        except Exception as error:
            if self._world.cancelled >= request.number:
                self._send(frames.Finished())
            else:
                self._fail(error, request.sql)

    def _run(self, request: frames.Execute) -> None:
        result = self._result(request)
        self._world.begin(request.number)
        needs_live = not request.catalog and tables.needs_live(request.sql)
        columns = tuple(frames.ColumnOf(*column) for column in result.columns)
        self._send(frames.Opened(columns, needs_live))
        while True:
            match self._requests.get():
                case frames.Go(live):
                    self._world.show(live)
                    result.start()
                case frames.Fetch(max_rows):
                    piece = result.next(max_rows)
                    if piece is None:
                        break
                    data, count = piece
                    self._write(frames.rows_header(len(data), count), data)
                case _:
                    raise Cancelled
        self._send(frames.Finished())

    def _result(self, request: frames.Execute) -> "_Result":
        values = [parameters.decode(each.oid, each.value, each.binary) for each in request.parameters]
        if request.catalog:
            session = _catalog_session(request.session)
            return _CatalogRows(self._system_tables().run(request.sql, values, session), request)
        frame = self._session.plan(request.sql, values)
        schema = frame.schema()
        batches = self._session.execute(frame, request.sql)
        match request.output:
            case "postgres":
                return _PostgresRows(schema, batches, request)
            case "arrow":
                return _ArrowRows(schema, batches, request)
            case _:
                return _JsonPieces(schema, batches)

    def _fail(self, error: Exception, sql: str) -> None:
        fault = self._session.fault(error, sql)
        self._send(frames.Failed(fault.message, fault.sqlstate, fault.position, fault.hint))


class _Batches:
    """Record batches, cut to what is asked for."""

    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self.columns = column_types(schema)
        self._batches = batches
        self._rest: pa.RecordBatch | None = None

    def start(self) -> None:
        """The first batch is computed when it is asked for."""

    def take(self, max_rows: int | None) -> pa.RecordBatch | None:
        """The next rows, at least one; None at the end."""
        while self._rest is None or self._rest.num_rows == 0:
            self._rest = next(self._batches, None)
            if self._rest is None:
                return None
        batch = self._rest
        count = batch.num_rows
        most = max(1, count * _PIECE_BYTES // max(1, batch.nbytes))
        if max_rows is not None:
            most = min(most, max_rows)
        if count <= most:
            self._rest = None
            return batch
        self._rest = batch.slice(most)
        return batch.slice(0, most)


class _PostgresRows(_Batches):
    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch], request: frames.Execute) -> None:
        super().__init__(schema, batches)
        binary = _flags(request.binary, len(schema))
        self._encoder = RowEncoder(schema, binary, request.session.timezone)

    def next(self, max_rows: int | None) -> tuple[bytes, int] | None:
        batch = self.take(max_rows)
        return None if batch is None else (self._encoder.encode(batch), batch.num_rows)


class _ArrowRows(_Batches):
    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch], request: frames.Execute) -> None:
        super().__init__(schema, batches)
        self._stream = ArrowStream(schema, dates=request.dates)
        self._closed = False

    def next(self, max_rows: int | None) -> tuple[bytes, int] | None:
        if self._closed:
            return None
        batch = self.take(max_rows)
        if batch is None:
            self._closed = True
            return self._stream.close(), 0
        return self._stream.encode(batch), batch.num_rows


class _JsonPieces(_Batches):
    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        super().__init__(schema, batches)
        self._rows = JsonRows(schema)
        self._opening = OPENING
        self._closed = False

    def next(self, max_rows: int | None) -> tuple[bytes, int] | None:
        if self._closed:
            return None
        batch = self.take(max_rows)
        opening, self._opening = self._opening, b""
        if batch is None:
            self._closed = True
            return opening + CLOSING, 0
        return opening + self._rows.encode(batch), batch.num_rows


class _CatalogRows:
    """Of a statement over the system tables, which is computed at once."""

    def __init__(self, result: CatalogResult, request: frames.Execute) -> None:
        self.columns = [(column.name, column.oid, column.size) for column in result.columns]
        self._result = result
        self._binary = _flags(request.binary, len(result.columns))
        self._place = 0

    def start(self) -> None:
        """Everything is there already."""

    def next(self, max_rows: int | None) -> tuple[bytes, int] | None:
        rows = self._result.rows[self._place :]
        if not rows:
            return None
        rows = rows if max_rows is None else rows[:max_rows]
        self._place += len(rows)
        return attrs.evolve(self._result, rows=rows).encode(self._binary), len(rows)


def _flags(binary: bool | tuple[bool, ...], count: int) -> tuple[bool, ...]:
    if isinstance(binary, bool):
        return (binary,) * count
    if len(binary) != count:
        raise QueryError(f"expected result formats for {count} columns, got {len(binary)}", "08P01")
    return binary


def _catalog_session(session: frames.Session) -> CatalogSession:
    return CatalogSession(session.user, session.timezone, dict(session.settings), session.process_id)


def run(settings: Settings) -> NoReturn:
    """Take the limits of a worker, then serve."""
    os.nice(settings.niceness)
    try:
        worker = Worker(settings)
    except (RestateError, OSError) as error:
        sys.exit(f"cannot start: {error}")
    _limit_memory(settings.address_space_bytes)
    worker.serve()


def _limit_memory(size_bytes: int) -> None:
    """A query that wants more than `size_bytes` gets an error, or ends this process; in any case only itself.

    The limit is on addresses, and what the libraries reserve at their start without using it, a gigabyte each, depends
    on the machine; so what is there already is not counted.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    size_bytes += int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    if hard != resource.RLIM_INFINITY:
        size_bytes = min(size_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (size_bytes, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
