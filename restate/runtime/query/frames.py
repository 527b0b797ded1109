"""What server and worker say to each other over their socket pair.

A frame is the length of its payload (4 bytes, little endian), a kind byte, the payload: a message in msgpack, or rows with
their number (4 bytes) before them. The server asks, the worker answers:

    Describe            Described | Failed
    Execute             Opened | Failed
      Go, Fetch         rows | Finished | Failed
      Fetch ...         rows | Finished | Failed
      Cancel            Finished | Failed, perhaps after rows that were on their way

`Opened` is sent when the worker has caught up with the server; it then waits for `Go`, which comes when what it may see is
on disk. After Finished or Failed the worker is free. A worker starts with `Ready`.
"""

from collections.abc import Iterator

import msgspec

from restate.runtime.query.live import LiveAttempt

_HEADER = 5
_MESSAGE = 0
_ROWS = 1


class Session(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """As `pool.SessionInfo`."""

    user: str
    timezone: str
    settings: tuple[tuple[str, str], ...]
    process_id: int


class Value(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """As `pool.Parameter`."""

    oid: int
    value: bytes | None
    binary: bool


class ColumnOf(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """As `pool.Column`."""

    name: str
    oid: int
    size: int


class Describe(msgspec.Struct, frozen=True, array_like=True, tag=0, gc=False):
    """What does the statement take and give?"""

    sql: str
    catalog: bool
    oids: tuple[int, ...]
    session: Session


class Execute(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """Plan the statement and get ready to run it. number: of this query, for `Cancel`. binary: one value for all columns,
    or one each. dates: timestamps are wanted as Date64, for the classic command line.
    """

    number: int
    sql: str
    catalog: bool
    parameters: tuple[Value, ...]
    output: str
    binary: bool | tuple[bool, ...]
    session: Session
    dates: bool = False


class Go(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """Run it. live: what the invoker has in memory, empty unless asked for."""

    live: tuple[LiveAttempt, ...]


class Fetch(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """Send the next rows, at most so many."""

    max_rows: int | None


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """End query `number`, if it is the one that runs."""

    number: int


class Ready(msgspec.Struct, frozen=True, array_like=True, tag=5, gc=False):
    """The worker has started."""


class Described(msgspec.Struct, frozen=True, array_like=True, tag=6, gc=False):
    """As `pool.Description`."""

    parameters: tuple[int, ...]
    columns: tuple[ColumnOf, ...]


class Opened(msgspec.Struct, frozen=True, array_like=True, tag=7, gc=False):
    """Planned, and caught up. needs_live: `Go` must bring what the invoker has."""

    columns: tuple[ColumnOf, ...]
    needs_live: bool


class Finished(msgspec.Struct, frozen=True, array_like=True, tag=8, gc=False):
    """There are no more rows."""


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=9, gc=False):
    """As `errors.QueryError`."""

    message: str
    sqlstate: str
    position: int | None = None
    hint: str | None = None


class RowsFrame(msgspec.Struct, frozen=True, gc=False):
    """Rows that are ready to send."""

    data: bytes
    count: int


Request = Describe | Execute | Go | Fetch | Cancel
Reply = Ready | Described | Opened | Finished | Failed
Message = Request | Reply

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    payload = _encoder.encode(message)
    return len(payload).to_bytes(4, "little") + bytes((_MESSAGE,)) + payload


def rows_header(size: int, count: int) -> bytes:
    """What goes before `size` bytes of rows."""
    return (size + 4).to_bytes(4, "little") + bytes((_ROWS,)) + count.to_bytes(4, "little")


class FrameReader:
    """Incremental: give it what came, take what is complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def frames(self) -> Iterator[Message | RowsFrame]:
        """The complete ones, each once. Raises msgspec.MsgspecError for what no version of us sends."""
        while (frame := self.take()) is not None:
            yield frame

    def take(self) -> Message | RowsFrame | None:
        """The next complete frame, or None."""
        buffer = self._buffer
        if len(buffer) < _HEADER:
            return None
        end = _HEADER + int.from_bytes(buffer[:4], "little")
        if len(buffer) < end:
            return None
        kind = buffer[4]
        payload = bytes(memoryview(buffer)[_HEADER:end])
        del buffer[:end]
        if kind == _ROWS:
            return RowsFrame(payload[4:], int.from_bytes(payload[:4], "little"))
        message: Message = _decoder.decode(payload)
        return message
