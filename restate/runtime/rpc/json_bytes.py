"""Looks at the base64 texts of a JSON message before it is read.

protobuf drops every character that is none of base64, so that a caller's mistake would become other bytes.
"""

import functools
import re
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

# Either alphabet; padding may be left out. Whether the length is possible, protobuf itself checks.
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_WRAPPER = "google.protobuf.BytesValue"
_STANDARD = "google.protobuf."


def check_bytes(value: Any, message: Any) -> None:
    """Raises ValueError. value: decoded JSON of such a message; what has another shape is left to protobuf.

    message: a Descriptor, of either type that protobuf has for it.
    """
    if message.full_name == _WRAPPER:
        _check_text(value, "value")
        return
    # Any has a form of its own, and the other standard messages have no bytes.
    if message.full_name.startswith(_STANDARD) or not isinstance(value, dict):
        return
    fields = _fields_with_bytes(message)
    if not fields:
        return
    for name, given in value.items():
        field = fields.get(name)
        if field is not None:
            for one in _values(given, field):
                _check_value(one, _value_field(field), name)


def _check_value(value: Any, field: FieldDescriptor, name: str) -> None:
    if field.message_type is not None:
        check_bytes(value, field.message_type)
    else:
        _check_text(value, name)


def _check_text(value: Any, name: str) -> None:
    if isinstance(value, str) and not _BASE64.fullmatch(value):
        raise ValueError(f"expected base64 in field '{name[:100]}', got '{value[:40]}'")


def _values(given: Any, field: FieldDescriptor) -> list[Any]:
    """Those of a map, a list, or a field of one value."""
    if _is_map(field):
        return list(given.values()) if isinstance(given, dict) else []
    return given if isinstance(given, list) else [given]


def _value_field(field: FieldDescriptor) -> FieldDescriptor:
    inner = field.message_type
    return field if inner is None or not _is_map(field) else inner.fields_by_name["value"]


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


@functools.lru_cache(maxsize=128)
def _fields_with_bytes(message: Descriptor) -> dict[str, FieldDescriptor]:
    """{name in JSON or in the contract: field}, of the fields that are bytes or lead to some."""
    found = {}
    for field in message.fields:
        if _leads_to_bytes(field, set()):
            found[field.name] = found[field.json_name] = field
    return found


def _leads_to_bytes(field: FieldDescriptor, seen: set[str]) -> bool:
    inner = _value_field(field).message_type
    if inner is None:
        return _value_field(field).type == FieldDescriptor.TYPE_BYTES
    if inner.full_name.startswith(_STANDARD):
        return inner.full_name == _WRAPPER
    if inner.full_name in seen:
        return False
    seen.add(inner.full_name)
    return any(_leads_to_bytes(one, seen) for one in inner.fields)
