"""JSON texts and `google.protobuf.Value`, whose numbers are all doubles."""

import json
import math
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct, Value

from restate.runtime.rpc.status import Code, RpcError

_LARGEST_EXACT = 2**53


def _refuse(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


# json.dumps and json.loads would make theirs anew for every text.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_refuse)


def to_json(value: Value | Struct) -> bytes:
    """What `JSON.stringify` would write: integral doubles without a fraction, no spaces.

    Raises RpcError INVALID_ARGUMENT for numbers that JSON does not have.
    """
    return _text(value).encode()


def _text(value: Value | Struct) -> str:
    """A function of its own, so that of a long value nothing else is left when the text is encoded."""
    plain = _of_struct(value) if isinstance(value, Struct) else _plain(value)
    return _ENCODER.encode(plain)


def from_json(text: bytes) -> Value:
    """Raises ValueError when it is no JSON, nested deeper than protobuf messages may be, or has too large a number."""
    value = Value()
    try:
        # In the encodings that json.loads takes.
        plain = _DECODER.decode(text.decode(json.detect_encoding(text), "surrogatepass"))
        json_format.ParseDict(plain, value)
    except (json_format.ParseError, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from error
    return value


def _plain(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "number_value":
            return _number(value.number_value)
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _of_struct(value.struct_value)
        case "list_value":
            return [_plain(item) for item in value.list_value.values]
        case _:
            return None


def _of_struct(value: Struct) -> dict[str, Any]:
    return {name: _plain(item) for name, item in value.fields.items()}


def _number(number: float) -> int | float:
    if not math.isfinite(number):
        raise RpcError(Code.INVALID_ARGUMENT, f"expected a JSON value: it has no {number}")
    return int(number) if number.is_integer() and abs(number) <= _LARGEST_EXACT else number
