"""The SDK's side of a service stream, small: it speaks and hears single messages, by name.

It shares no code with the server's framing, so that the two check each other.
"""

import struct
from collections import deque
from typing import Any

import attrs
from google.protobuf.message import DecodeError, Message

from restate.runtime.model.target import Generation
from restate.runtime.pb import classic_pb2, modern_pb2

ACK = 0x8000
COMPLETED = 0x0001

_M = modern_pb2
MODERN: dict[str, tuple[int, type[Message]]] = {
    "Start": (0x0000, _M.Start),
    "Suspension": (0x0001, _M.Suspension),
    "Error": (0x0002, _M.Error),
    "End": (0x0003, _M.End),
    "CommandAck": (0x0004, _M.CommandAck),
    "ProposeRunCompletion": (0x0005, _M.ProposeRunCompletion),
    "AwaitingOn": (0x0006, _M.AwaitingOn),
    "ProposeRunCompletionAck": (0x0007, _M.ProposeRunCompletionAck),
    "Input": (0x0400, _M.InputCommand),
    "Output": (0x0401, _M.OutputCommand),
    "GetLazyState": (0x0402, _M.GetLazyStateCommand),
    "SetState": (0x0403, _M.SetStateCommand),
    "ClearState": (0x0404, _M.ClearStateCommand),
    "ClearAllState": (0x0405, _M.ClearAllStateCommand),
    "GetLazyStateKeys": (0x0406, _M.GetLazyStateKeysCommand),
    "GetEagerState": (0x0407, _M.GetEagerStateCommand),
    "GetEagerStateKeys": (0x0408, _M.GetEagerStateKeysCommand),
    "GetPromise": (0x0409, _M.GetPromiseCommand),
    "PeekPromise": (0x040A, _M.PeekPromiseCommand),
    "CompletePromise": (0x040B, _M.CompletePromiseCommand),
    "Sleep": (0x040C, _M.SleepCommand),
    "Call": (0x040D, _M.CallCommand),
    "OneWayCall": (0x040E, _M.OneWayCallCommand),
    "SendSignal": (0x0410, _M.SendSignalCommand),
    "Run": (0x0411, _M.RunCommand),
    "AttachInvocation": (0x0412, _M.AttachInvocationCommand),
    "GetInvocationOutput": (0x0413, _M.GetInvocationOutputCommand),
    "CompleteAwakeable": (0x0414, _M.CompleteAwakeableCommand),
    "GetLazyStateCompletion": (0x8002, _M.Notification),
    "GetLazyStateKeysCompletion": (0x8006, _M.Notification),
    "GetPromiseCompletion": (0x8009, _M.Notification),
    "PeekPromiseCompletion": (0x800A, _M.Notification),
    "CompletePromiseCompletion": (0x800B, _M.Notification),
    "SleepCompletion": (0x800C, _M.Notification),
    "CallCompletion": (0x800D, _M.Notification),
    "CallInvocationIdCompletion": (0x800E, _M.Notification),
    "RunCompletion": (0x8011, _M.Notification),
    "AttachInvocationCompletion": (0x8012, _M.Notification),
    "GetInvocationOutputCompletion": (0x8013, _M.Notification),
    "Signal": (0xFBFF, _M.Notification),
}

_C = classic_pb2
CLASSIC: dict[str, tuple[int, type[Message]]] = {
    "Start": (0x0000, _C.Start),
    "Completion": (0x0001, _C.Completion),
    "Suspension": (0x0002, _C.Suspension),
    "Error": (0x0003, _C.Error),
    "EntryAck": (0x0004, _C.EntryAck),
    "End": (0x0005, _C.End),
    "PollInputStream": (0x0400, _C.PollInputStreamEntry),
    "OutputStream": (0x0401, _C.OutputStreamEntry),
    "GetState": (0x0800, _C.GetStateEntry),
    "SetState": (0x0801, _C.SetStateEntry),
    "ClearState": (0x0802, _C.ClearStateEntry),
    "ClearAllState": (0x0803, _C.ClearAllStateEntry),
    "GetStateKeys": (0x0804, _C.GetStateKeysEntry),
    "Sleep": (0x0C00, _C.SleepEntry),
    "Invoke": (0x0C01, _C.InvokeEntry),
    "BackgroundInvoke": (0x0C02, _C.BackgroundInvokeEntry),
    "Awakeable": (0x0C03, _C.AwakeableEntry),
    "CompleteAwakeable": (0x0C04, _C.CompleteAwakeableEntry),
    "SideEffect": (0xFC01, _C.SideEffectEntry),
    "Combinator": (0xFC02, _C.CombinatorEntry),
}

_HEADER = struct.Struct(">HHI")


@attrs.frozen
class Heard:
    """One message from the server. An entry that is no known message has its code as name, its bytes as message."""

    name: str
    flags: int
    message: Any


class SdkPeer:
    """Bytes from the server go into `hear` and come out of `heard`; `say` gives bytes for the server."""

    def __init__(self, generation: Generation) -> None:
        self.classic = generation is Generation.CLASSIC
        self._messages = CLASSIC if self.classic else MODERN
        self._names = {code: name for name, (code, _) in self._messages.items()}
        self._rest = b""
        self.heard: deque[Heard] = deque()

    def say(self, name: str, fields: dict[str, Any], flags: int = 0) -> bytes:
        code, kind = self._messages[name]
        body: bytes = kind(**fields).SerializeToString()
        return _HEADER.pack(code, flags, len(body)) + body

    def expected(self, name: str, fields: dict[str, Any]) -> Any:
        """The message as it should have been heard."""
        return self._messages[name][1](**fields)

    def hear(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) >= _HEADER.size:
            code, flags, size = _HEADER.unpack_from(self._rest)
            end = _HEADER.size + size
            if len(self._rest) < end:
                return
            self.heard.append(self._heard(code, flags, self._rest[_HEADER.size : end]))
            self._rest = self._rest[end:]

    def _heard(self, code: int, flags: int, body: bytes) -> Heard:
        name = self._names.get(code)
        if name is None:
            return Heard(f"{code:#06x}", flags, body)
        try:
            return Heard(name, flags, self._messages[name][1].FromString(body))
        except DecodeError:
            # Custom entries of classic services are theirs alone: the server sends back whatever it was given.
            if code < 0xFC00:
                raise
            return Heard(name, flags, body)
