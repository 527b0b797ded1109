"""A registry with services of both generations."""

from google.protobuf import struct_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.target import Generation, HandlerType, ServiceType
from restate.runtime.pb import ext_pb2
from restate.runtime.schema.contract import classic_services
from restate.runtime.schema.deployment import Deployment, Handler, InputRule, OutputRule, Service
from restate.runtime.schema.descriptors import repair
from restate.runtime.schema.registry import Registry
from tests.schema.builders import deployment, registry, service
from tests.schema.classic import contract, field, file, file_set, message

JSON = InputRule("application/json")


def modern() -> Deployment:
    return deployment(
        "dp_modern",
        service(
            "Greeter",
            ServiceType.SERVICE,
            Handler("greet", HandlerType.PLAIN, input=JSON),
            Handler("raw", HandlerType.PLAIN, output=OutputRule("application/octet-stream")),
            Handler("none", HandlerType.PLAIN, input=InputRule(None), output=OutputRule(None)),
            Handler(
                "always", HandlerType.PLAIN, output=OutputRule("text/plain", set_content_type_if_empty=True)
            ),
            Handler("hidden", HandlerType.PLAIN, public=False),
            Handler("send", HandlerType.PLAIN),
        ),
        service("Secret", ServiceType.SERVICE, "tell", public=False),
        service("Counter", ServiceType.VIRTUAL_OBJECT, "add"),
        service(
            "Flow",
            ServiceType.WORKFLOW,
            Handler("run", HandlerType.WORKFLOW),
            Handler("peek", HandlerType.SHARED),
        ),
    )


def classic() -> Deployment:
    """`my.greeter` unkeyed, `my.counter` keyed, `my.single`, and the private `my.secret`; all with the method `call`."""
    user = file(
        *(
            contract(name, kind, ("call", "RpcRequest"))
            for name, kind in (
                ("greeter", ext_pb2.UNKEYED),
                ("counter", ext_pb2.KEYED),
                ("single", ext_pb2.SINGLETON),
                ("secret", ext_pb2.UNKEYED),
            )
        ),
        messages=(
            message(
                "RpcRequest",
                field("key", 1, annotation=ext_pb2.KEY),
                field("request", 2, FieldDescriptorProto.TYPE_MESSAGE, type_name=".google.protobuf.Value"),
            ),
            message(
                "RpcResponse",
                field("response", 1, FieldDescriptorProto.TYPE_MESSAGE, type_name=".google.protobuf.Value"),
            ),
        ),
    )
    user.package = "my"
    user.dependency.append(struct_pb2.DESCRIPTOR.name)
    for entry in user.service:
        entry.method[0].input_type, entry.method[0].output_type = ".my.RpcRequest", ".my.RpcResponse"
    repaired = repair(file_set(user))
    deployment_id = DeploymentId("dp_classic")
    found = classic_services(repaired, [f"my.{entry.name}" for entry in user.service])
    return Deployment(
        deployment_id,
        Generation.CLASSIC,
        "http://h:1/",
        "BidiStream",
        "HTTP/2.0",
        1,
        1,
        1,
        tuple(
            Service(
                entry.name, entry.type, entry.handlers, deployment_id, 1, public=entry.name != "my.secret"
            )
            for entry in found
        ),
        descriptors=repaired.files.SerializeToString(),
    )


def both() -> Registry:
    return registry(modern(), classic())
