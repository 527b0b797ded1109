"""JSON to protobuf and back, with the defaults of classic (ingress.md §1.6)."""

import json

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from restate.runtime.rpc.status import Code, RpcError


def from_json(body: bytes, message_class: type[Message]) -> bytes:
    """The encoded message. Raises RpcError INVALID_ARGUMENT."""
    try:
        text = body.decode()
        # protobuf takes a top-level list for an empty message, so the shape is checked first.
        if not isinstance(json.loads(text), dict) and not _has_other_json_form(message_class):
            raise _bad(f"expected a JSON object, got {text[:40]}")
        message = json_format.Parse(text, message_class())
    except (UnicodeDecodeError, json.JSONDecodeError, json_format.ParseError) as error:
        raise _bad(str(error)) from error
    return message.SerializeToString()


def to_json(raw: bytes, message_class: type[Message]) -> bytes:
    """The message as compact JSON. Raises RpcError INTERNAL when the service has answered something else."""
    try:
        text = json_format.MessageToJson(
            message_class.FromString(raw),
            always_print_fields_with_no_presence=True,
            indent=None,
            ensure_ascii=False,
        )
    except (DecodeError, json_format.SerializeToJsonError, ValueError) as error:
        raise RpcError(Code.INTERNAL, f"The response payload cannot be serialized: {error}") from error
    return text.encode()


def check_encoded(body: bytes, message_class: type[Message]) -> bytes:
    """The same bytes, if they are such a message. Raises RpcError INVALID_ARGUMENT."""
    try:
        message_class.FromString(body)
    except DecodeError as error:
        raise _bad(f"expected a {message_class.DESCRIPTOR.full_name}: {error}") from error
    return body


def _has_other_json_form(message_class: type[Message]) -> bool:
    """Well-known types are JSON values of their own: a Timestamp is a string, a ListValue a list."""
    name: str = message_class.DESCRIPTOR.full_name
    return name.startswith("google.protobuf.") and name not in (
        "google.protobuf.Empty",
        "google.protobuf.Struct",
    )


def _bad(detail: str) -> RpcError:
    return RpcError(Code.INVALID_ARGUMENT, f"Error when parsing request: {detail}")
