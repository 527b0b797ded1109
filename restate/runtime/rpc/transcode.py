"""JSON to protobuf and back, with the defaults of classic (ingress.md §1.6)."""

import json
import math
import re
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from restate.runtime.rpc.json_bytes import check_bytes
from restate.runtime.rpc.json_integers import unquote
from restate.runtime.rpc.json_options import CLASSIC_JSON, JsonOptions
from restate.runtime.rpc.status import Code, RpcError

_LONGEST_DETAIL = 1_000  # characters of what is wrong, which may quote the message
# What its JSON reader raises, beside ParseError, for values of a type or size that it did not think of.
_OF_PROTOBUF = (OverflowError, TypeError, AttributeError)
_UNKNOWN_FIELD = re.compile(r'has no field named "([^"]*)"')


def from_json(body: bytes, message_class: type[Message], options: JsonOptions = CLASSIC_JSON) -> bytes:
    """The encoded message. Raises RpcError INVALID_ARGUMENT."""
    return parse_json(body, message_class, options).SerializeToString()


def parse_json(body: bytes, message_class: type[Message], options: JsonOptions = CLASSIC_JSON) -> Message:
    """The message that a JSON text means. Raises RpcError INVALID_ARGUMENT."""
    message = message_class()
    try:
        value = _decode(body.decode())
        # protobuf takes a top-level list for an empty message, so the shape is checked first.
        if not isinstance(value, dict) and not _has_other_json_form(message_class):
            raise _bad(f"expected a JSON object, got {body[:40].decode(errors='replace')}")
        check_bytes(value, message_class.DESCRIPTOR)
        json_format.ParseDict(
            value,
            message,
            ignore_unknown_fields=not options.deny_unknown_fields,
            descriptor_pool=_pool(message),
        )
    except json_format.ParseError as error:
        raise _bad(_own_words(str(error))) from error
    except (ValueError, RecursionError, *_OF_PROTOBUF) as error:
        raise _bad(str(error)) from error
    return message


def to_json(raw: bytes, message_class: type[Message], options: JsonOptions = CLASSIC_JSON) -> bytes:
    """The message as compact JSON. Raises RpcError INTERNAL when the service has answered something else."""
    try:
        message = message_class.FromString(raw)
    except DecodeError as error:
        raise _unserializable(error) from error
    return message_to_json(message, options)


def message_to_json(message: Message, options: JsonOptions = CLASSIC_JSON) -> bytes:
    """As compact JSON. Raises RpcError INTERNAL when it has no such form."""
    return _text(message, options).encode()


def _text(message: Message, options: JsonOptions) -> str:
    """A function of its own, so that of a long message nothing else is left when the text is encoded."""
    try:
        value = json_format.MessageToDict(
            message,
            always_print_fields_with_no_presence=not options.skip_default_fields,
            preserving_proto_field_name=options.use_proto_field_name,
            use_integers_for_enums=options.use_enum_numbers,
            descriptor_pool=_pool(message),
        )
        if not options.stringify_64_bit_integers:
            value = unquote(value, message.DESCRIPTOR)
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, json_format.SerializeToJsonError, ValueError, RecursionError) as error:
        raise _unserializable(error) from error


def parse(body: bytes, message_class: type[Message]) -> Message:
    """The decoded message. Raises RpcError INVALID_ARGUMENT."""
    try:
        return message_class.FromString(body)
    except DecodeError as error:
        raise _bad(f"expected a {message_class.DESCRIPTOR.full_name}: {error}") from error


def check_encoded(body: bytes, message_class: type[Message]) -> bytes:
    """The same bytes, if they are such a message. Raises RpcError INVALID_ARGUMENT."""
    parse(body, message_class)
    return body


def _decode(text: str) -> Any:
    """One JSON value and nothing else; stricter than the standard library. Raises ValueError, RecursionError."""
    value = json.loads(
        text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant, parse_float=_finite
    )
    if "\\ud" in text or "\\uD" in text:
        # Half a surrogate pair is no character. It comes by an escape only, and protobuf crashes at some of them.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        # One look at each: with many fields, looking for every one of them among all others would take days.
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"duplicate field '{name[:100]}'")
            seen.add(name)
    return made


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"expected a JSON value, got {name}")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"number out of range: {text[:40]}")
    return number


def _own_words(text: str) -> str:
    """protobuf's message; of an unknown field without the list of the known ones."""
    unknown = _UNKNOWN_FIELD.search(text)
    return f"unrecognized field name '{unknown[1]}'" if unknown is not None else text


def _has_other_json_form(message_class: type[Message]) -> bool:
    """Well-known types are JSON values of their own: a Timestamp is a string, a ListValue a list."""
    name: str = message_class.DESCRIPTOR.full_name
    return name.startswith("google.protobuf.") and name not in (
        "google.protobuf.Any",
        "google.protobuf.Empty",
        "google.protobuf.Struct",
    )


def _bad(detail: str) -> RpcError:
    return RpcError(Code.INVALID_ARGUMENT, f"Error when parsing request: {detail[:_LONGEST_DETAIL]}")


def _unserializable(error: Exception) -> RpcError:
    detail = str(error)[:_LONGEST_DETAIL]
    return RpcError(Code.INTERNAL, f"The response payload cannot be serialized: {detail}")


def _pool(message: Message) -> Any:
    """Where the types of an Any are looked up: the contracts that the message belongs to."""
    return message.DESCRIPTOR.file.pool
