"""What can be called: one method of a service, and its handler."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import attrs
from google.protobuf.message import Message
from grpclib.const import Cardinality

if TYPE_CHECKING:
    from restate.runtime.grpc_server.call import Call

__all__ = ["Cardinality", "Method", "methods_of"]


@attrs.frozen
class Method:
    """service: its full name. no_side_effects: may be called by a Connect GET."""

    service: str
    name: str
    cardinality: Cardinality
    request_type: type[Message]
    reply_type: type[Message]
    handle: "Callable[[Call], Awaitable[None]]"
    no_side_effects: bool = False

    @property
    def streams(self) -> bool:
        """Whether either side may send any number of messages."""
        return self.cardinality is not Cardinality.UNARY_UNARY


def methods_of(implementation: Any) -> dict[str, Method]:
    """{name: Method} of an object of a class derived from a generated base."""
    methods = {}
    for path, handler in implementation.__mapping__().items():
        _, service, name = path.split("/")
        methods[name] = Method(
            service, name, handler.cardinality, handler.request_type, handler.reply_type, handler.func
        )
    return methods
