"""Our own descriptors under the names that the world knows.

They stand in protobuf's default pool as `restate/runtime/pb/*.proto`, where a user's files of the public names could
not harm them.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from restate.runtime.pb import ext_pb2, health_pb2, reflection_pb2, services_pb2, synth_pb2
from restate.runtime.schema.symbols import ContractFile, join

REFLECTION = "grpc.reflection.v1"
REFLECTION_ALPHA = "grpc.reflection.v1alpha"

_PUBLIC: Mapping[str, str] = {
    ext_pb2.DESCRIPTOR.name: "dev/restate/ext.proto",
    services_pb2.DESCRIPTOR.name: "dev/restate/services.proto",
    synth_pb2.DESCRIPTOR.name: "dev/restate/synth.proto",
    health_pb2.DESCRIPTOR.name: "grpc/health/v1/health.proto",
    reflection_pb2.DESCRIPTOR.name: "grpc/reflection/v1/reflection.proto",
}


def own_files(
    roots: Iterable[FileDescriptor], names: Mapping[str, str] = _PUBLIC
) -> tuple[ContractFile, ...]:
    """The files and all they depend on. names: {name in the default pool: public name}; others keep theirs."""
    found: dict[str, FileDescriptorProto] = {}
    for root in roots:
        _collect(root, names, found)
    return tuple(ContractFile.of(file) for file in found.values())


def reflection_files() -> Iterator[ContractFile]:
    """Of both versions of the reflection service."""
    (file,) = own_files([reflection_pb2.DESCRIPTOR])
    yield file
    yield ContractFile.of(_alpha(FileDescriptorProto.FromString(file.encoded)))


@cache
def builtin_files() -> tuple[ContractFile, ...]:
    """Of the services on the ingress."""
    roots = [services_pb2.DESCRIPTOR, synth_pb2.DESCRIPTOR, health_pb2.DESCRIPTOR]
    return (*own_files(roots), *reflection_files())


def _collect(file: FileDescriptor, names: Mapping[str, str], found: dict[str, FileDescriptorProto]) -> None:
    public = names.get(file.name, file.name)
    if public in found:
        return
    copy = FileDescriptorProto.FromString(file.serialized_pb)
    copy.name = public
    dependencies = [names.get(name, name) for name in copy.dependency]
    del copy.dependency[:]
    copy.dependency.extend(dependencies)
    for dependency in file.dependencies:
        _collect(dependency, names, found)
    found[public] = copy


def _alpha(file: FileDescriptorProto) -> FileDescriptorProto:
    """The same messages and service in the older package."""
    old, new = f".{REFLECTION}.", f".{REFLECTION_ALPHA}."
    file.name = file.name.replace("/v1/", "/v1alpha/")
    file.package = REFLECTION_ALPHA
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace(old, new)
    for service in file.service:
        for method in service.method:
            method.input_type = method.input_type.replace(old, new)
            method.output_type = method.output_type.replace(old, new)
    return file


BUILTIN_SERVICES = tuple(
    sorted(
        join(package, name)
        for package, name in (
            ("dev.restate", "Ingress"),
            ("dev.restate", "Awakeables"),
            ("grpc.health.v1", "Health"),
            (REFLECTION, "ServerReflection"),
            (REFLECTION_ALPHA, "ServerReflection"),
        )
    )
)
