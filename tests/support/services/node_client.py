# mypy: ignore-errors
# (grpcio lives in an environment of its own, so a type checker of this project cannot see it.)
"""What gRPC's own Python client makes of the node-ctrl port; prints it as one JSON object.

Run by tests/clients/test_node_control.py: node_client.py HOST:PORT [TOKEN]. Nothing of ours is imported.
"""

import json
import sys
from collections.abc import Callable

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def main() -> None:
    metadata = [("authorization", f"Bearer {sys.argv[2]}")] if len(sys.argv) > 2 else []
    with grpc.insecure_channel(sys.argv[1]) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        report = {"health": code_of(lambda: health.Check(health_pb2.HealthCheckRequest(), metadata=metadata))}
        if not metadata:
            database = ProtoReflectionDescriptorDatabase(channel)
            pool = DescriptorPool(database)
            report["services"] = sorted(database.get_services())
            report["ident"] = json_of(channel, pool, "dev.restate.node_ctrl.NodeCtrl", "GetIdent", {})
            attach = ("dev.restate.cluster_controller.ClusterController", "AttachNode")
            report["attach"] = json_of(channel, pool, *attach, {"nodeName": "bed", "nodeId": {"id": 1}})
            report["attach_other"] = json_of(channel, pool, *attach, {"nodeName": "two", "nodeId": {"id": 2}})
            report["bifrost"] = json_of(channel, pool, "dev.restate.worker.Worker", "GetBifrostVersion", {})
            watch = health.Watch(health_pb2.HealthCheckRequest(service="dev.restate.worker.Worker"))
            report["watched"] = health_pb2.HealthCheckResponse.ServingStatus.Name(next(watch).status)
            watch.cancel()
        print(json.dumps(report))


def code_of(ask: Callable[[], object]) -> str:
    try:
        return health_pb2.HealthCheckResponse.ServingStatus.Name(ask().status)
    except grpc.RpcError as error:
        return error.code().name


def json_of(
    channel: grpc.Channel, pool: DescriptorPool, service: str, method: str, request: dict[str, object]
) -> object:
    """The reply as JSON, or [status, message]."""
    found = pool.FindServiceByName(service).methods_by_name[method]
    call = channel.unary_unary(
        f"/{service}/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(found.output_type).FromString,
    )
    message = json_format.ParseDict(request, GetMessageClass(found.input_type)())
    try:
        return json_format.MessageToDict(call(message, timeout=10))
    except grpc.RpcError as error:
        return [error.code().name, error.details()]


main()
