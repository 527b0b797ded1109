"""How something ended: the neutral form of every completion, signal and answer of both generations.

Stored in the journal and in completed invocations. Codes inside `Failure` are those of the generation that produced
it; `restate.runtime.model.codes` converts at the edges.
"""

import msgspec


class Void(msgspec.Struct, frozen=True, array_like=True, tag=0, gc=False):
    """Nothing, successfully: sleep fired, state absent, promise not there."""


class Success(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """A value, as the bytes the service wrote."""

    value: bytes


class Failure(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """A terminal error. metadata: ((key, value), ...), modern protocol version 6 and newer."""

    code: int
    message: str
    metadata: tuple[tuple[str, str], ...] = ()


class StateKeys(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """The state keys of an object, in key order."""

    keys: tuple[bytes, ...]


class CalleeId(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """The invocation a call or send has started (24 bytes)."""

    invocation: bytes


Outcome = Success | Failure
"""How an invocation ended."""

Result = Void | Success | Failure | StateKeys | CalleeId
"""What a completion or signal carries."""

VOID = Void()

KILLED_CLASSIC = Failure(64, "killed")
KILLED_MODERN = Failure(409, "killed")
CANCELED_CLASSIC = Failure(1, "canceled")
CANCELED_MODERN = Failure(409, "canceled")
