"""Classic contracts: from repaired descriptors to services, with the rules a contract must keep.

The checks come in the order of service-protocol.md §1.1, so that a contract with several faults is told the same one
first as by upstream.
"""

from collections.abc import Iterable

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from restate.runtime.errors import DeploymentError
from restate.runtime.model.target import HandlerType, ServiceType
from restate.runtime.pb import ext_pb2
from restate.runtime.schema.deployment import ClassicMethod, Handler, Service
from restate.runtime.schema.descriptors import FIELD, SERVICE_TYPE, DescriptorError, Descriptors

_SERVICE_TYPES = {
    ext_pb2.UNKEYED: ServiceType.UNKEYED,
    ext_pb2.KEYED: ServiceType.KEYED,
    ext_pb2.SINGLETON: ServiceType.SINGLETON,
}


def classic_services(descriptors: Descriptors, names: Iterable[str]) -> tuple[Service, ...]:
    """The services called `names`, without deployment and revision. Raises DeploymentError."""
    return tuple(_service(descriptors, name) for name in dict.fromkeys(names))


def _service(descriptors: Descriptors, name: str) -> Service:
    contract = descriptors.services.get(name)
    if contract is None:
        raise DescriptorError(f"the service {name!r} is announced but missing among the descriptors")
    kind = _service_type(name, contract)
    if kind is ServiceType.KEYED and not contract.method:
        raise DeploymentError(
            f"the keyed service {name!r} has no methods, so its key is unknown", code="META0001"
        )
    handlers = tuple(_handler(descriptors, name, kind, method) for method in contract.method)
    return Service(name, kind, handlers)


def _service_type(name: str, contract: ServiceDescriptorProto) -> ServiceType:
    if not contract.options.HasExtension(SERVICE_TYPE):
        raise DeploymentError(
            f"the service {name!r} has no option dev.restate.ext.service_type", code="META0001"
        )
    return _SERVICE_TYPES[contract.options.Extensions[SERVICE_TYPE]]


def _handler(
    descriptors: Descriptors, service: str, kind: ServiceType, method: MethodDescriptorProto
) -> Handler:
    where = f"{service}/{method.name}"
    input_type = method.input_type.lstrip(".")
    message = descriptors.messages[input_type]
    key = _annotated(where, message, ext_pb2.KEY)
    payload = _annotated(where, message, ext_pb2.EVENT_PAYLOAD)
    metadata = _annotated(where, message, ext_pb2.EVENT_METADATA)
    if kind is ServiceType.KEYED:
        _check_key(where, message, key)
    _check_event(where, message, payload, metadata)
    return Handler(
        method.name,
        HandlerType.PLAIN if kind is ServiceType.UNKEYED else HandlerType.EXCLUSIVE,
        classic=ClassicMethod(
            input_type,
            method.output_type.lstrip("."),
            key_field=key.number if key is not None and kind is ServiceType.KEYED else None,
            event_payload_field=None if payload is None else payload.number,
            event_metadata_field=None if metadata is None else metadata.number,
        ),
    )


def _annotated(where: str, message: DescriptorProto, annotation: int) -> FieldDescriptorProto | None:
    found = [
        field
        for field in message.field
        if field.options.HasExtension(FIELD) and field.options.Extensions[FIELD] == annotation
    ]
    if len(found) > 1:
        raise DeploymentError(
            f"the input message {message.name} of {where} has several fields with the annotation"
            f" {ext_pb2.FieldType.Name(annotation)}",
            code="META0007",
        )
    return found[0] if found else None


def _check_key(where: str, message: DescriptorProto, key: FieldDescriptorProto | None) -> None:
    if key is None:
        raise DeploymentError(
            f"the input message {message.name} of {where} has no field with the annotation KEY",
            code="META0002",
        )
    if key.type != FieldDescriptorProto.TYPE_STRING or key.label == FieldDescriptorProto.LABEL_REPEATED:
        raise DeploymentError(
            f"the key field {key.name} of {message.name}, input of {where}, is not a string", code="META0002"
        )


def _check_event(
    where: str,
    message: DescriptorProto,
    payload: FieldDescriptorProto | None,
    metadata: FieldDescriptorProto | None,
) -> None:
    allowed = (FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_BYTES)
    if payload is not None and payload.type not in allowed:
        raise DeploymentError(
            f"the event payload {payload.name} of {message.name}, input of {where}, is neither string nor bytes",
            code="META0008",
        )
    if metadata is not None and not _is_text_map(message, metadata):
        raise DeploymentError(
            f"the event metadata {metadata.name} of {message.name}, input of {where}, is not map<string, string>",
            code="META0008",
        )


def _is_text_map(message: DescriptorProto, field: FieldDescriptorProto) -> bool:
    name = field.type_name.rpartition(".")[2]
    entry = next((nested for nested in message.nested_type if nested.name == name), None)
    return (
        entry is not None
        and entry.options.map_entry
        and [inner.type for inner in entry.field] == [FieldDescriptorProto.TYPE_STRING] * 2
    )
