"""Messages of contracts → JSON Schema (2020-12) of their JSON form, as protobuf's own mapping has it."""

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

Json = dict[str, Any]

_INTEGER: Json = {"type": "integer"}
# Larger than what JSON's readers keep exactly, so it is written as text, and read as either.
_LONG: Json = {"type": ["string", "integer"], "format": "int64"}
_NUMBER: Json = {"anyOf": [{"type": "number"}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]}
_TEXT: Json = {"type": "string"}
_BYTES: Json = {"type": "string", "contentEncoding": "base64"}
_FLAG: Json = {"type": "boolean"}

_SCALARS: dict[int, Json] = {
    FieldDescriptor.TYPE_DOUBLE: _NUMBER,
    FieldDescriptor.TYPE_FLOAT: _NUMBER,
    FieldDescriptor.TYPE_INT64: _LONG,
    FieldDescriptor.TYPE_UINT64: _LONG,
    FieldDescriptor.TYPE_FIXED64: _LONG,
    FieldDescriptor.TYPE_SFIXED64: _LONG,
    FieldDescriptor.TYPE_SINT64: _LONG,
    FieldDescriptor.TYPE_INT32: _INTEGER,
    FieldDescriptor.TYPE_UINT32: _INTEGER,
    FieldDescriptor.TYPE_FIXED32: _INTEGER,
    FieldDescriptor.TYPE_SFIXED32: _INTEGER,
    FieldDescriptor.TYPE_SINT32: _INTEGER,
    FieldDescriptor.TYPE_BOOL: _FLAG,
    FieldDescriptor.TYPE_STRING: _TEXT,
    FieldDescriptor.TYPE_BYTES: _BYTES,
}
_WELL_KNOWN: dict[str, Json] = {
    "Timestamp": {"type": "string", "format": "date-time"},
    "Duration": {"type": "string", "description": "seconds, such as `1.5s`"},
    "FieldMask": _TEXT,
    "Empty": {"type": "object"},
    "Struct": {"type": "object"},
    "Value": {},
    "ListValue": {"type": "array"},
    "Any": {"type": "object", "properties": {"@type": _TEXT}},
    "DoubleValue": _NUMBER,
    "FloatValue": _NUMBER,
    "Int64Value": _LONG,
    "UInt64Value": _LONG,
    "Int32Value": _INTEGER,
    "UInt32Value": _INTEGER,
    "BoolValue": _FLAG,
    "StringValue": _TEXT,
    "BytesValue": _BYTES,
}
_WELL_KNOWN_PACKAGE = "google.protobuf."


def message_schema(message: Descriptor, schemas: Json, place: Callable[[str], str]) -> Json:
    """The schema of a message, as a reference. schemas: gets it, and those it needs, by full name.

    place: where a schema of that name will stand, as a reference has it.
    """
    known = _WELL_KNOWN.get(message.full_name.removeprefix(_WELL_KNOWN_PACKAGE))
    if known is not None and message.full_name.startswith(_WELL_KNOWN_PACKAGE):
        return dict(known)
    if message.full_name not in schemas:
        made: Json = {"type": "object", "title": message.full_name}
        # Before the fields: a message may contain itself.
        schemas[message.full_name] = made
        properties = {field.json_name: _field(field, schemas, place) for field in message.fields}
        if properties:
            made["properties"] = properties
    return {"$ref": place(message.full_name)}


def _field(field: FieldDescriptor, schemas: Json, place: Callable[[str], str]) -> Json:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        value = message.fields_by_name["value"]
        return {"type": "object", "additionalProperties": _single(value, schemas, place)}
    single = _single(field, schemas, place)
    return {"type": "array", "items": single} if field.is_repeated else single


def _single(field: FieldDescriptor, schemas: Json, place: Callable[[str], str]) -> Json:
    if field.message_type is not None:
        return message_schema(field.message_type, schemas, place)
    if field.enum_type is not None:
        return _enum(field.enum_type)
    return dict(_SCALARS[field.type])


def _enum(enum: EnumDescriptor) -> Json:
    """By name; numbers are read, too."""
    return {"anyOf": [{"type": "string", "enum": [value.name for value in enum.values]}, {"type": "integer"}]}
