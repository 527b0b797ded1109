"""The gRPC services of the node-ctrl port, in all protocols that clients speak."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from restate.runtime.net.access import Gate
from restate.runtime.node.control import NodeControl
from restate.runtime.node.node import Node, Status
from restate.runtime.pb.cluster_controller_pb2 import AttachmentRequest, AttachmentResponse
from restate.runtime.pb.health_pb2 import HealthCheckRequest, HealthCheckResponse
from restate.runtime.pb.node_common_pb2 import NodeId
from restate.runtime.pb.node_ctrl_pb2 import IdentResponse, NodeStatus
from restate.runtime.pb.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from restate.runtime.pb.worker_pb2 import BifrostVersion
from restate.runtime.rpc.frames import frame
from restate.runtime.telemetry.metrics import Metrics
from tests.node.test_control import node
from tests.support.net_server import Answer, H2Peer, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

IDENT = b"/dev.restate.node_ctrl.NodeCtrl/GetIdent"
ATTACH = b"/dev.restate.cluster_controller.ClusterController/AttachNode"
CHECK = b"/grpc.health.v1.Health/Check"


@asynccontextmanager
async def peer_of(node: Node, gate: Gate | None = None) -> AsyncIterator[H2Peer]:
    control = NodeControl(node, Metrics(), gate or Gate(), request_size_limit=1000)
    async with running(control) as listener, await listener.connect_h2() as peer:
        yield peer


async def call(peer: H2Peer, path: bytes, message: bytes = b"", *headers: tuple[bytes, bytes]) -> Answer:
    grpc = [(b"content-type", b"application/grpc"), (b"te", b"trailers"), *headers]
    return await peer.exchange(b"POST", path, frame(message), grpc)


def message_of(answer: Answer) -> bytes:
    assert answer.trailers[b"grpc-status"] == b"0", answer
    return answer.body[5:]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (Status.STARTING_UP, NodeStatus.STARTING_UP),
        (Status.ALIVE, NodeStatus.ALIVE),
        (Status.SHUTTING_DOWN, NodeStatus.SHUTTING_DOWN),
    ],
)
async def test_a_node_tells_who_it_is_and_how_far_it_has_come(status: Status, told: NodeStatus) -> None:
    async with peer_of(node(status)) as peer:
        answer = IdentResponse.FromString(message_of(await call(peer, IDENT)))
    expected = IdentResponse(status=told, node_id=NodeId(id=1, generation=3), nodes_config_version=1)
    assert answer == expected


@pytest.mark.parametrize("node_id", [None, NodeId(id=1), NodeId(id=1, generation=7)])
async def test_the_node_is_attached_to_itself(node_id: NodeId | None) -> None:
    request = AttachmentRequest(node_name="bed", node_id=node_id)
    async with peer_of(node()) as peer:
        answer = await call(peer, ATTACH, request.SerializeToString())
    assert AttachmentResponse.FromString(message_of(answer)) == AttachmentResponse()


async def test_another_node_cannot_join() -> None:
    request = AttachmentRequest(node_name="two", node_id=NodeId(id=2))
    async with peer_of(node()) as peer:
        answer = await call(peer, ATTACH, request.SerializeToString())
    assert answer.trailers[b"grpc-status"] == b"9"
    assert b"expected node 1, got node 2" in answer.trailers[b"grpc-message"]


async def test_the_log_has_the_version_that_the_first_start_gave_it() -> None:
    async with peer_of(node()) as peer:
        answer = await call(peer, b"/dev.restate.worker.Worker/GetBifrostVersion")
    assert BifrostVersion.FromString(message_of(answer)).version == 1


@pytest.mark.parametrize(
    ("status", "serving"),
    [
        (Status.STARTING_UP, HealthCheckResponse.NOT_SERVING),
        (Status.ALIVE, HealthCheckResponse.SERVING),
        (Status.SHUTTING_DOWN, HealthCheckResponse.NOT_SERVING),
    ],
)
@pytest.mark.parametrize("service", ["", "dev.restate.node_ctrl.NodeCtrl"])
async def test_health_follows_the_node(
    status: Status, serving: HealthCheckResponse.ServingStatus, service: str
) -> None:
    async with peer_of(node(status)) as peer:
        answer = await call(peer, CHECK, HealthCheckRequest(service=service).SerializeToString())
    assert HealthCheckResponse.FromString(message_of(answer)).status == serving


async def test_health_knows_no_services_of_other_ports() -> None:
    async with peer_of(node()) as peer:
        answer = await call(peer, CHECK, HealthCheckRequest(service="Greeter").SerializeToString())
    assert answer.trailers[b"grpc-status"] == b"5"


async def test_who_watches_learns_of_start_and_end() -> None:
    starting = node(Status.STARTING_UP)
    async with peer_of(starting) as peer:
        grpc = [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
        stream = peer.begin(b"POST", b"/grpc.health.v1.Health/Watch", grpc, end=False)
        await peer.send_body(stream, frame(b""))
        answer = peer.answers[stream]
        for count, change, expected in (
            (1, None, HealthCheckResponse.NOT_SERVING),
            (2, starting.partition.serve, HealthCheckResponse.SERVING),
            (3, starting.partition.refuse, HealthCheckResponse.NOT_SERVING),
        ):
            if change is not None:
                change()
            await peer.until(lambda count=count: len(answer.pieces) == count)  # type: ignore[misc]
            assert HealthCheckResponse.FromString(answer.pieces[-1][5:]).status == expected


async def test_reflection_lists_and_describes_all_services() -> None:
    request = ServerReflectionRequest(list_services="*")
    async with peer_of(node()) as peer:
        path = b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        answer = ServerReflectionResponse.FromString(
            message_of(await call(peer, path, request.SerializeToString()))
        )
        services = [each.name for each in answer.list_services_response.service]
        for service in services:
            request = ServerReflectionRequest(file_containing_symbol=service)
            answer = ServerReflectionResponse.FromString(
                message_of(await call(peer, path, request.SerializeToString()))
            )
            files = [
                FileDescriptorProto.FromString(raw)
                for raw in answer.file_descriptor_response.file_descriptor_proto
            ]
            names = {file.name for file in files}
            assert files, service
            assert {name for file in files for name in file.dependency} <= names
            assert not any(name.startswith("restate/") for name in names)
    assert services == [
        "dev.restate.cluster_controller.ClusterController",
        "dev.restate.node_ctrl.NodeCtrl",
        "dev.restate.worker.Worker",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ]


@pytest.mark.parametrize(
    "path", [b"/dev.restate.node_ctrl.NodeCtrl/Nope", b"/dev.restate.Ingress/Invoke", b"/x/y", b"/metrics"]
)
async def test_an_unknown_method_is_unimplemented_or_nonsense(path: bytes) -> None:
    async with peer_of(node()) as peer:
        answer = await call(peer, path)
    assert answer.trailers[b"grpc-status"] == (b"3" if path == b"/metrics" else b"12")


async def test_a_message_beyond_the_limit_is_refused() -> None:
    request = AttachmentRequest(node_name="x" * 1000)
    async with peer_of(node()) as peer:
        answer = await call(peer, ATTACH, request.SerializeToString())
    assert answer.trailers[b"grpc-status"] == b"8"


async def test_connect_clients_are_served_and_refused_as_they_expect() -> None:
    json = [(b"content-type", b"application/json"), (b"connect-protocol-version", b"1")]
    async with peer_of(node(), Gate(["secret"])) as peer:
        refused = await peer.exchange(b"POST", IDENT, b"{}", json)
        served = await peer.exchange(b"POST", IDENT, b"{}", [*json, (b"authorization", b"Bearer secret")])
    assert refused.status == 401
    assert b'"code":"unauthenticated"' in refused.body
    assert served.status == 200
    assert b'"status":"ALIVE"' in served.body


async def test_a_client_of_grpc_without_a_token_is_unauthenticated() -> None:
    async with peer_of(node(), Gate(["secret"])) as peer:
        for path in (IDENT, ATTACH, CHECK, b"/x/y"):
            answer = await call(peer, path)
            assert answer.trailers[b"grpc-status"] == b"16"
        answer = await call(peer, IDENT, b"", (b"authorization", b"Bearer secret"))
    assert message_of(answer)
