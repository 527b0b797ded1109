"""Makes the descriptors of classic deployments loadable.

Old SDKs send descriptors that protobuf's own pool refuses: out of order, with broken copies of the standard files, with
options that were never resolved, with oneofs that lost their members, and with service names that are no identifiers
(service-protocol.md §1.1). Upstream's reflection library tolerates that, so services rely on it. `repair` gives a set
with the same messages that every pool takes.
"""

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from typing import Any

import attrs
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
    UninterpretedOption,
)
from google.protobuf.message import Message

from restate.runtime.errors import DeploymentError
from restate.runtime.pb import ext_pb2
from restate.runtime.schema.legal_names import identifier, is_identifier, legal_name
from restate.runtime.schema.messages import MessagePool

# The generated stubs do not know of which message these are extensions.
SERVICE_TYPE: Any = ext_pb2.service_type
FIELD: Any = ext_pb2.field

EXTENSION_FILE = "dev/restate/ext.proto"
MOVED = "dev/restate/moved/"
"""Of files that only hold a service under a legal name; they differ from deployment to deployment."""
_GOOGLE = "google/protobuf/"
_SERVICE_TYPE_OPTION = "dev.restate.ext.service_type"
_FIELD_OPTION = "dev.restate.ext.field"


class DescriptorError(DeploymentError):
    """The descriptors cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(message, http_status=400)


@attrs.frozen
class Descriptors:
    """Repaired descriptors. files: loadable, in dependency order.

    services: {full name as announced: its contract, with method names as announced}. messages: {full name: message},
    nested ones and those of standard files included.
    """

    files: FileDescriptorSet
    services: Mapping[str, ServiceDescriptorProto]
    messages: Mapping[str, DescriptorProto]


def repair(sent: FileDescriptorSet) -> Descriptors:
    """A loadable copy of `sent`. Raises DescriptorError where there is nothing to repair."""
    if not any(file.name == EXTENSION_FILE or file.package == "dev.restate.ext" for file in sent.file):
        raise DescriptorError(
            f"expected {EXTENSION_FILE} among the descriptors of the deployment: bad or missing Restate dependency"
        )
    _check_text(sent)
    files: dict[str, FileDescriptorProto] = {}
    services: dict[str, ServiceDescriptorProto] = {}
    for file in sent.file:
        files[file.name] = _own_copy(file.name) or _repaired(file)
    for file in list(files.values()):
        for service in file.service:
            services[_full_name(file.package, service.name)] = ServiceDescriptorProto.FromString(
                service.SerializeToString()
            )
        for moved in _move_unnameable(file):
            files[moved.name] = moved
    ordered = FileDescriptorSet(file=_in_order(files))
    try:
        MessagePool(ordered.SerializeToString())
    except TypeError as error:
        raise DescriptorError(f"the descriptors of the deployment cannot be loaded: {error}") from error
    return Descriptors(ordered, services, dict(_messages(ordered.file)))


def _check_text(message: Message) -> None:
    """Descriptors are proto2, whose strings may be any bytes; the library then gives bytes in place of text."""
    for field, value in message.ListFields():
        values = value if isinstance(value, Iterable) and not isinstance(value, str | bytes) else [value]
        if field.type == FieldDescriptor.TYPE_STRING:
            for text in values:
                if isinstance(text, bytes):
                    raise DescriptorError(
                        f"expected UTF-8 among the descriptors, got {text[:50]!r} as {field.full_name}"
                    )
        # Comments are dropped anyway.
        elif field.type == FieldDescriptor.TYPE_MESSAGE and field.name != "source_code_info":
            for inner in values:
                _check_text(inner)


def _own_copy(name: str) -> FileDescriptorProto | None:
    """Our copy of a standard file; None for files of users."""
    if name == EXTENSION_FILE:
        serialized: bytes = ext_pb2.DESCRIPTOR.serialized_pb
    elif name.startswith(_GOOGLE) and name.endswith(".proto"):
        module = name.removesuffix(".proto").replace("/", ".") + "_pb2"
        if not re.fullmatch(r"google\.protobuf(\.compiler)?\.[a-z_]+_pb2", module):
            return None
        try:
            serialized = importlib.import_module(module).DESCRIPTOR.serialized_pb
        except ImportError:
            return None
    else:
        return None
    copy = FileDescriptorProto.FromString(serialized)
    copy.name = name
    return copy


def _repaired(sent: FileDescriptorProto) -> FileDescriptorProto:
    file = FileDescriptorProto()
    file.CopyFrom(sent)
    file.ClearField("source_code_info")
    for message in file.message_type:
        _repair_message(message)
    _number(file.enum_type)
    for field in file.extension:
        _complete(field)
        _resolve_field_option(field)
    for service in file.service:
        for value in _take_option(service.options.uninterpreted_option, _SERVICE_TYPE_OPTION):
            service.options.Extensions[SERVICE_TYPE] = _enum_value(ext_pb2.ServiceType, value)
    return file


def _repair_message(message: DescriptorProto) -> None:
    for field in message.field:
        _complete(field)
        _resolve_field_option(field)
        if field.proto3_optional and not field.HasField("oneof_index"):
            field.oneof_index = _synthetic_oneof(message, field.name)
    used = sorted({field.oneof_index for field in message.field if field.HasField("oneof_index")})
    if used and used[-1] >= len(message.oneof_decl):
        raise DescriptorError(f"a field of message {message.name} is member of a oneof that is not declared")
    kept = [message.oneof_decl[index] for index in used]
    del message.oneof_decl[:]
    message.oneof_decl.extend(kept)
    for field in message.field:
        if field.HasField("oneof_index"):
            field.oneof_index = used.index(field.oneof_index)
    _number(message.enum_type)
    for nested in message.nested_type:
        _repair_message(nested)


def _complete(field: FieldDescriptorProto) -> None:
    """Write what old SDKs leave out because it is the first value of its enum; Go's descriptors want it written."""
    if not field.HasField("label"):
        field.label = FieldDescriptorProto.LABEL_OPTIONAL
    if not field.HasField("type") and not field.type_name:
        field.type = FieldDescriptorProto.TYPE_DOUBLE


def _number(enums: Iterable[EnumDescriptorProto]) -> None:
    """The same for values of enums: old SDKs leave out the number 0."""
    for enum in enums:
        for value in enum.value:
            if not value.HasField("number"):
                value.number = 0


def _synthetic_oneof(message: DescriptorProto, field: str) -> int:
    for index, oneof in enumerate(message.oneof_decl):
        if oneof.name == f"_{field}":
            return index
    message.oneof_decl.add(name=f"_{field}")
    return len(message.oneof_decl) - 1


def _resolve_field_option(field: FieldDescriptorProto) -> None:
    for value in _take_option(field.options.uninterpreted_option, _FIELD_OPTION):
        field.options.Extensions[FIELD] = _enum_value(ext_pb2.FieldType, value)


def _take_option(options: MutableSequence[UninterpretedOption], name: str) -> list[str]:
    """Remove unresolved options, all of them because pools refuse them, and give the values of those called `name`."""
    found = []
    for option in options:
        if ".".join(part.name_part for part in option.name).lstrip(".") == name:
            found.append(option.identifier_value)
    del options[:]
    return found


def _enum_value(enum: Any, name: str) -> int:
    try:
        return int(enum.Value(name))
    except ValueError:
        raise DescriptorError(f"expected a value of a Restate option, got {name!r}") from None


def _full_name(package: str, name: str) -> str:
    return f"{package}.{name}" if package else name


def _move_unnameable(file: FileDescriptorProto) -> Iterator[FileDescriptorProto]:
    """Take services whose names are no identifiers out of `file`; each comes back in a file of its own, renamed.

    A dotted name becomes package and name; other characters become underscores. Where that name is taken, the service
    stays without a contract in the pool: its messages are what calls need.
    """
    stay: list[ServiceDescriptorProto] = []
    move: list[ServiceDescriptorProto] = []
    for service in file.service:
        names = [service.name, *(method.name for method in service.method)]
        if "" in names:
            raise DescriptorError(f"a service or one of its methods has no name in the file {file.name!r}")
        (stay if all(is_identifier(name) for name in names) else move).append(service)
    if not move:
        return
    taken = {_full_name(file.package, service.name) for service in stay}
    taken |= {_full_name(file.package, message.name) for message in file.message_type}
    for service in move:
        alias = legal_name(_full_name(file.package, service.name))
        if alias in taken or any(name.startswith(f"{alias}.") for name in taken):
            continue
        taken.add(alias)
        yield _file_of_one(file, service, alias)
    del file.service[:]
    file.service.extend(stay)


def _file_of_one(
    origin: FileDescriptorProto, service: ServiceDescriptorProto, alias: str
) -> FileDescriptorProto:
    package, _, name = alias.rpartition(".")
    file = FileDescriptorProto(
        name=f"{MOVED}{alias}.proto",
        package=package,
        syntax=origin.syntax,
        dependency=dict.fromkeys([origin.name, *origin.dependency]),
        service=[service],
    )
    renamed = file.service[0]
    renamed.name = name
    methods = {identifier(method.name): method for method in renamed.method}
    del renamed.method[:]
    for legal, method in methods.items():
        renamed.method.add().CopyFrom(method)
        renamed.method[-1].name = legal
    return file


def _in_order(files: Mapping[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Every file after those it depends on; missing standard files are added."""
    ordered: dict[str, FileDescriptorProto] = {}
    open_names: set[str] = set()

    def visit(name: str, wanted_by: str) -> None:
        if name in ordered:
            return
        if name in open_names:
            raise DescriptorError(f"the file {name} among the descriptors imports itself")
        file = files.get(name) or _own_copy(name)
        if file is None:
            raise DescriptorError(
                f"the file {name}, imported by {wanted_by}, is missing among the descriptors"
            )
        open_names.add(name)
        for dependency in file.dependency:
            visit(dependency, name)
        open_names.discard(name)
        ordered[name] = file

    for name in files:
        visit(name, "")
    return list(ordered.values())


def _messages(files: Iterable[FileDescriptorProto]) -> Iterator[tuple[str, DescriptorProto]]:
    def nested(prefix: str, message: DescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
        name = _full_name(prefix, message.name)
        yield name, message
        for inner in message.nested_type:
            yield from nested(name, inner)

    for file in files:
        for message in file.message_type:
            yield from nested(file.package, message)
