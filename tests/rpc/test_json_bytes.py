"""Base64 in JSON messages: what is none must not become other bytes."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import any_pb2, descriptor_pool, message_factory, wrappers_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from restate.runtime.rpc.json_bytes import check_bytes
from restate.runtime.rpc.status import Code, RpcError
from restate.runtime.rpc.transcode import from_json

F = FieldDescriptorProto


def _message_class() -> Any:
    """A message that holds bytes in every way, itself included, and another that holds none."""
    file = FileDescriptorProto(
        name="b.proto",
        package="b",
        syntax="proto3",
        dependency=["google/protobuf/any.proto", "google/protobuf/wrappers.proto"],
    )
    entry = DescriptorProto(name="ByNameEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=F.TYPE_STRING, label=F.LABEL_OPTIONAL)
    entry.field.add(name="value", number=2, type=F.TYPE_BYTES, label=F.LABEL_OPTIONAL)
    message = file.message_type.add(name="M", nested_type=[entry])
    for number, (name, kind, label, type_name) in enumerate(
        [
            ("one_blob", F.TYPE_BYTES, F.LABEL_OPTIONAL, ""),
            ("many", F.TYPE_BYTES, F.LABEL_REPEATED, ""),
            ("by_name", F.TYPE_MESSAGE, F.LABEL_REPEATED, ".b.M.ByNameEntry"),
            ("inner", F.TYPE_MESSAGE, F.LABEL_OPTIONAL, ".b.M"),
            ("wrapped", F.TYPE_MESSAGE, F.LABEL_OPTIONAL, ".google.protobuf.BytesValue"),
            ("any", F.TYPE_MESSAGE, F.LABEL_OPTIONAL, ".google.protobuf.Any"),
            ("plain", F.TYPE_MESSAGE, F.LABEL_REPEATED, ".b.Plain"),
        ],
        start=1,
    ):
        message.field.add(name=name, number=number, type=kind, label=label, type_name=type_name or None)
    plain = file.message_type.add(name="Plain")
    plain.field.add(name="text", number=1, type=F.TYPE_STRING, label=F.LABEL_OPTIONAL)
    plain.field.add(name="more", number=2, type=F.TYPE_MESSAGE, label=F.LABEL_OPTIONAL, type_name=".b.Plain")
    pool = descriptor_pool.DescriptorPool()
    for needed in (any_pb2, wrappers_pb2):
        pool.AddSerializedFile(needed.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("b.M"))


M = _message_class()


@pytest.mark.parametrize(
    "value",
    [
        {"oneBlob": "?"},
        {"one_blob": "YQ=Y"},
        {"oneBlob": "YQ\n"},
        {"oneBlob": "\u00fc"},
        {"many": ["YQ", "Y Q"]},
        {"byName": {"k": "?"}},
        {"inner": {"inner": {"oneBlob": "?"}}},
        {"wrapped": "?"},
    ],
)
def test_what_is_no_base64_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected base64 in field"):
        check_bytes(value, M.DESCRIPTOR)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"oneBlob": "", "many": ["YQ", "YQ==", "-_+/"], "byName": {"?": "YQ"}, "wrapped": "YQ"},
        {"oneBlob": None, "many": None, "byName": None, "inner": None, "wrapped": None},
        {"plain": [{"text": "?", "more": {"text": "?"}}]},
        {"any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.5s"}},
        # protobuf refuses these in its own words.
        {"oneBlob": 1, "many": "YQ", "byName": [], "inner": "?", "nope": "?"},
        "?",
    ],
)
def test_everything_else_is_left_to_protobuf(value: Any) -> None:
    check_bytes(value, M.DESCRIPTOR)


def test_a_top_level_wrapper_is_checked_and_any_is_not() -> None:
    with pytest.raises(ValueError, match="base64"):
        check_bytes("?", wrappers_pb2.BytesValue.DESCRIPTOR)
    check_bytes({"@type": "x", "value": "?"}, any_pb2.Any.DESCRIPTOR)


def test_callers_are_told() -> None:
    with pytest.raises(RpcError, match=r"expected base64 in field 'oneBlob', got '\?'") as refused:
        from_json(b'{"oneBlob":"?"}', M)
    assert refused.value.code is Code.INVALID_ARGUMENT
