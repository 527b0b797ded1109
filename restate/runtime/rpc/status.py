"""The code table of gRPC and Connect, and what each code is over HTTP (ingress.md §1.2)."""

from collections.abc import Sequence
from enum import IntEnum

import attrs
from google.protobuf.message import Message


class Code(IntEnum):
    """gRPC's statuses without OK; Connect's names are these in lower case."""

    CANCELED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


_HTTP = {
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
_PLAIN = _HTTP | {Code.CANCELED: 408, Code.DEADLINE_EXCEEDED: 408, Code.FAILED_PRECONDITION: 412}
_STRICT = _HTTP | {Code.CANCELED: 499, Code.DEADLINE_EXCEEDED: 504, Code.FAILED_PRECONDITION: 400}


@attrs.frozen
class Profile:
    """How errors look. Clients of the Connect protocol need `STRICT`; classic documentation promises `PLAIN`."""

    http: dict[Code, int]
    canceled: str

    def name(self, code: Code) -> str:
        return self.canceled if code is Code.CANCELED else code.name.lower()


PLAIN = Profile(_PLAIN, "cancelled")
STRICT = Profile(_STRICT, "canceled")


@attrs.frozen
class Detail:
    """A message that tells more of an error. type: its full name. value: it, encoded."""

    type: str
    value: bytes

    @classmethod
    def of(cls, message: Message) -> "Detail":
        return cls(message.DESCRIPTOR.full_name, message.SerializeToString())


class RpcError(Exception):
    """A call fails with this status.

    metadata: headers of the error as they stand on the wire. gRPC has them among its trailers, Connect among the
    headers of the answer.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        details: Sequence[Detail] = (),
        metadata: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.metadata = metadata


def outcome_code(number: int) -> Code:
    """The status a caller sees for a failure code of a classic invocation: killed is ABORTED, strangers are UNKNOWN."""
    if number == 64:
        return Code.ABORTED
    return Code(number) if 1 <= number <= 16 else Code.UNKNOWN
