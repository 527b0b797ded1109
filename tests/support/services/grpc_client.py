# mypy: ignore-errors
# (grpcio lives in an environment of its own, so a type checker of this project cannot see it.)
"""What gRPC's own Python client makes of a server; prints it as one JSON object.

Run by tests/clients/test_grpc_clients.py: grpc_client.py HOST:PORT. Nothing of ours is imported: the contracts come by
reflection alone.
"""

import json
import sys
import threading
from collections.abc import Sequence

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def main() -> None:
    with grpc.insecure_channel(sys.argv[1]) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        client = Client(channel, DescriptorPool(database))
        report = {
            "services": sorted(database.get_services()),
            "modern": client.call("Counter", "add", {"key": "py", "request": 3}),
            "modern_get": client.call("Counter", "get", {"key": "py"}),
            "classic": client.call("counter", "add", {"key": "py", "request": 3}),
            "no_key": client.call("Counter", "add", {"request": 3}),
            "terminal": client.call(
                "Steps", "terminal", {"request": {"message": "no: 100%\u00e9", "code": 418}}
            ),
            "idempotent": [
                client.call("Counter", "add", {"key": "i", "request": 1}, [("idempotency-key", "once")])
                for _ in range(2)
            ],
            "deadline": client.call(
                "Counter", "slowAdd", {"key": "d", "request": {"n": 1, "ms": 5000}}, timeout=0.3
            ),
            "large": client.large("Greeter", "greet", 3_000_000),
            "gzip": client.call("Greeter", "greet", {"request": "gzip"}, compression=grpc.Compression.Gzip),
            "health": health(channel),
            "concurrent": client.concurrent(40),
        }
    print(json.dumps(report))


class Client:
    """Calls methods that are only known by reflection."""

    def __init__(self, channel: grpc.Channel, pool: DescriptorPool) -> None:
        self._channel = channel
        self._pool = pool

    def _method(self, service: str, name: str) -> tuple[type[Message], grpc.UnaryUnaryMultiCallable]:
        method = self._pool.FindServiceByName(service).methods_by_name[name]
        request, reply = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        call = self._channel.unary_unary(
            f"/{service}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=reply.FromString,
        )
        return request, call

    def call(
        self,
        service: str,
        name: str,
        fields: dict[str, object],
        metadata: Sequence[tuple[str, str]] = (),
        timeout: float = 20,
        compression: grpc.Compression | None = None,
    ) -> dict[str, object]:
        request, call = self._method(service, name)
        message = json_format.ParseDict(fields, request())
        try:
            reply, rpc = call.with_call(message, timeout=timeout, metadata=metadata, compression=compression)
        except grpc.RpcError as error:
            return {
                "code": error.code().name,
                "message": error.details(),
                "metadata": {key: str(value) for key, value in error.initial_metadata()},
            }
        return {
            "reply": json_format.MessageToDict(reply),
            "metadata": {key: str(value) for key, value in rpc.initial_metadata()},
        }

    def large(self, service: str, name: str, size: int) -> int:
        request, call = self._method(service, name)
        reply = call(json_format.ParseDict({"request": "x" * size}, request()), timeout=30)
        return len(reply.response.string_value)

    def concurrent(self, count: int) -> int:
        """Calls that are open at the same time on one connection."""
        request, call = self._method("Greeter", "greet")
        futures = [
            call.future(json_format.ParseDict({"request": str(n)}, request()), timeout=30)
            for n in range(count)
        ]
        return sum(future.result().response.string_value == f"Hello {n}" for n, future in enumerate(futures))


def health(channel: grpc.Channel) -> dict[str, object]:
    """Of several services, and the first thing that Watch tells."""
    stub = health_pb2_grpc.HealthStub(channel)
    names = ("", "Counter", "counter", "Nope")
    found = {}
    for name in names:
        try:
            found[name] = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5).status
        except grpc.RpcError as error:
            found[name] = error.code().name
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="Nope"), timeout=10)
    found["watch"] = next(watch).status
    threading.Timer(0, watch.cancel).start()
    return found


main()
