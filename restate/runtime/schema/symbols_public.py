"""The symbol index of the ingress: built-in services, and the public services of all deployments (ingress.md §1.7).

Classic deployments tell their files themselves. Two of them may use one file name for different files, so the names get
the deployment's id in front; the standard files are the same everywhere and keep theirs.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import attrs
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.target import Generation
from restate.runtime.schema.deployment import Deployment, Service
from restate.runtime.schema.descriptors import MOVED
from restate.runtime.schema.legal_names import legal_name
from restate.runtime.schema.symbols import ContractFile, SymbolIndex
from restate.runtime.schema.synthesis import synthesized_file

_STANDARD = ("google/protobuf/", "dev/restate/")


@attrs.frozen
class PublicSymbols:
    """hidden: public services without a place in the index, because another one has their name in descriptors."""

    index: SymbolIndex
    hidden: tuple[str, ...]


def public_symbols(
    deployments: Iterable[Deployment],
    latest: Iterable[Service],
    builtin: Iterable[ContractFile],
    builtin_services: Iterable[str],
) -> PublicSymbols:
    """latest: of each service the revision that takes new calls. Of two services for one name the older one gets it."""
    by_id = {deployment.id: deployment for deployment in deployments}
    # Services whose own name is legal come first: an exact name wins over a changed one.
    public = sorted(
        (service for service in latest if is_visible(service)),
        key=lambda service: (
            legal_name(service.name) != service.name,
            by_id[service.deployment_id].created_ms,
            service.name,
        ),
    )
    builtin = tuple(builtin)
    names = _Names(builtin_services, builtin)
    files: list[ContractFile] = []
    hidden: list[str] = []
    for service in public:
        found = _files_of(service, by_id[service.deployment_id], names)
        if found is None:
            hidden.append(service.name)
        else:
            files += found
    # Ours come last and replace copies that a deployment brings.
    return PublicSymbols(SymbolIndex([*files, *builtin], names.services), tuple(hidden))


def is_visible(service: Service) -> bool:
    """Whether callers from outside may call anything of it."""
    return service.public or any(handler.always_public for handler in service.handlers)


class _Names:
    """The names that are in use."""

    def __init__(self, services: Iterable[str], files: Iterable[ContractFile]) -> None:
        """services, files: ours."""
        self.services = set(services)
        self._types = {name for file in files for name in file.types}
        self._packages: set[str] = set()
        for name in self.services | self._types:
            self._packages |= _packages(name)

    def take(self, service: str, file: ContractFile) -> bool:
        """Whether no other service has this name; if so, it belongs to this one from now on."""
        if service in self.services:
            return False
        self.services.add(service)
        self._types.update(file.types)
        for name in (service, *file.types):
            self._packages |= _packages(name)
        return True

    def fits(self, service: str) -> bool:
        """Whether one pool of descriptors could hold the service beside all others.

        What users wrote may fail that; what we make up must not be the reason.
        """
        symbols = self.services | self._types
        return service not in self._packages | self._types and symbols.isdisjoint(_packages(service))


def _packages(name: str) -> set[str]:
    parts = name.split(".")[:-1]
    return {".".join(parts[: end + 1]) for end in range(len(parts))}


def _files_of(service: Service, deployment: Deployment, names: _Names) -> list[ContractFile] | None:
    if deployment.generation is Generation.MODERN:
        file = synthesized_file(service)
        (name,) = file.services
        return [file] if names.fits(name) and names.take(name, file) else None
    files = classic_files(deployment.id, deployment.descriptors)
    for name in (service.name, legal_name(service.name)):
        for file in files.values():
            if name in file.services and names.take(name, file):
                return list(_reachable(file, files))
    return None


# The files of a deployment never change, while reflection asks again after every change of the registry.
@lru_cache(maxsize=256)
def classic_files(deployment_id: DeploymentId, descriptors: bytes) -> dict[str, ContractFile]:
    """{public name: file} of a classic deployment."""
    found = {}
    for file in FileDescriptorSet.FromString(descriptors).file:
        public = ContractFile.of(_renamed(file, deployment_id))
        found[public.name] = public
    return found


def _renamed(file: FileDescriptorProto, deployment_id: DeploymentId) -> FileDescriptorProto:
    file.name = _public_name(file.name, deployment_id)
    dependencies = [_public_name(name, deployment_id) for name in file.dependency]
    del file.dependency[:]
    file.dependency.extend(dependencies)
    return file


def _public_name(name: str, deployment_id: DeploymentId) -> str:
    if name.startswith(_STANDARD) and not name.startswith(MOVED):
        return name
    return f"{deployment_id}/{name}"


def _reachable(file: ContractFile, files: dict[str, ContractFile]) -> Iterator[ContractFile]:
    seen = {file.name}
    waiting = [file]
    while waiting:
        one = waiting.pop()
        yield one
        for name in one.dependencies:
            if name not in seen:
                seen.add(name)
                waiting.append(files[name])
