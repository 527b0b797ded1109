"""Which protocol version an attempt speaks."""

import pytest

from restate.runtime.invoker.failure import AttemptFailure
from restate.runtime.invoker.route import Routes
from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.invocation import IngressSource, InvocationRecord, Pin, Status
from restate.runtime.model.target import Generation, HandlerType, ServiceType, Target
from restate.runtime.schema.deployment import Deployment
from restate.runtime.schema.options import DEFAULTS
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import deployment_row
from tests.schema.builders import service

ID = DeploymentId("dp_a")


def registry(low: int, high: int, kind: ServiceType = ServiceType.SERVICE) -> Registry:
    one = service("S", kind, deployment_id=ID, revision=1)
    deployment = Deployment(
        ID, kind.generation, "http://h:1/", "BidiStream", "HTTP/2.0", low, high, 1, (one,)
    )
    return Registry.EMPTY.changed(1, (deployment_row(deployment),))


def invocation(generation: Generation, pin: Pin | None = None) -> InvocationRecord:
    kind = ServiceType.SERVICE if generation is Generation.MODERN else ServiceType.UNKEYED
    target = Target("S", "call", None, kind, HandlerType.PLAIN)
    return InvocationRecord(Status.INVOKED, target, 1, 1, pin, 1, IngressSource(), (), 0, 0)


@pytest.mark.parametrize(
    ("low", "high", "picked", "with_switch"),
    [
        (5, 5, 5, 5),
        (1, 5, 5, 5),
        (5, 6, 6, 6),
        (6, 6, 6, 6),
        (5, 7, 6, 7),
        (1, 99, 6, 7),
        (7, 7, 7, 7),
        (7, 9, 7, 7),
    ],
)
def test_the_highest_common_version_up_to_the_preferred_one(
    low: int, high: int, picked: int, with_switch: int
) -> None:
    schema = registry(low, high)
    record = invocation(Generation.MODERN)
    assert Routes(lambda: schema, DEFAULTS).choose(record).version == picked
    assert Routes(lambda: schema, DEFAULTS, protocol_v7=True).choose(record).version == with_switch


@pytest.mark.parametrize("switch", [False, True])
@pytest.mark.parametrize("version", [5, 6, 7])
def test_a_pinned_invocation_keeps_its_version(version: int, switch: bool) -> None:
    schema = registry(5, 7)
    record = invocation(Generation.MODERN, Pin(ID, version))
    assert Routes(lambda: schema, DEFAULTS, protocol_v7=switch).choose(record).version == version


def test_the_classic_generation_has_one_version() -> None:
    schema = registry(0, 0, ServiceType.UNKEYED)
    record = invocation(Generation.CLASSIC)
    assert Routes(lambda: schema, DEFAULTS, protocol_v7=True).choose(record).version == 1


def test_a_lambda_function_is_not_called() -> None:
    one = service("S", deployment_id=ID, revision=1)
    arn = "arn:aws:lambda:eu:1:function:f:1"
    stored = Deployment(ID, Generation.MODERN, "", "RequestResponse", "HTTP/1.1", 5, 7, 1, (one,), arn=arn)
    schema = Registry.EMPTY.changed(1, (deployment_row(stored),))
    with pytest.raises(AttemptFailure, match=f"{ID} is the AWS Lambda function {arn}") as failed:
        Routes(lambda: schema, DEFAULTS).choose(invocation(Generation.MODERN, Pin(ID, 6)))
    assert failed.value.code == "RT0010"
