"""Completing awakeables of both generations from outside."""

from restate.runtime.model.ids import IdError, InvocationId, parse_awakeable_id
from restate.runtime.model.result import Failure, Success
from restate.runtime.partition.handle import Partition

_REJECTED_MODERN = 500
_REJECTED_CLASSIC = 2


def parse_id(text: str) -> tuple[str, InvocationId, int]:
    """Kind (`sign` or `prom`), invocation and index. Raises IdError."""
    try:
        return parse_awakeable_id(text)
    except IdError:
        if text.startswith("sign_1"):
            # Upstream then tries it as an id of the older kind, and this is what it says.
            raise IdError("id doesn't match the expected type") from None
        raise


async def complete(
    partition: Partition, awakeable: tuple[str, InvocationId, int], result: Success | str
) -> None:
    """Return once it is durable. result: a str is the message of a rejection. Raises Overloaded.

    A rejection has the code that the awakeable's generation gives it; a modern awakeable is a signal.
    """
    kind, invocation, index = awakeable
    if kind == "prom":
        outcome = Failure(_REJECTED_CLASSIC, result) if isinstance(result, str) else result
        await partition.complete_awakeable(invocation, index, outcome)
    else:
        outcome = Failure(_REJECTED_MODERN, result) if isinstance(result, str) else result
        await partition.signal(invocation, index, outcome)
