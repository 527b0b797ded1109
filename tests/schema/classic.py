"""Descriptors of classic deployments, made by hand: correct ones, and with the defects of old SDKs."""

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

from restate.runtime.pb import ext_pb2
from restate.runtime.schema.descriptors import EXTENSION_FILE, FIELD, SERVICE_TYPE

STRING = FieldDescriptorProto.TYPE_STRING
BYTES = FieldDescriptorProto.TYPE_BYTES
INT32 = FieldDescriptorProto.TYPE_INT32
MESSAGE = FieldDescriptorProto.TYPE_MESSAGE


def extension_file() -> FileDescriptorProto:
    file = FileDescriptorProto.FromString(ext_pb2.DESCRIPTOR.serialized_pb)
    file.name = EXTENSION_FILE
    return file


def field(
    name: str, number: int, kind: int = STRING, *, annotation: int | None = None, type_name: str = ""
) -> FieldDescriptorProto:
    made = FieldDescriptorProto(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
    made.type = kind  # type: ignore[assignment]
    if type_name:
        made.type_name = type_name
    if annotation is not None:
        made.options.Extensions[FIELD] = annotation
    return made


def message(name: str, *fields: FieldDescriptorProto) -> DescriptorProto:
    return DescriptorProto(name=name, field=fields)


def text_map(
    owner: str, name: str, number: int, *, annotation: int
) -> tuple[FieldDescriptorProto, DescriptorProto]:
    """A map<string, string> field of message `owner` (full name), and the nested message it needs."""
    entry = message("Entry", field("key", 1), field("value", 2))
    entry.options.map_entry = True
    made = field(name, number, MESSAGE, annotation=annotation, type_name=f".{owner}.Entry")
    made.label = FieldDescriptorProto.LABEL_REPEATED
    return made, entry


def contract(name: str, kind: int | None, *methods: tuple[str, str]) -> ServiceDescriptorProto:
    """methods: (name, input message). Output is always Res."""
    made = ServiceDescriptorProto(name=name)
    for method, input_type in methods:
        made.method.add(name=method, input_type=f".{input_type}", output_type=".Res")
    if kind is not None:
        made.options.Extensions[SERVICE_TYPE] = kind
    return made


def file(
    *services: ServiceDescriptorProto, messages: tuple[DescriptorProto, ...] = (), name: str = "user.proto"
) -> FileDescriptorProto:
    """A file without package, with messages Req {string key = 1 [KEY]} and Res."""
    return FileDescriptorProto(
        name=name,
        syntax="proto3",
        dependency=[EXTENSION_FILE],
        message_type=[message("Req", field("key", 1, annotation=ext_pb2.KEY)), message("Res"), *messages],
        service=services,
    )


def file_set(*files: FileDescriptorProto, extension: bool = True) -> FileDescriptorSet:
    """Users' files first, so the dependency order is always wrong."""
    return FileDescriptorSet(file=[*files, *([extension_file()] if extension else [])])


def unresolved(options: object, name: str, value: str) -> None:
    """Annotate as TypeScript SDK 0.8.1 does."""
    option = options.uninterpreted_option.add(identifier_value=value)  # type: ignore[attr-defined]
    option.name.add(name_part=name, is_extension=True)
