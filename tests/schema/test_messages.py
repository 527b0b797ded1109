import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.target import Generation, ServiceType
from restate.runtime.pb import ext_pb2
from restate.runtime.schema import wire
from restate.runtime.schema.contract import classic_services
from restate.runtime.schema.deployment import Deployment
from restate.runtime.schema.descriptors import repair
from restate.runtime.schema.messages import KeyExtractionError, key_in_message
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import deployment_row
from tests.schema.classic import contract, field, file, file_set, message


def classic_registry() -> Registry:
    kinds = (ext_pb2.UNKEYED, ext_pb2.KEYED, ext_pb2.SINGLETON)
    user = file(
        *(contract(ext_pb2.ServiceType.Name(kind).lower(), kind, ("m", "Req")) for kind in kinds),
        messages=(message("Other", field("x", 1)),),
    )
    repaired = repair(file_set(user))
    deployment_id = DeploymentId("dp_c")
    found = classic_services(repaired, ["unkeyed", "keyed", "singleton"])
    deployment = Deployment(
        deployment_id,
        Generation.CLASSIC,
        "http://h:1/",
        "BidiStream",
        "HTTP/2.0",
        1,
        1,
        1,
        tuple(type(entry)(entry.name, entry.type, entry.handlers, deployment_id, 1) for entry in found),
        descriptors=repaired.files.SerializeToString(),
    )
    return Registry.EMPTY.changed(1, (deployment_row(deployment),))


def test_a_classic_method_gives_its_message_classes() -> None:
    registry = classic_registry()
    method = registry.classic_method("keyed", "m")
    assert method is not None
    assert method.service_type is ServiceType.KEYED
    body = method.input_class(key="k").SerializeToString()
    assert (method.key_of(body), method.output_class().SerializeToString()) == ("k", b"")
    assert method.key_of(b"") == ""
    assert registry.classic_method("keyed", "nope") is None
    assert registry.classic_method("nope", "m") is None


@pytest.mark.parametrize("service", ["unkeyed", "singleton"])
def test_other_services_take_no_key_from_the_message(service: str) -> None:
    method = classic_registry().classic_method(service, "m")
    assert method is not None
    assert method.key_of(b"\x0a\x01k") == ""


def test_classes_stay_the_same_while_the_deployment_does() -> None:
    first = classic_registry()
    method = first.classic_method("keyed", "m")
    second = first.changed(2, ())
    assert method is not None
    again = second.classic_method("keyed", "m")
    assert again is not None
    assert again.input_class is method.input_class


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b"", ""),
        (b"\x0a\x01a", "a"),
        (b"\x0a\x01a\x0a\x01b", "a"),
        (b"\x10\x05\x1d\x01\x02\x03\x04\x21\x01\x02\x03\x04\x05\x06\x07\x08\x0a\x01a", "a"),
        (b"\x0a\x01a\xff", "a"),
        (b"\x13\x0a\x01x\x14\x0a\x01a", "a"),
    ],
    ids=["absent", "alone", "first counts", "after others", "rest is not read", "groups are skipped"],
)
def test_the_key_is_read_off_the_wire(body: bytes, key: str) -> None:
    assert key_in_message(body, 1) == key


@pytest.mark.parametrize(
    "body",
    [
        b"\x08\x05",
        b"\x0a\x05a",
        b"\x0a\x01\xff",
        b"\x10",
        b"\x0f",
        b"\x00",
        b"\x13",
        b"\x14",
        b"\x10" + b"\xff" * 11,
    ],
)
def test_a_message_without_readable_key_is_refused(body: bytes) -> None:
    with pytest.raises(KeyExtractionError):
        key_in_message(body, 1)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_key_or_the_error(body: bytes) -> None:
    with contextlib.suppress(KeyExtractionError):
        assert isinstance(key_in_message(body, 1), str)


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _delimited(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | wire.LENGTH_DELIMITED) + _varint(len(content)) + content


_others = st.integers(2, 2**29 - 1).filter(lambda number: not 19_000 <= number < 20_000)
_fields = st.one_of(
    st.builds(lambda text: _delimited(1, text.encode()), st.text(max_size=10)),
    st.builds(_delimited, _others, st.binary(max_size=200)),
    st.builds(
        lambda number, value: _varint(number << 3 | wire.VARINT) + _varint(value),
        _others,
        st.integers(0, 2**64 - 1),
    ),
    st.builds(
        lambda number, raw: _varint(number << 3 | wire.FIXED32) + raw,
        _others,
        st.binary(min_size=4, max_size=4),
    ),
    st.builds(
        lambda number, raw: _varint(number << 3 | wire.FIXED64) + raw,
        _others,
        st.binary(min_size=8, max_size=8),
    ),
)


@given(st.lists(_fields, max_size=6).map(b"".join))
def test_the_scanner_reads_what_protobuf_reads(body: bytes) -> None:
    method = classic_registry_once.classic_method("keyed", "m")
    assert method is not None
    parsed = method.input_class.FromString(body)
    keys = [value for number, _, value in wire.fields(body) if number == 1]
    assert parsed.key == (keys[-1].decode() if keys and isinstance(keys[-1], bytes) else "")  # type: ignore[attr-defined]


classic_registry_once = classic_registry()
