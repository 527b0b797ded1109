"""One call, as its handler sees it."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import trio
from google.protobuf.message import Message
from grpclib.const import Status

from restate.runtime.grpc_server.answers import Answer
from restate.runtime.grpc_server.method import Method
from restate.runtime.grpc_server.packing import unhurried
from restate.runtime.net.http import Headers, Peer, Request
from restate.runtime.rpc import metadata as metadata_codec
from restate.runtime.rpc import transcode
from restate.runtime.rpc.json_options import JsonOptions
from restate.runtime.rpc.protocols import Codec, Wire
from restate.runtime.rpc.protocols import Protocol as RpcProtocol
from restate.runtime.rpc.status import Code, Detail, Profile, RpcError

if TYPE_CHECKING:
    from multidict import MultiDict

Metadata = Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]]


class Source(Protocol):
    """Where messages of the caller come from, decompressed, in the codec of the call."""

    async def next(self) -> bytes | None:
        """None: there are no more. Raises RpcError, ConnectionClosed, BodyTooLarge."""


@attrs.frozen
class Deadline:
    """When the caller stops waiting. at: Trio time. timeout_s: what the caller said."""

    at: float
    timeout_s: float

    @classmethod
    def after(cls, timeout_s: float) -> "Deadline":
        return cls(trio.current_time() + timeout_s, timeout_s)

    def time_remaining(self) -> float:
        """Seconds, 0 when it has passed."""
        return max(0.0, self.at - trio.current_time())


class Call:
    """Made by RpcServer, which also ends it: a handler returns, or raises RpcError (or grpclib's GRPCError).

    Of a unary method a handler takes one message and sends one. It can pass both on as they are (`recv_bytes`,
    `send_bytes`) or as objects (`recv_message`, `send_message`). The names are those of grpclib.server.Stream, which
    generated bases expect.
    """

    def __init__(
        self,
        method: Method,
        request: Request,
        wire: Wire,
        profile: Profile,
        source: Source,
        answer: Answer,
        deadline: Deadline | None,
        json_options: JsonOptions,
    ) -> None:
        self.method = method
        self.request = request  # with the raw headers
        self.protocol: RpcProtocol = wire.protocol
        self.codec: Codec = wire.codec
        self.profile = profile  # of statuses in Connect
        self.deadline = deadline
        # Entries as they stand on the wire, sent with success and with errors alike.
        self.initial_metadata: Headers = []
        self.trailing_metadata: Headers = []
        self.reply: bytes | None = None  # the only one, in the codec of the call
        self.failure: RpcError | None = None  # told by send_trailing_metadata
        self._source = source
        self._answer = answer
        self._json_options = json_options
        self._metadata: MultiDict[str | bytes] | None = None

    @property
    def peer(self) -> Peer:
        return self.request.peer

    @property
    def user_agent(self) -> str | None:
        value = self.request.header(b"user-agent")
        return None if value is None else value.decode("latin-1")

    @property
    def metadata(self) -> "MultiDict[str | bytes]":
        """What the caller has added, without the headers of the protocol. Raises RpcError INVALID_ARGUMENT."""
        if self._metadata is None:
            from multidict import MultiDict

            self._metadata = MultiDict(metadata_codec.entries(self.request.headers))
        return self._metadata

    # The caller's messages.

    async def recv_bytes(self) -> bytes:
        """The encoded message: as it came, or made of JSON. It is not looked at otherwise.

        Raises RpcError, ConnectionClosed, BodyTooLarge; UNIMPLEMENTED when there is no (further) message.
        """
        raw = await self._source.next()
        if raw is None:
            raise RpcError(Code.UNIMPLEMENTED, "expected a message, got none")
        if self.codec is Codec.JSON:
            return await unhurried(
                len(raw), transcode.from_json, raw, self.method.request_type, self._json_options
            )
        return raw

    async def recv_message(self) -> Any:
        """The next message; None after the last. Raises RpcError, ConnectionClosed, BodyTooLarge."""
        raw = await self._source.next()
        if raw is None:
            return None
        if self.codec is Codec.JSON:
            return await unhurried(
                len(raw), transcode.parse_json, raw, self.method.request_type, self._json_options
            )
        return transcode.parse(raw, self.method.request_type)

    async def recv_one(self) -> Any:
        """The message of a method that takes one. Raises RpcError, UNIMPLEMENTED when there is none; see above."""
        message = await self.recv_message()
        if message is None:
            raise RpcError(Code.UNIMPLEMENTED, "expected a message, got none")
        return message

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (message := await self.recv_message()) is not None:
            yield message

    # Ours.

    async def send_bytes(self, encoded: bytes) -> None:
        """Send an encoded message. The only one of a method leaves when the handler has returned.

        Raises RpcError INTERNAL when it is no such message but must become JSON; ConnectionClosed.
        """
        if self.codec is Codec.JSON:
            encoded = await unhurried(
                len(encoded), transcode.to_json, encoded, self.method.reply_type, self._json_options
            )
        await self._send(encoded)

    async def send_message(self, message: Message) -> None:
        """As `send_bytes`, of an object."""
        if self.codec is Codec.JSON:
            size = message.ByteSize()
            await self._send(await unhurried(size, transcode.message_to_json, message, self._json_options))
        else:
            await self._send(message.SerializeToString())

    async def send_initial_metadata(self, *, metadata: Metadata = ()) -> None:
        """Add to the initial metadata, and send them if replies are a stream."""
        self.initial_metadata += _wire_form(metadata)
        if self.method.cardinality.server_streaming:
            await self._start()

    async def send_trailing_metadata(
        self,
        *,
        status: Status = Status.OK,
        status_message: str | None = None,
        status_details: Iterable[Message] = (),
        metadata: Metadata = (),
    ) -> None:
        """Decide the outcome; it leaves when the handler has returned."""
        self.trailing_metadata += _wire_form(metadata)
        if status is not Status.OK:
            details = tuple(Detail.of(detail) for detail in status_details)
            self.failure = RpcError(Code(status.value), status_message or "", details)

    async def _send(self, message: bytes) -> None:
        if self.method.cardinality.server_streaming:
            await self._start()
            await self._answer.message(message)
        elif self.reply is not None:
            raise RuntimeError(
                f"expected one reply of {self.method.service}/{self.method.name}, got a second one"
            )
        else:
            self.reply = message

    async def _start(self) -> None:
        if not self._answer.started:
            await self._answer.start(self.initial_metadata)


def _wire_form(metadata: Metadata) -> Headers:
    pairs = metadata.items() if isinstance(metadata, Mapping) else metadata
    return [metadata_codec.header(name, value) for name, value in pairs]
