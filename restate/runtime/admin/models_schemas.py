"""attrs models → JSON Schema (2020-12, as OpenAPI 3.1 has it), by the types of their fields."""

import inspect
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs
from msgspec import UnsetType

from restate.runtime.admin.body import Duration, KeyText
from restate.runtime.admin.views import Json

_BYTES: Json = {
    "description": "bytes: text, or an array of numbers",
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
    ],
}
_SIMPLE: dict[Any, Json] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bytes: _BYTES,
    Duration: {"type": "string", "description": "a duration such as `1h 30m`, or in ISO 8601"},
    KeyText: {
        "description": "the key; an empty object stands for that of a singleton",
        "anyOf": [{"type": "string"}, {"type": "object", "maxProperties": 0}],
    },
    Any: {},
}


class Schemas:
    """Collects the schemas of all models that are asked for. components: {class name: schema}."""

    def __init__(self) -> None:
        self.components: dict[str, Json] = {}
        self._models: dict[str, type[Any]] = {}

    def schema(self, kind: Any) -> Json:
        """The schema of a type; models are referred to."""
        if kind in _SIMPLE:
            return dict(_SIMPLE[kind])
        if isinstance(kind, type) and attrs.has(kind):
            return {"$ref": f"#/components/schemas/{self._component(kind)}"}
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in (Union, UnionType):
            return self._union([kind for kind in arguments if kind is not UnsetType])
        if origin is Literal:
            return {"type": "string", "enum": list(arguments)}
        if origin is list:
            return {"type": "array", "items": self.schema(arguments[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.schema(arguments[1])}
        raise TypeError(f"expected a type that bodies and replies are made of, got {kind!r}")

    def _union(self, kinds: list[Any]) -> Json:
        if len(kinds) == 1:
            return self.schema(kinds[0])
        choices = [{"type": "null"} if kind is NoneType else self.schema(kind) for kind in kinds]
        if all(set(choice) == {"type"} for choice in choices):
            return {"type": [choice["type"] for choice in choices]}
        return {"anyOf": choices}

    def _component(self, model: type[Any]) -> str:
        name = model.__name__
        known = self._models.setdefault(name, model)
        assert known is model, f"two models are called {name}"
        if name not in self.components:
            # Before the fields: a model may contain itself.
            self.components[name] = {}
            self.components[name].update(self._object(model))
        return name

    def _object(self, model: type[Any]) -> Json:
        hints = get_type_hints(model)
        properties = {}
        required = []
        for field in attrs.fields(model):
            properties[field.name] = self.schema(hints[field.name]) | dict(field.metadata)
            if field.default is attrs.NOTHING:
                required.append(field.name)
            elif isinstance(field.default, bool | str | int):
                properties[field.name]["default"] = field.default
        schema: Json = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if model.__doc__:
            schema["description"] = inspect.cleandoc(model.__doc__).replace("\n", " ")
        return schema
