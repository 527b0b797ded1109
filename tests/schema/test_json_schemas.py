from typing import Any

import pytest

from restate.runtime.schema import json_schemas
from restate.runtime.schema.json_schemas import JsonSchemaError, check_json_schema

# As pydantic and zod write them.
MODEL: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {
        "Item": {
            "title": "Item",
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1, "pattern": "^[a-z]+$"},
                "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "default": []},
                "next": {"anyOf": [{"$ref": "#/$defs/Item"}, {"type": "null"}], "default": None},
                "price": {"type": ["number", "null"], "exclusiveMinimum": 0, "multipleOf": 0.01},
            },
            "required": ["name"],
            "additionalProperties": False,
        }
    },
    "allOf": [{"$ref": "#/$defs/Item"}],
    "examples": [{}],
    "x-own": 5,
}


def test_what_is_below_long_names_does_not_carry_them_along(monkeypatch: pytest.MonkeyPatch) -> None:
    check, lengths = json_schemas._check, []

    def measured(schema: Any, path: str, *rest: Any) -> None:
        lengths.append(len(path))
        check(schema, path, *rest)

    monkeypatch.setattr(json_schemas, "_check", measured)
    check_json_schema({"$defs": {"x" * 5_000: {"anyOf": [{"properties": {"y" * 5_000: {}}}]}}})
    assert len(lengths) == 4
    assert max(lengths) <= 200


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        MODEL,
        {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}, True]},
        {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True},
        {"$schema": "https://json-schema.org/draft-07/schema"},
        {"$ref": "http://json-schema.org/draft-04/schema#/properties/title"},
        {"$ref": "#"},
        {"$ref": "#/definitions/a~1b/anyOf/1", "definitions": {"a/b": {"anyOf": [True, {}]}}},
        {"$ref": "#there", "$defs": {"x": {"$anchor": "there"}}},
        {"$ref": "https://mine/x#/a", "$defs": {"x": {"$id": "https://mine/x"}}},
        {"properties": {"$ref": {"type": "string"}, "type": {"type": "string"}}},
        {"const": {"type": "nope"}, "default": {"$ref": 5}, "enum": [{"type": 5}]},
        {"enum": []},
    ],
)
def test_schemas(schema: Any) -> None:
    check_json_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        5,
        "x",
        [],
        {"type": "nope"},
        {"type": 5},
        {"type": []},
        {"$ref": "#/definitions/a"},
        {"$ref": "#nowhere"},
        {"$ref": "#/anyOf/2", "anyOf": [True]},
        {"$ref": "http://127.0.0.1:1/x"},
        {"$ref": "other.json"},
        {"$ref": 5},
        {"properties": []},
        {"properties": {"a": {"type": "bad"}}},
        {"$defs": {"a": {"type": "bad"}}},
        {"definitions": {"a": {"type": "bad"}}},
        {"required": "a"},
        {"required": [5]},
        {"minimum": "x"},
        {"minimum": True},
        {"multipleOf": 0},
        {"minLength": -1},
        {"minLength": 1.5},
        {"$schema": "http://nope/"},
        {"format": 5},
        {"items": 5},
        {"additionalProperties": 5},
        {"anyOf": []},
        {"anyOf": {}},
        {"allOf": [{"not": {"type": "bad"}}]},
        {"uniqueItems": "yes"},
    ],
)
def test_what_is_none(schema: Any) -> None:
    with pytest.raises(JsonSchemaError):
        check_json_schema(schema)


def test_the_place_of_the_fault_is_named() -> None:
    with pytest.raises(
        JsonSchemaError, match=r"^#/properties/a/items/type: expected one or more of .*, got 'bad'$"
    ):
        check_json_schema({"properties": {"a": {"items": {"type": "bad"}}}})


def test_nesting_has_an_end() -> None:
    schema: Any = {}
    for _ in range(200):
        schema = {"not": schema}
    with pytest.raises(JsonSchemaError, match="nested deeper than 100 levels"):
        check_json_schema(schema)


def test_what_is_no_schema_is_not_nested_without_end_either() -> None:
    value: Any = True
    for _ in range(126):
        value = [value]
    check_json_schema({"default": value})
    with pytest.raises(JsonSchemaError, match="nested deeper than 128 levels"):
        check_json_schema({"default": [[value]]})
