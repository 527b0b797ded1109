"""The system relations and types of PostgreSQL 15, read from `postgres15.json`, and the names of ours.

Source: a PostgreSQL 15.18 server's own pg_attribute, pg_type and pg_get_keywords(); names and numbers only.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs

PG_CATALOG = "pg_catalog"
INFORMATION_SCHEMA = "information_schema"
PUBLIC = "public"
NAMESPACES = {PG_CATALOG: 11, PUBLIC: 2200, INFORMATION_SCHEMA: 13000}
"""{schema: oid}."""


@attrs.frozen
class BaseType:
    """One row of pg_type, in the order of the file. size: bytes of a value, -1 or -2 for any."""

    oid: int
    name: str
    title: str
    size: int
    by_value: int
    kind: str
    category: str
    preferred: int
    element: int
    array: int
    alignment: str
    storage: str
    input: str
    output: str
    receive: str
    send: str
    subscript: str
    collation: int


@attrs.frozen
class Relation:
    """A system table or view. kind: `r` or `v`. columns: {name: type oid}, in order."""

    schema: str
    name: str
    oid: int
    kind: str
    columns: Mapping[str, int]


@cache
def _file() -> Any:
    return json.loads(Path(__file__).with_name("postgres15.json").read_text("utf-8"))


@cache
def base_types() -> tuple[BaseType, ...]:
    """All types that are no arrays."""
    return tuple(BaseType(*row) for row in _file()["types"])


@cache
def type_oids() -> Mapping[str, int]:
    """{every name of a type, arrays as `name[]` and `_name`: oid}."""
    found: dict[str, int] = {}
    for kind in base_types():
        for name in (kind.title, kind.name):
            found[name] = kind.oid
            if kind.array:
                found[name + "[]"] = found["_" + name] = kind.array
    for alias, name in _ALIASES.items():
        found[alias] = found[name]
        found[alias + "[]"] = found.get(name + "[]", 0)
    # "char" in quotes is the one-byte type; the grammar gives `bpchar` for the word without quotes.
    return found


_ALIASES = {"int": "int4", "decimal": "numeric", "float": "float8", "string": "text", "dec": "numeric"}


@cache
def types_by_oid() -> Mapping[int, BaseType]:
    return {kind.oid: kind for kind in base_types()}


@cache
def array_elements() -> Mapping[int, int]:
    """{oid of an array type: oid of its elements}."""
    return {kind.array: kind.oid for kind in base_types() if kind.array}


def type_title(oid: int, modifier: int = -1) -> str:
    """As format_type prints it: `integer`, `text[]`, `character varying(10)`."""
    element = array_elements().get(oid)
    if element is not None:
        return type_title(element, modifier) + "[]"
    kind = types_by_oid().get(oid)
    if kind is None:
        return "-" if oid == 0 else "???"
    if modifier >= 4 and kind.name in ("varchar", "bpchar"):
        return f"{kind.title}({modifier - 4})"
    return kind.title


@cache
def relations() -> Mapping[tuple[str, str], Relation]:
    """{(schema, name): relation} of pg_catalog and information_schema."""
    oids = type_oids()
    found = {}
    for schema, tables in _file()["relations"].items():
        for name, text in tables.items():
            oid, kind, *columns = text.split(" ")
            pairs = (column.split(":") for column in columns)
            # An array of a row type stands in one relation of the planner's statistics; nobody reads it.
            types = {column: oids.get(type_name, 2277) for column, type_name in pairs}
            found[schema, name] = Relation(schema, name, int(oid), kind, types)
    return found


@cache
def keywords() -> tuple[tuple[str, str], ...]:
    """(word, category), as pg_get_keywords() gives them."""
    groups = _file()["keywords"].items()
    return tuple(sorted((word, code) for code, words in groups for word in words.split(" ")))
