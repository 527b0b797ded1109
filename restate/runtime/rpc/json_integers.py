"""64-bit integers as JSON numbers, for those who do not want them as strings.

protobuf's JSON has them as strings, because many readers of JSON know doubles only; there is no switch for it.
"""

import functools
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

_LONG = frozenset(
    (
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_UINT64,
        FieldDescriptor.TYPE_SINT64,
        FieldDescriptor.TYPE_FIXED64,
        FieldDescriptor.TYPE_SFIXED64,
    )
)
_WRAPPERS = frozenset(("google.protobuf.Int64Value", "google.protobuf.UInt64Value"))
_STANDARD = "google.protobuf."


def unquote(value: Any, message: Any) -> Any:
    """The JSON form `value` of such a message, with numbers for 64-bit integers. Changes `value` in place.

    message: a Descriptor, of either type that protobuf has for it. What stands in an Any keeps its strings.
    """
    if message.full_name in _WRAPPERS:
        return int(value)
    if message.full_name.startswith(_STANDARD):
        return value
    for name, field in _fields_with_integers(message).items():
        if name in value:
            value[name] = _unquote_field(value[name], field)
    return value


def _unquote_field(value: Any, field: FieldDescriptor) -> Any:
    if isinstance(value, dict) and (values := _map_values(field)) is not None:
        return {key: _unquote_one(one, values) for key, one in value.items()}
    if isinstance(value, list):
        return [_unquote_one(one, field) for one in value]
    return _unquote_one(value, field)


def _unquote_one(value: Any, field: FieldDescriptor) -> Any:
    return int(value) if field.message_type is None else unquote(value, field.message_type)


def _map_values(field: FieldDescriptor) -> FieldDescriptor | None:
    """The field that the values of a map are; None if it is no map."""
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return None
    return entry.fields_by_name["value"]


@functools.lru_cache(maxsize=128)
def _fields_with_integers(message: Descriptor) -> dict[str, FieldDescriptor]:
    """{name in JSON and in the contract: field}, of the fields that are 64-bit integers or lead to some."""
    found = {}
    for field in message.fields:
        if _leads_to_integers(field, set()):
            found[field.name] = found[field.json_name] = field
    return found


def _leads_to_integers(field: FieldDescriptor, seen: set[str]) -> bool:
    field = _map_values(field) or field
    inner = field.message_type
    if inner is None:
        return field.type in _LONG
    if inner.full_name.startswith(_STANDARD):
        return inner.full_name in _WRAPPERS
    if inner.full_name in seen:
        return False
    seen.add(inner.full_name)
    return any(_leads_to_integers(one, seen) for one in inner.fields)
