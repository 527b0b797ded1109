"""Which types the parameters of a statement have: said by the client, by a cast, or by the place where they stand."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from datafusion import DataFrame

from restate.runtime.query.worker import oids

_PLACEHOLDER = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|\$(\d+)"
    r"(?:\s*::\s*([a-zA-Z]\w*(?: \w+)?)(\s*\[\s*\])?)?"
)
_LIMIT = re.compile(r"\b(?:limit|offset)\s+\$(\d+)", re.IGNORECASE)
_ARRAY = re.compile(r"\b(?:any|all|some)\s*\(\s*\$(\d+)\s*\)", re.IGNORECASE)
"""Elements as text suit columns of every type: the engine makes text of both sides."""
_MOST = 65_535
_INNER = (
    "left", "right", "expr", "list", "pattern", "low", "high", "args", "operands", "when_then_expr", "else_expr",
    "filter", "predicate", "projections", "filters", "sort_exprs", "group_by_exprs", "aggregate_exprs", "on",
)  # fmt: skip
_CASTS = {
    **{"int": oids.INT4, "int4": oids.INT4, "integer": oids.INT4, "int2": oids.INT2, "smallint": oids.INT2},
    **{"int8": oids.INT8, "bigint": oids.INT8, "float4": oids.FLOAT4, "real": oids.FLOAT4},
    **{"float8": oids.FLOAT8, "double": oids.FLOAT8, "double precision": oids.FLOAT8, "bool": oids.BOOL},
    **{"boolean": oids.BOOL, "text": oids.TEXT, "varchar": oids.TEXT, "numeric": oids.NUMERIC},
    **{"decimal": oids.NUMERIC, "bytea": oids.BYTEA, "date": oids.DATE, "timestamp": oids.TIMESTAMP},
    **{"timestamptz": oids.TIMESTAMPTZ, "interval": oids.INTERVAL},
}  # fmt: skip


def placeholder_types(sql: str, frame: DataFrame, given: Sequence[int]) -> list[int]:
    """The oid of each of $1, $2, ... as many as the statement has."""
    count, casts = 0, dict[int, int]()
    for match in _PLACEHOLDER.finditer(sql):
        if match[1] is None:
            continue
        number = min(int(match[1]), _MOST)
        count = max(count, number)
        if match[2] is not None:
            oid = _CASTS.get(match[2].lower(), _CASTS.get(match[2].split()[0].lower()))
            if oid is not None:
                casts.setdefault(number, oid if match[3] is None else oids.ARRAYS[oid])
    if count == 0:
        return []
    inferred = {int(match[1]): oids.INT8 for match in _LIMIT.finditer(sql)}
    inferred |= {int(match[1]): oids.ARRAYS[oids.TEXT] for match in _ARRAY.finditer(sql)}
    for number, oid in _inferred(frame):
        inferred.setdefault(number, oid)
    return [
        given[number - 1]
        if number <= len(given) and given[number - 1]
        else casts.get(number, inferred.get(number, oids.TEXT))
        for number in range(1, count + 1)
    ]


def _inferred(frame: DataFrame) -> Iterator[tuple[int, int]]:
    """What DataFusion found, as far as its plan can be walked."""
    pending: list[Any] = [frame.logical_plan()]
    while pending:
        plan = pending.pop()
        pending += plan.inputs()
        try:
            variant = plan.to_variant()
        except Exception:
            continue
        yield from _in_expressions(list(_parts(variant)))


def _in_expressions(pending: list[Any]) -> Iterator[tuple[int, int]]:
    while pending:
        expression = pending.pop()
        if isinstance(expression, list | tuple):
            pending += expression
            continue
        try:
            variant = expression.to_variant()
        except Exception:
            continue
        if type(variant).__name__ == "Placeholder":
            found = _oid(variant)
            if found is not None:
                yield found
        else:
            pending += _parts(variant)


def _parts(variant: Any) -> Iterator[Any]:
    for name in _INNER:
        part = getattr(variant, name, None)
        if not callable(part):
            continue
        try:
            yield part()
        except Exception:
            continue


def _oid(variant: Any) -> tuple[int, int] | None:
    field = variant.field()
    number = str(variant.id()).removeprefix("$")
    if field is None or not number.isdecimal():
        return None
    return int(number), oids.column_type(field.type)[0]
