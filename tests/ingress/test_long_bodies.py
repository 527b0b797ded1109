"""Nobody but the partition holds the body of a request while the outcome is waited for."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Value

from restate.runtime.engine.actions import IngressReply
from restate.runtime.model.journal import Callee
from restate.runtime.model.result import Success
from restate.runtime.pb.synth_pb2 import RpcRequest, RpcResponse
from tests.ingress.registries import both
from tests.ingress.rpc_calls import PROTOCOLS, call
from tests.support.fake_partition import FakePartition, Port

_TEXT = "x" * 3000


class CountingPartition(FakePartition):
    """Answers at once, and keeps how many hold on to the body it is given, itself included."""

    holders = 0

    async def call(
        self, callee: Callee, body: bytes, headers: tuple[tuple[str, str], ...], **_: Any
    ) -> IngressReply:
        self.holders = sys.getrefcount(body) - 1  # less the argument
        assert len(body) >= len(_TEXT)
        return IngressReply(1, callee.invocation, callee.target, self.outcome, None)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Port:
    monkeypatch.setattr("tests.support.fake_partition.FakePartition", CountingPartition)
    return Port(both())


def holders(port: Port) -> int:
    assert isinstance(port.partition, CountingPartition)
    return port.partition.holders


async def test_a_body_of_plain_http_is_handed_over(port: Port) -> None:
    pieces = [b'"', _TEXT.encode(), b'"']
    answer = await port.ask("POST", "/Greeter/greet", pieces, content_type="application/json")
    assert answer.status == 200
    assert holders(port) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_message_for_a_modern_handler_is_handed_over(port: Port, protocol: str) -> None:
    message = RpcRequest(request=Value(string_value=_TEXT))
    outcome = await call(port, protocol, "/Greeter/greet", message, RpcResponse)
    assert outcome.code is None
    assert holders(port) == 1


# Connect passes an encoded message on as it came: the test itself holds it.
@pytest.mark.parametrize("protocol", [protocol for protocol in PROTOCOLS if protocol != "connect-proto"])
async def test_a_message_for_a_classic_handler_is_handed_over(port: Port, protocol: str) -> None:
    port.partition.outcome = Success(RpcResponse().SerializeToString())
    message = RpcRequest(request=Value(string_value=_TEXT))
    outcome = await call(port, protocol, "/my.greeter/call", message, RpcResponse)
    assert outcome.code is None
    assert holders(port) == 1
