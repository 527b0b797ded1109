"""Requests are counted by what became of them, the same in every protocol."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from restate.runtime.model.result import Failure, Success
from restate.runtime.partition.handle import Overloaded, ShuttingDown
from restate.runtime.pb.services_pb2 import InvokeRequest, InvokeResponse
from restate.runtime.pb.synth_pb2 import RpcRequest, RpcResponse
from tests.ingress.registries import both
from tests.ingress.rpc_calls import PROTOCOLS, call
from tests.support.fake_partition import Port

RAW = ("Greeter", "raw", "call")


@pytest.fixture
def port() -> Port:
    return Port(both(), concurrency_limit=1)


def counted(port: Port) -> dict[tuple[str, ...], float]:
    """Without what is counted for every request that gets a permit."""
    return {
        labels: value for labels, value in port.metrics.requests.values.items() if labels[0] != "admitted"
    }


async def test_a_call_is_counted_and_timed(port: Port) -> None:
    for _ in range(3):
        await port.ask("GET", "/Greeter/raw")
    assert port.metrics.requests.values == {("admitted", "", "", ""): 3, ("completed", *RAW): 3}
    assert {labels: sum(each.counts) for labels, each in port.metrics.seconds.values.items()} == {RAW: 3}


async def test_a_send_is_one_of_its_own(port: Port) -> None:
    await port.ask("POST", "/Greeter/raw/send")
    assert counted(port) == {("completed", "Greeter", "raw", "send"): 1}


async def test_what_the_handler_answers_is_not_the_fault_of_the_ingress(port: Port) -> None:
    port.partition.outcome = Failure(500, "no")
    await port.ask("GET", "/Greeter/raw")
    assert counted(port) == {("invocation_error", *RAW): 1}


@pytest.mark.parametrize(
    ("error", "status"),
    [(Overloaded("full"), "ingress_error"), (ShuttingDown("ending"), "ingress_error")],
)
async def test_what_the_server_refuses_is_its_own_fault(port: Port, error: Exception, status: str) -> None:
    port.partition.error = error
    await port.ask("GET", "/Greeter/raw")
    assert counted(port) == {(status, *RAW): 1}


async def test_bad_requests_to_a_service_are_the_fault_of_the_client(port: Port) -> None:
    await port.ask("DELETE", "/Greeter/raw")
    assert counted(port) == {("request_error", *RAW): 1}


@pytest.mark.parametrize("target", ["/Nope/x", "/Greeter/nope", "/", "/restate/health", "/a/b/c/d"])
async def test_names_that_anybody_can_make_up_are_in_no_label(port: Port, target: str) -> None:
    await port.ask("GET", target)
    assert counted(port) == {}


async def test_a_client_that_leaves_is_counted(port: Port) -> None:
    port.partition.never = True
    with trio.move_on_after(0):
        await port.ask("GET", "/Greeter/raw")
    assert counted(port) == {("request_error", *RAW): 1}


async def test_who_gets_no_permit_is_throttled_or_rate_limited(port: Port) -> None:
    port.partition.never = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(port.ask, "GET", "/Greeter/raw")
        await trio.testing.wait_all_tasks_blocked()
        await port.ask("GET", "/Greeter/raw")
        await port.ask("POST", "/my.greeter/call", connect_protocol_version="1")
        assert counted(port) == {("rate-limited", "", "", ""): 1, ("throttled", "", "", ""): 1}
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_rpc_clients_are_counted_alike(port: Port, protocol: str) -> None:
    async def ask(path: str, message: RpcRequest) -> None:
        await call(port, protocol, path, message, RpcResponse)

    greet = ("my.greeter", "call", "call")
    port.partition.outcome = Success(b"")
    found = port.partition.schema.classic_method("my.greeter", "call")
    assert found is not None
    await call(port, protocol, "/my.greeter/call", found.input_class(), found.output_class)
    assert counted(port) == {("completed", *greet): 1}
    port.partition.outcome = Failure(13, "no")
    await call(port, protocol, "/my.greeter/call", found.input_class(), found.output_class)
    assert counted(port) == {("completed", *greet): 1, ("invocation_error", *greet): 1}
    await ask("/my.greeter/nope", RpcRequest())
    await ask("/Nope/x", RpcRequest())
    assert counted(port) == {("completed", *greet): 1, ("invocation_error", *greet): 1}


async def test_an_invocation_by_the_built_in_service_is_a_send(port: Port) -> None:
    request = InvokeRequest(service="Greeter", method="raw")
    await call(port, "grpc", "/dev.restate.Ingress/Invoke", request, InvokeResponse)
    await call(port, "grpc", "/dev.restate.Ingress/Invoke", InvokeRequest(service="Nope"), InvokeResponse)
    invoke = ("dev.restate.Ingress", "Invoke", "send")
    assert set(counted(port)) <= {("completed", *invoke), ("request_error", *invoke)}
    assert counted(port)["request_error", *invoke] >= 1
