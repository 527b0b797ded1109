"""Whether a JSON schema is one, by the vocabulary of draft 2020-12 and what older drafts write in another way.

Schemas are only shown to people and put into OpenAPI documents, so this is no validator of values. Keywords that it does
not know pass, and so do regular expressions: those of JavaScript are not those of Python.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urldefrag

_DRAFTS = frozenset(
    (
        "//json-schema.org/draft/2020-12/schema",
        "//json-schema.org/draft/2019-09/schema",
        "//json-schema.org/draft-07/schema",
        "//json-schema.org/draft-06/schema",
        "//json-schema.org/draft-04/schema",
    )
)
"""The schemas of schemas, known to everybody, without http: or https:, which people mix up."""
_TYPES = frozenset(("null", "boolean", "object", "array", "number", "integer", "string"))
_MAX_DEPTH = 100
_MAX_NESTING = 128
"""Of objects and lists, also in what is no schema, such as a default: whoever copies a schema does so recursively."""
_SHOWN_PATH = 200


class JsonSchemaError(ValueError):
    """Not a JSON schema; str() says where and why."""


def check_json_schema(schema: Any) -> None:
    """schema: decoded JSON. Raises JsonSchemaError."""
    if not isinstance(schema, dict | bool):
        raise JsonSchemaError(f"expected an object or a boolean, got {_short(schema)}")
    references: list[str] = []
    names: set[str] = set()
    _check(schema, "#", references, names, 0)
    _check_nesting(schema)
    for reference in references:
        _check_reference(schema, reference, names)


def _check_nesting(schema: Any) -> None:
    level = [schema]
    for _ in range(_MAX_NESTING):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise JsonSchemaError(f"objects and lists are nested deeper than {_MAX_NESTING} levels")


def _check(schema: Any, path: str, references: list[str], names: set[str], depth: int) -> None:
    """Collects what the schema refers to, and the names by which it can be referred to."""
    if depth > _MAX_DEPTH:
        raise JsonSchemaError(f"{path}: nested deeper than {_MAX_DEPTH} levels")
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise _wrong(path, "a schema, that is an object or a boolean", schema)
    for keyword, value in schema.items():
        below = _below(path, keyword)
        check = _KEYWORDS.get(keyword)
        if check is not None:
            expected, holds = check
            if not holds(value):
                raise _wrong(below, expected, value)
        for name, inner in _subschemas(keyword, value, below):
            _check(inner, name, references, names, depth + 1)
        if keyword in ("$ref", "$dynamicRef"):
            references.append(value)
        elif keyword in ("$anchor", "$dynamicAnchor"):
            names.add(f"#{value}")
        elif keyword in ("$id", "id") and isinstance(value, str):
            names.add(value)


def _subschemas(keyword: str, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    # Up to draft 2019-09 `items` may be a list, as `prefixItems` is now.
    if keyword in _LISTS or (keyword == "items" and isinstance(value, list)):
        if not isinstance(value, list) or (not value and keyword != "items"):
            raise _wrong(path, "a list of schemas that is not empty", value)
        yield from ((_below(path, str(index)), inner) for index, inner in enumerate(value))
    elif keyword in _ONES:
        yield path, value
    elif keyword in _MAPS:
        if not isinstance(value, dict):
            raise _wrong(path, "an object of schemas", value)
        yield from ((_below(path, name), inner) for name, inner in value.items())


def _below(path: str, name: str) -> str:
    """For messages, which show its beginning; with all of it, long names would be copied for each schema below them."""
    return f"{path}/{name}"[:_SHOWN_PATH]


def _check_reference(root: Any, reference: str, names: set[str]) -> None:
    base, fragment = urldefrag(reference)
    if reference in names or base in names or _is_draft(base):
        return
    if base:
        raise JsonSchemaError(
            f"$ref {reference[:200]!r} leads outside of the schema; bundle what it refers to"
        )
    if fragment and not fragment.startswith("/"):
        raise JsonSchemaError(f"$ref {reference[:200]!r}: there is no such anchor")
    place = root
    for step in fragment.split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and name in place:
            place = place[name]
        elif isinstance(place, list) and name.isascii() and name.isdigit() and int(name) < len(place):
            place = place[int(name)]
        else:
            raise JsonSchemaError(f"$ref {reference[:200]!r}: there is nothing at this place")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_limit(value: Any) -> bool:
    """Before draft 6 a flag: whether the other limit is exclusive."""
    return isinstance(value, int | float)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _is_type(value: Any) -> bool:
    kinds = value if isinstance(value, list) else [value]
    return bool(kinds) and all(isinstance(kind, str) and kind in _TYPES for kind in kinds)


def _is_draft(value: Any) -> bool:
    return isinstance(value, str) and re.sub(r"^https?:|#$", "", value) in _DRAFTS


_Check = tuple[str, Callable[[Any], bool]]
_TEXT: _Check = ("a string", _is_text)
_FLAG: _Check = ("a boolean", _is_flag)
_NUMBER: _Check = ("a number", _is_number)
_LIMIT: _Check = ("a number", _is_limit)
_COUNT: _Check = ("a whole number of at least 0", _is_count)

_KEYWORDS: dict[str, _Check] = {
    "$schema": ("one of the known drafts", _is_draft),
    "type": (f"one or more of {', '.join(sorted(_TYPES))}", _is_type),
    "required": ("a list of names", lambda value: isinstance(value, bool) or _is_names(value)),
    "enum": ("a list", lambda value: isinstance(value, list)),
    "examples": ("a list", lambda value: isinstance(value, list)),
    "multipleOf": ("a number above 0", lambda value: _is_number(value) and value > 0),
    "minimum": _NUMBER,
    "maximum": _NUMBER,
    "exclusiveMinimum": _LIMIT,
    "exclusiveMaximum": _LIMIT,
    **dict.fromkeys(("$ref", "$dynamicRef", "$anchor", "$dynamicAnchor", "$id", "$comment"), _TEXT),
    **dict.fromkeys(("title", "description", "format", "pattern"), _TEXT),
    **dict.fromkeys(("contentEncoding", "contentMediaType"), _TEXT),
    **dict.fromkeys(("uniqueItems", "deprecated", "readOnly", "writeOnly"), _FLAG),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains"), _COUNT),
    **dict.fromkeys(("minProperties", "maxProperties"), _COUNT),
}
_ONES = frozenset(
    (
        "not",
        "if",
        "then",
        "else",
        "items",
        "contains",
        "additionalItems",
        "additionalProperties",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
        "contentSchema",
    )
)
_LISTS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_MAPS = frozenset(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"))


def _wrong(path: str, expected: str, value: Any) -> JsonSchemaError:
    return JsonSchemaError(f"{path}: expected {expected}, got {_short(value)}")


def _short(value: Any) -> str:
    return repr(value)[:80]
