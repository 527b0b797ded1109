"""What PostgreSQL calls a column that its query does not name."""

from restate.runtime.query.worker.catalog import syntax as s
from restate.runtime.query.worker.catalog.relations import type_oids, types_by_oid

UNNAMED = "?column?"


def output_name(node: s.Expression) -> str:
    return _name(node)[0]


def _name(node: s.Expression) -> tuple[str, bool]:
    """(name, whether it is better than the name of a type)."""
    match node:
        case s.Name(parts):
            return parts[-1], True
        case s.Field(_, name):
            return name, True
        case s.Call(name):
            return name, True
        case s.Subscript(operand, _):
            return _name(operand)
        case s.Cast(operand, type_name):
            name, good = _name(operand)
            return (name, True) if good else (_internal(type_name), False)
        case s.Case(_, _, otherwise):
            name, good = (UNNAMED, False) if otherwise is None else _name(otherwise)
            return (name, True) if good else ("case", False)
        case s.Subquery(select):
            body = select.body
            if isinstance(body, s.Core) and body.items:
                first = body.items[0]
                return (first.alias, True) if first.alias else _name(first.expression)
            return UNNAMED, False
        case s.Exists():
            return "exists", True
        case s.Array():
            return "array", True
        case s.Row():
            return "row", True
        case s.Literal(kind, _) if kind is s.LiteralKind.BOOLEAN:
            return "bool", False
        case _:
            return UNNAMED, False


def _internal(type_name: str) -> str:
    """`int4` of `integer`, `text` of `text[]`."""
    base = type_name.removesuffix("[]")
    kind = types_by_oid().get(type_oids().get(base, 0))
    return base if kind is None else kind.name
