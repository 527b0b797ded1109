from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, struct_pb2, wrappers_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.timestamp_pb2 import Timestamp

from restate.runtime.schema.message_schema import message_schema
from tests.schema.classic import BYTES, INT32, MESSAGE, STRING, field, message, text_map


def described(message: Descriptor) -> tuple[Any, dict[str, Any]]:
    schemas: dict[str, Any] = {}
    return message_schema(message, schemas, lambda name: f"#/{name}"), schemas


def everything() -> Descriptor:
    made = message(
        "Everything",
        field("a_text", 1, STRING),
        field("data", 2, BYTES),
        field("small", 3, INT32),
        field("big", 4, FieldDescriptorProto.TYPE_SINT64),
        field("half", 5, FieldDescriptorProto.TYPE_FLOAT),
        field("flag", 6, FieldDescriptorProto.TYPE_BOOL),
        field("size", 7, FieldDescriptorProto.TYPE_ENUM, type_name=".Everything.Size"),
        field("children", 8, MESSAGE, type_name=".Everything"),
        field("at", 9, MESSAGE, type_name=".google.protobuf.Timestamp"),
    )
    made.field[7].label = FieldDescriptorProto.LABEL_REPEATED
    mapped, entry = text_map("Everything", "by_name", 10, annotation=0)
    mapped.ClearField("options")
    made.field.append(mapped)
    made.nested_type.append(entry)
    made.enum_type.add(name="Size").value.add(name="SMALL", number=0)
    file = descriptor_pb2.FileDescriptorProto(name="x.proto", syntax="proto3", message_type=[made])
    file.dependency.append("google/protobuf/timestamp.proto")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(Timestamp.DESCRIPTOR.file.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    found = pool.FindMessageTypeByName("Everything")
    assert isinstance(found, Descriptor)
    return found


def test_fields_of_all_kinds() -> None:
    reference, schemas = described(everything())
    assert reference == {"$ref": "#/Everything"}
    assert list(schemas) == ["Everything"]
    assert schemas["Everything"]["properties"] == {
        "aText": {"type": "string"},
        "data": {"type": "string", "contentEncoding": "base64"},
        "small": {"type": "integer"},
        "big": {"type": ["string", "integer"], "format": "int64"},
        "half": {"anyOf": [{"type": "number"}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]},
        "flag": {"type": "boolean"},
        "size": {"anyOf": [{"type": "string", "enum": ["SMALL"]}, {"type": "integer"}]},
        "children": {"type": "array", "items": {"$ref": "#/Everything"}},
        "at": {"type": "string", "format": "date-time"},
        "byName": {"type": "object", "additionalProperties": {"type": "string"}},
    }


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (struct_pb2.Struct, {"type": "object"}),
        (struct_pb2.Value, {}),
        (wrappers_pb2.Int64Value, {"type": ["string", "integer"], "format": "int64"}),
        (wrappers_pb2.StringValue, {"type": "string"}),
    ],
)
def test_what_has_a_form_of_its_own(kind: Any, schema: dict[str, object]) -> None:
    assert described(kind.DESCRIPTOR) == (schema, {})


def test_other_messages_of_the_same_package_are_plain() -> None:
    reference, schemas = described(descriptor_pb2.UninterpretedOption.DESCRIPTOR)
    assert reference == {"$ref": "#/google.protobuf.UninterpretedOption"}
    assert len(schemas) == 2


def test_a_message_of_the_same_name_in_another_package_is_plain() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="y.proto", package="mine", message_type=[message("Empty")])
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    _, schemas = described(pool.FindMessageTypeByName("mine.Empty"))
    assert schemas == {"mine.Empty": {"type": "object", "title": "mine.Empty"}}
