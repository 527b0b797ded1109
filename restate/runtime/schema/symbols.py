"""What reflection shows: descriptor files, and in which of them a service, method, message or enum stands.

An index never changes; a change of the registry gives the next one (`symbols_public.py`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import attrs
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto


@attrs.frozen
class ContractFile:
    """One descriptor file. encoded: its FileDescriptorProto. Names of services and types are full.

    services: {service: its methods}. types: messages and enums, nested ones too.
    """

    name: str
    encoded: bytes
    dependencies: tuple[str, ...]
    services: Mapping[str, tuple[str, ...]]
    types: tuple[str, ...]

    @classmethod
    def of(cls, file: FileDescriptorProto) -> Self:
        return cls(
            file.name,
            file.SerializeToString(),
            tuple(file.dependency),
            {
                join(file.package, service.name): tuple(method.name for method in service.method)
                for service in file.service
            },
            tuple(_types(file)),
        )


class SymbolIndex:
    """services: the full names that are listed, in order. Files that share a name are the same; the last one counts."""

    def __init__(self, files: Iterable[ContractFile], services: Iterable[str]) -> None:
        self.services = tuple(sorted(services))
        self._files = {file.name: file for file in files}
        self._of_type: dict[str, ContractFile] = {}
        self._of_service: dict[str, ContractFile] = {}
        listed = set(self.services)
        for file in self._files.values():
            self._of_type.update(dict.fromkeys(file.types, file))
            for service in listed & file.services.keys():
                self._of_service[service] = file
                for method in file.services[service]:
                    self._of_service[f"{service}.{method}"] = file

    def file(self, name: str) -> bytes | None:
        """The encoded file of this name."""
        found = self._files.get(name)
        return None if found is None else found.encoded

    def containing(self, symbol: str) -> list[bytes] | None:
        """The file with a listed service or one of its methods, and all files it needs; of a type only its own file."""
        found = self._of_service.get(symbol)
        if found is not None:
            return [file.encoded for file in self._with_dependencies(found)]
        found = self._of_type.get(symbol)
        return None if found is None else [found.encoded]

    def _with_dependencies(self, file: ContractFile) -> Iterator[ContractFile]:
        """Clients take the first one for the answer, the rest in any order."""
        seen = {file.name}
        waiting = [file]
        while waiting:
            one = waiting.pop(0)
            yield one
            for name in one.dependencies:
                if name not in seen:
                    seen.add(name)
                    waiting.append(self._files[name])


def join(package: str, name: str) -> str:
    return f"{package}.{name}" if package else name


def _types(file: FileDescriptorProto) -> Iterator[str]:
    for enum in file.enum_type:
        yield join(file.package, enum.name)
    for message in file.message_type:
        yield from _nested(file.package, message)


def _nested(scope: str, message: DescriptorProto) -> Iterator[str]:
    name = join(scope, message.name)
    yield name
    for enum in message.enum_type:
        yield f"{name}.{enum.name}"
    for inner in message.nested_type:
        yield from _nested(name, inner)
