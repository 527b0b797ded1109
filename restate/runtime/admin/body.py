"""Request bodies and parameters: attrs models read by cattrs, strictly, because clients rely on 422 for wrong shapes."""

from types import NoneType
from typing import Any, NewType, TypeVar, get_args, get_origin

import attrs
import cattrs
import msgspec
from cattrs.gen import make_dict_structure_fn
from quart import request

from restate.runtime.admin.errors import Refusal
from restate.runtime.model.duration import parse_duration

T = TypeVar("T")

Duration = NewType("Duration", int)
"""Milliseconds, written as text such as `1h 30m` or in ISO 8601."""

_converter = cattrs.Converter()


def _strictly(kind: type[T]) -> Any:
    """A hook that takes values of `kind` as they are; cattrs itself would convert, and take "no" as true."""

    def check(value: Any, _: Any) -> T:
        if type(value) is not kind:
            raise ValueError(f"expected {_JSON_NAMES[kind]}, got {_JSON_NAMES.get(type(value), 'null')}")
        return value

    return check


_JSON_NAMES = {
    bool: "a boolean",
    str: "a string",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
}


def _is_text_map(kind: Any) -> bool:
    return get_origin(kind) is dict


def _read_map(value: Any, _: Any) -> dict[str, str]:
    if type(value) is not dict:
        raise ValueError(f"expected an object, got {_JSON_NAMES.get(type(value), 'null')}")
    for name, text in value.items():
        if type(text) is not str:
            raise ValueError(f"expected a string for {name!r}, got {_JSON_NAMES.get(type(text), 'null')}")
    return value


@attrs.frozen
class KeyText:
    """The key of an object; None if the body has `{}`, as clients write it that have no text for a singleton."""

    text: str | None


def _read_key(value: Any, _: Any) -> KeyText:
    if value == {}:
        return KeyText(None)
    if type(value) is not str:
        raise ValueError(f"expected a string, got {_JSON_NAMES.get(type(value), 'null')}")
    return KeyText(value)


def _read_bytes_map(value: Any, _: Any) -> dict[str, bytes]:
    if type(value) is not dict:
        raise ValueError(f"expected an object, got {_JSON_NAMES.get(type(value), 'null')}")
    return {name: _read_bytes(name, content) for name, content in value.items()}


def _read_bytes(name: str, value: Any) -> bytes:
    """A text, or an array of numbers."""
    if type(value) is str:
        return value.encode()
    if type(value) is list and all(type(number) is int and 0 <= number <= 255 for number in value):
        return bytes(value)
    raise ValueError(f"expected a string or an array of numbers 0 to 255 for {name!r}")


def _read_duration(value: Any, _: Any) -> Duration:
    if type(value) is not str:
        raise ValueError(f"expected a duration as text, got {_JSON_NAMES.get(type(value), 'null')}")
    return Duration(parse_duration(value))


def _read_texts(value: Any, _: Any) -> list[str]:
    if type(value) is not list or not all(type(text) is str for text in value):
        raise ValueError("expected an array of strings")
    return value


def _object_hook(model: type[T]) -> Any:
    """A hook that reads an object, and takes null for absent where a field may be None."""
    read = make_dict_structure_fn(model, _converter)

    def structure(value: Any, _: Any) -> T:
        if type(value) is not dict:
            raise ValueError(f"expected an object, got {_JSON_NAMES.get(type(value), 'null')}")
        given = {
            name: entry for name, entry in value.items() if entry is not None or not _optional(model, name)
        }
        return read(given, model)

    return structure


_converter.register_structure_hook_factory(attrs.has, _object_hook)
_converter.register_structure_hook(bool, _strictly(bool))
_converter.register_structure_hook(int, _strictly(int))
_converter.register_structure_hook(str, _strictly(str))
_converter.register_structure_hook(KeyText, _read_key)
_converter.register_structure_hook_func(lambda kind: kind is Duration, _read_duration)
_converter.register_structure_hook_func(_is_text_map, _read_map)
# Of the hooks that fit, the last one counts.
_converter.register_structure_hook_func(lambda kind: kind == dict[str, bytes], _read_bytes_map)
_converter.register_structure_hook_func(lambda kind: kind == list[str], _read_texts)


async def read_body(model: type[T]) -> T:
    """The JSON body as an attrs model. Unknown fields are ignored; null stands for absent where a field may be None.

    Raises Refusal 415, 400 or 422, and Quart's 413.
    """
    return _structured(await _read_json(), model)


async def read_list(model: type[T]) -> list[T]:
    """The JSON body as a list of attrs models, each as in `read_body`, which also says what is raised."""
    value = await _read_json()
    if not isinstance(value, list):
        raise Refusal(
            422,
            "Failed to deserialize the JSON body into the target type: expected an array, got"
            f" {_JSON_NAMES.get(type(value), 'null')}",
        )
    return [_structured(entry, model, f"[{place}]: ") for place, entry in enumerate(value)]


async def _read_json() -> Any:
    mimetype = request.mimetype
    if mimetype != "application/json" and not (
        mimetype.startswith("application/") and mimetype.endswith("+json")
    ):
        got = f"`{mimetype[:100]}`" if mimetype else "none"
        raise Refusal(415, f"Expected request with `Content-Type: application/json`, got {got}")
    raw = await request.get_data()
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refusal(400, f"Failed to parse the request body as JSON: {error}") from None


def _structured(value: Any, model: type[T], place: str = "") -> T:
    """place: before each fault."""
    if not isinstance(value, dict):
        raise Refusal(
            422,
            f"Failed to deserialize the JSON body into the target type: {place}expected an object, got"
            f" {_JSON_NAMES.get(type(value), 'null')}",
        )
    try:
        return _converter.structure(value, model)
    except cattrs.BaseValidationError as error:
        faults = "; ".join(cattrs.transform_error(error, format_exception=_fault))
        raise Refusal(
            422, f"Failed to deserialize the JSON body into the target type: {place}{faults}"
        ) from None


def _optional(model: type[Any], name: str) -> bool:
    field = attrs.fields_dict(model).get(name)
    return field is not None and NoneType in get_args(field.type)


def _fault(error: BaseException, _: type | None) -> str:
    return f"missing field {error}" if isinstance(error, KeyError) else str(error)


def parameter(name: str) -> str | None:
    """A query parameter, None if it is absent. Raises Refusal 400 if it is there more than once."""
    values = request.args.getlist(name)
    if len(values) > 1:
        raise Refusal(
            400,
            f"Failed to deserialize query string: duplicate field `{name}`: expected it once, got {len(values)}",
        )
    return values[0] if values else None


def bool_parameter(name: str) -> bool:
    """A query parameter that is `true` or `false`; absent is False. Raises Refusal 400."""
    text = parameter(name)
    if text is None:
        return False
    if text not in ("true", "false"):
        raise Refusal(
            400, f"Failed to deserialize query string: {name}: expected true or false, got {text[:50]!r}"
        )
    return text == "true"
