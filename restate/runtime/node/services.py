"""The gRPC services of the node-ctrl port. Imported when the first client asks for one (service-protocol of classic)."""

from typing import Any

import attrs

from restate.runtime.grpc_server.bases.cluster_controller_grpc import ClusterControllerBase
from restate.runtime.grpc_server.bases.node_ctrl_grpc import NodeCtrlBase
from restate.runtime.grpc_server.bases.worker_grpc import WorkerBase
from restate.runtime.grpc_server.call import Call
from restate.runtime.grpc_server.health import Health
from restate.runtime.grpc_server.method import Method, methods_of
from restate.runtime.grpc_server.reflection import reflection_methods
from restate.runtime.grpc_server.server import RpcServer
from restate.runtime.node.node import NODE_ID, Node, Status
from restate.runtime.pb import (
    cluster_controller_pb2,
    health_pb2,
    node_common_pb2,
    node_ctrl_pb2,
    worker_pb2,
)
from restate.runtime.pb.cluster_controller_pb2 import AttachmentRequest, AttachmentResponse
from restate.runtime.pb.health_pb2 import HealthCheckResponse
from restate.runtime.pb.node_common_pb2 import NodeId
from restate.runtime.pb.node_ctrl_pb2 import IdentResponse, NodeStatus
from restate.runtime.pb.worker_pb2 import BifrostVersion
from restate.runtime.rpc.status import Code, RpcError
from restate.runtime.schema.symbols import SymbolIndex
from restate.runtime.schema.symbols_builtin import own_files, reflection_files

_CONFIG_VERSION = 1
"""Of the nodes and of the log. Both are what the first start made them; 0 would mean that they are not known."""

_STATUSES = {
    Status.STARTING_UP: NodeStatus.STARTING_UP,
    Status.ALIVE: NodeStatus.ALIVE,
    Status.SHUTTING_DOWN: NodeStatus.SHUTTING_DOWN,
}

_PUBLIC_NAMES = {
    node_common_pb2.DESCRIPTOR.name: "dev/restate/common/common.proto",
    node_ctrl_pb2.DESCRIPTOR.name: "dev/restate/node_ctrl.proto",
    cluster_controller_pb2.DESCRIPTOR.name: "dev/restate/cluster_controller.proto",
    worker_pb2.DESCRIPTOR.name: "dev/restate/worker.proto",
    health_pb2.DESCRIPTOR.name: "grpc/health/v1/health.proto",
}


def rpc_server(node: Node, *, size_limit: int) -> RpcServer:
    """Serves the services of the port. size_limit: of a message in bytes."""
    return RpcServer(_Methods(node).find, size_limit=size_limit, unknown_route="bare_404")


class _Methods:
    def __init__(self, node: Node) -> None:
        self._node = node
        implementations: tuple[Any, ...] = (
            _NodeCtrl(node),
            _ClusterController(),
            _Worker(),
            Health(self._health, lambda: node.partition.changed, lambda: node.partition.refusing),
        )
        methods = [
            *(method for one in implementations for method in methods_of(one).values()),
            *reflection_methods(lambda: index),
        ]
        self._methods = {(method.service, method.name): method for method in methods}
        self._services = {service for service, _ in self._methods}
        roots = (
            node_ctrl_pb2.DESCRIPTOR,
            cluster_controller_pb2.DESCRIPTOR,
            worker_pb2.DESCRIPTOR,
            health_pb2.DESCRIPTOR,
        )
        index = SymbolIndex((*own_files(roots, _PUBLIC_NAMES), *reflection_files()), self._services)

    def find(self, service: str, method: str) -> Method:
        """Raises RpcError."""
        found = self._methods.get((service, method))
        if found is None:
            raise RpcError(Code.UNIMPLEMENTED, f"this port has no method {service}/{method}")
        return found

    def _health(self, service: str) -> HealthCheckResponse.ServingStatus | None:
        if service and service not in self._services:
            return None
        serving = self._node.status is Status.ALIVE
        return HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING


@attrs.frozen(eq=False)
class _NodeCtrl(NodeCtrlBase):
    _node: Node

    async def GetIdent(self, call: Call) -> None:
        await call.recv_one()
        answer = IdentResponse(
            status=_STATUSES[self._node.status],
            node_id=NodeId(id=NODE_ID, generation=self._node.generation),
            nodes_config_version=_CONFIG_VERSION,
        )
        await call.send_message(answer)


class _ClusterController(ClusterControllerBase):
    async def AttachNode(self, call: Call) -> None:
        """This node is attached to itself, always. Another one cannot join it."""
        request: AttachmentRequest = await call.recv_one()
        if request.HasField("node_id") and request.node_id.id != NODE_ID:
            raise RpcError(
                Code.FAILED_PRECONDITION,
                f"expected node {NODE_ID}, got node {request.node_id.id}: this server is a cluster of one node, which"
                " others cannot join",
            )
        await call.send_message(AttachmentResponse())


class _Worker(WorkerBase):
    async def GetBifrostVersion(self, call: Call) -> None:
        await call.recv_one()
        await call.send_message(BifrostVersion(version=_CONFIG_VERSION))
