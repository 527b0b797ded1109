"""What reflection shows of a registry."""

from __future__ import annotations

import msgspec
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.target import Generation, HandlerType, ServiceType
from restate.runtime.pb import ext_pb2
from restate.runtime.schema.contract import classic_services
from restate.runtime.schema.deployment import Deployment, Handler, Service
from restate.runtime.schema.descriptors import repair
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import deployment_row
from restate.runtime.schema.symbols import SymbolIndex
from tests.schema.builders import deployment, registry, service
from tests.schema.classic import contract, file, file_set

BUILTIN = {
    "dev.restate.Awakeables",
    "dev.restate.Ingress",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
}


def classic(
    deployment_id: str, *names: str, created_ms: int = 1, private: tuple[str, ...] = ()
) -> Deployment:
    """Unkeyed services with a method `m`, all in user.proto; names of any kind."""
    repaired = repair(file_set(file(*(contract(name, ext_pb2.UNKEYED, ("m", "Req")) for name in names))))
    typed_id = DeploymentId(deployment_id)
    services = tuple(
        msgspec.structs.replace(entry, deployment_id=typed_id, revision=1, public=entry.name not in private)
        for entry in classic_services(repaired, names)
    )
    return Deployment(
        typed_id, Generation.CLASSIC, "http://h:1/", "BidiStream", "HTTP/2.0", 1, 1, created_ms, services,
        descriptors=repaired.files.SerializeToString(),
    )  # fmt: skip


def index(*deployments: Deployment) -> SymbolIndex:
    return registry(*deployments).symbols().index


def listed(*deployments: Deployment) -> set[str]:
    return set(index(*deployments).services) - BUILTIN


def names(files: list[bytes] | None) -> list[str]:
    assert files is not None
    return [FileDescriptorProto.FromString(encoded).name for encoded in files]


def test_the_built_in_services_are_always_there() -> None:
    found = Registry.EMPTY.symbols().index
    assert set(found.services) == BUILTIN
    assert names(found.containing("grpc.health.v1.Health")) == ["grpc/health/v1/health.proto"]
    assert names(found.containing("dev.restate.Ingress.Invoke")) == [
        "dev/restate/services.proto",
        "google/protobuf/empty.proto",
        "google/protobuf/struct.proto",
    ]
    assert names(found.containing("dev.restate.ext.ServiceType")) == ["dev/restate/ext.proto"]
    alpha = "grpc/reflection/v1alpha/reflection.proto"
    assert names(found.containing("grpc.reflection.v1alpha.ServerReflection")) == [alpha]


def test_all_files_together_fit_into_one_pool() -> None:
    found = index(
        classic("dp_c", "Plain", "my.counter", "greeter-service"), deployment("dp_m", service("a-b"))
    )
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()
    for name in found.services:
        for encoded in reversed(found.containing(name) or []):
            parsed = FileDescriptorProto.FromString(encoded)
            if parsed.name not in added:
                added.add(parsed.name)
                pool.Add(parsed)
    for name in found.services:
        assert pool.FindServiceByName(name).full_name == name


def test_classic_files_have_the_deployment_in_front_and_standard_files_do_not() -> None:
    found = index(classic("dp_c", "Plain"))
    assert names(found.containing("Plain")) == [
        "dp_c/user.proto",
        "dev/restate/ext.proto",
        "google/protobuf/descriptor.proto",
    ]
    assert names(found.containing("Plain.m"))[0] == "dp_c/user.proto"
    encoded = found.file("dp_c/user.proto")
    assert encoded is not None
    assert FileDescriptorProto.FromString(encoded).dependency == ["dev/restate/ext.proto"]
    assert found.file("user.proto") is None


def test_names_that_are_no_identifiers_are_shown_by_legal_ones() -> None:
    assert listed(classic("dp_c", "my.counter", "greeter-service")) == {"my.counter", "greeter_service"}
    found = index(classic("dp_c", "my.counter"))
    assert names(found.containing("my.counter"))[:2] == [
        "dp_c/dev/restate/moved/my.counter.proto",
        "dp_c/user.proto",
    ]


def test_types_are_found_in_the_newest_deployment_and_without_their_dependencies() -> None:
    old, new = classic("dp_a", "A", created_ms=1), classic("dp_b", "B", created_ms=2)
    assert names(index(new, old).containing("Req")) == ["dp_b/user.proto"]


@pytest.mark.parametrize("symbol", ["Nope", "Req.key", "Plain.nope", "", "dev.restate.ext.KEYED"])
def test_what_is_not_indexed_is_not_found(symbol: str) -> None:
    assert index(classic("dp_c", "Plain")).containing(symbol) is None


def test_private_services_and_their_files_are_hidden() -> None:
    found = index(
        classic("dp_c", "Plain", private=("Plain",)), deployment("dp_m", service("S", public=False))
    )
    assert set(found.services) == BUILTIN
    assert found.file("dp_c/user.proto") is None
    assert found.containing("Req") is None
    assert found.containing("S") is None


def test_a_private_service_in_a_shared_file_is_hidden_and_the_file_is_not() -> None:
    found = index(classic("dp_c", "A", "B", private=("A",)))
    assert set(found.services) - BUILTIN == {"B"}
    assert found.containing("A") is None
    assert names(found.containing("B"))[0] == "dp_c/user.proto"


def test_a_private_service_shows_the_handlers_that_stay_public() -> None:
    always = Handler("a", HandlerType.PLAIN, always_public=True)
    found = index(deployment("dp_m", service("S", ServiceType.SERVICE, always, "b", public=False)))
    assert "S" in found.services
    assert found.containing("S.a")
    assert found.containing("S.b") is None


def test_modern_services_have_files_of_their_own() -> None:
    found = index(deployment("dp_m", service("shop.Cart", ServiceType.VIRTUAL_OBJECT, "add")))
    assert names(found.containing("shop.Cart.add"))[0] == "dev/restate/synth/shop.Cart.proto"
    assert "dev/restate/synth.proto" in names(found.containing("shop.Cart"))


def test_only_the_latest_revision_is_shown() -> None:
    old = deployment("dp_a", service("S", ServiceType.SERVICE, "a"), revision=1)
    new = deployment("dp_b", service("S", ServiceType.SERVICE, "b"), revision=2)
    found = index(old, new)
    assert found.containing("S.b")
    assert found.containing("S.a") is None


def hidden(*services: Service, others: tuple[Deployment, ...] = ()) -> tuple[str, ...]:
    return registry(deployment("dp_m", *services), *others).symbols().hidden


def test_of_two_services_with_one_legal_name_the_exact_one_is_shown() -> None:
    assert hidden(service("a-b"), service("a_b")) == ("a-b",)
    assert hidden(service("a-b_c"), service("a_b-c")) == ("a_b-c",)
    assert hidden(service("a_b"), others=(classic("dp_c", "a-b"),)) == ("a-b",)


@pytest.mark.parametrize("name", ["Plain", "Plain.Sub", "Req", "Req.Sub"])
def test_a_made_contract_never_disturbs_another_one(name: str) -> None:
    private = ("Plain",) if name == "Plain" else ()
    other = classic("dp_c", "Plain", "Other", private=private)
    expected = () if name == "Plain" else (name,)
    found = registry(other, deployment("dp_m", service(name), created_ms=2)).symbols()
    assert found.hidden == expected
    assert hidden(service("shop"), service("shop.Cart")) == ("shop.Cart",)


@pytest.mark.parametrize(
    "name", ["google", "google.protobuf", "google.protobuf.Value", "google-protobuf.Value"]
)
def test_a_made_contract_never_disturbs_the_standard_files(name: str) -> None:
    expected = () if "-" in name else (name,)
    assert hidden(service(name)) == expected


def test_a_change_shows_in_the_next_registry() -> None:
    first = registry(deployment("dp_m", service("S")))
    assert first.symbols() is first.symbols()
    second = first.changed(2, (deployment_row(deployment("dp_n", service("T"))),))
    assert {"S", "T"} <= set(second.symbols().index.services)
    assert "T" not in first.symbols().index.services


def test_services_are_found_by_both_spellings() -> None:
    found = registry(deployment("dp_m", service("a-b"), service("a_c"), service("a-c")))
    for spelling, name in (("a-b", "a-b"), ("a_b", "a-b"), ("a_c", "a_c"), ("a-c", "a-c")):
        one = found.find(spelling)
        assert one is not None
        assert one.name == name
    assert found.find("a.b") is None


def test_methods_are_found_by_both_spellings() -> None:
    repaired = repair(file_set(file(contract("s", ext_pb2.UNKEYED, ("my-method", "Req")))))
    (found,) = classic_services(repaired, ["s"])
    schema = registry(deployment("dp_c", found))
    service_found = schema.find("s")
    assert service_found is not None
    for spelling in ("my-method", "my_method"):
        handler = schema.find_handler(service_found, spelling)
        assert handler is not None
        assert handler.name == "my-method"
    assert schema.find_handler(service_found, "my.method") is None
