"""One operation of the admin port, as its OpenAPI document has it."""

from typing import Any

import attrs

from restate.runtime.admin.models_replies import Error

JSON = "application/json"
PROTOBUF = "application/x-protobuf"


@attrs.frozen
class Parameter:
    """In the query, or in the path if the path has its name. kind: as in models."""

    name: str
    description: str
    kind: Any = str
    schema: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Operation:
    """path: with {parameters}. replies: {status: model, None for an empty body}; where there are several content types,
    {status: {content type: model}}; bytes is what is no JSON. body: model, or list of models.

    errors: statuses with the body of `error`, beyond those that follow from parameters and body. versions: of the
    prefixes that have it; 0 stands for none.
    """

    method: str
    path: str
    name: str
    tag: str
    summary: str
    replies: dict[int, Any]
    errors: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    error: Any = Error
    versions: tuple[int, ...] = (0, 2, 3, 4)


TAGS = {
    "deployment": "Where services run.",
    "service": "Services, their handlers, settings and state.",
    "invocation": "What operators do with invocations.",
    "subscription": "From Kafka topics to handlers. Stored, not consumed.",
    "kafka_cluster": "Clusters that subscriptions may name.",
    "rule": "Limits of concurrency. Stored, not enforced.",
    "introspection": "SQL over everything stored.",
    "server": "The server itself.",
}
