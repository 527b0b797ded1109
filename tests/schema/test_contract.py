import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from restate.runtime.errors import DeploymentError
from restate.runtime.model.target import HandlerType, ServiceType
from restate.runtime.pb import ext_pb2
from restate.runtime.schema.contract import classic_services
from restate.runtime.schema.deployment import ClassicMethod, Service
from restate.runtime.schema.descriptors import repair
from tests.schema.classic import BYTES, INT32, contract, field, file, file_set, message, text_map

UNKEYED, KEYED, SINGLETON = ext_pb2.UNKEYED, ext_pb2.KEYED, ext_pb2.SINGLETON
KEY, PAYLOAD, METADATA = ext_pb2.KEY, ext_pb2.EVENT_PAYLOAD, ext_pb2.EVENT_METADATA


def services(user: FileDescriptorProto, *names: str) -> tuple[Service, ...]:
    return classic_services(repair(file_set(user)), names)


def event(*, payload_kind: int = BYTES) -> DescriptorProto:
    attributes, entry = text_map("Event", "attributes", 15, annotation=METADATA)
    made = message(
        "Event",
        field("key", 1, annotation=KEY),
        field("payload", 3, payload_kind, annotation=PAYLOAD),
        attributes,
    )
    made.nested_type.append(entry)
    return made


def test_a_keyed_service_knows_the_key_of_each_method() -> None:
    other = message("Other", field("x", 1), field("id", 7, annotation=KEY))
    user = file(contract("S", KEYED, ("a", "Req"), ("b", "Other")), messages=(other,))
    (found,) = services(user, "S")
    assert found.type is ServiceType.KEYED
    assert [(entry.name, entry.type, entry.classic) for entry in found.handlers] == [
        ("a", HandlerType.EXCLUSIVE, ClassicMethod("Req", "Res", 1)),
        ("b", HandlerType.EXCLUSIVE, ClassicMethod("Other", "Res", 7)),
    ]


def test_keys_of_other_services_do_not_count() -> None:
    user = file(contract("U", UNKEYED, ("a", "Req")), contract("O", SINGLETON, ("a", "Req")))
    unkeyed, singleton = services(user, "U", "O")
    assert (unkeyed.handlers[0].type, singleton.handlers[0].type) == (
        HandlerType.PLAIN,
        HandlerType.EXCLUSIVE,
    )
    assert unkeyed.handlers[0].classic == ClassicMethod("Req", "Res")


def test_only_announced_services_are_taken_and_each_once() -> None:
    user = file(contract("S", UNKEYED), contract("T", UNKEYED))
    assert [found.name for found in services(user, "S", "S")] == ["S"]


def test_packages_belong_to_the_name() -> None:
    user = FileDescriptorProto(
        name="p.proto",
        package="a.b",
        syntax="proto3",
        dependency=["dev/restate/ext.proto"],
        service=[contract("S", UNKEYED)],
    )
    assert [found.name for found in services(user, "a.b.S")] == ["a.b.S"]


def test_an_event_handler_knows_where_events_go() -> None:
    (found,) = services(file(contract("S", KEYED, ("on", "Event")), messages=(event(),)), "S")
    assert found.handlers[0].classic == ClassicMethod("Event", "Res", 1, 3, 15)


@pytest.mark.parametrize(
    ("user", "code"),
    [
        (file(), None),
        (file(contract("S", None)), "META0001"),
        (file(contract("S", KEYED)), "META0001"),
        (file(contract("S", KEYED, ("m", "Res"))), "META0002"),
        (
            file(
                contract("S", KEYED, ("m", "M")),
                messages=(message("M", field("k", 1, INT32, annotation=KEY)),),
            ),
            "META0002",
        ),
        (
            file(
                contract("S", UNKEYED, ("m", "M")),
                messages=(message("M", field("k", 1, annotation=KEY), field("l", 2, annotation=KEY)),),
            ),
            "META0007",
        ),
        (file(contract("S", KEYED, ("m", "Event")), messages=(event(payload_kind=INT32),)), "META0008"),
        (
            file(
                contract("S", UNKEYED, ("m", "M")),
                messages=(message("M", field("a", 1, annotation=METADATA)),),
            ),
            "META0008",
        ),
    ],
    ids=["missing", "no type", "keyed, empty", "no key", "key type", "two keys", "payload", "metadata"],
)
def test_each_fault_has_its_code(user: FileDescriptorProto, code: str | None) -> None:
    with pytest.raises(DeploymentError, match="S") as caught:
        services(user, "S")
    assert (caught.value.code, caught.value.http_status) == (code, 400)
