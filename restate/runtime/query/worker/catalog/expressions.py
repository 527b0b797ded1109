"""Expressions of PostgreSQL → expressions of SQLite with their types."""

from __future__ import annotations

import abc
from typing import assert_never

from restate.runtime.query.errors import NOT_SUPPORTED, SYNTAX_ERROR, UNDEFINED_FUNCTION, QueryError
from restate.runtime.query.worker import oids
from restate.runtime.query.worker.catalog import syntax as s
from restate.runtime.query.worker.catalog.aggregates import AGGREGATES
from restate.runtime.query.worker.catalog.functions import FUNCTIONS, Function
from restate.runtime.query.worker.catalog.relations import type_oids, type_title
from restate.runtime.query.worker.catalog.scope import Output, Scope, Typed, text_literal

_INTEGERS = frozenset({oids.INT2, oids.INT4, oids.INT8, oids.OID, 28, 29})
_TEXTS = frozenset({oids.TEXT, oids.VARCHAR, oids.NAME, oids.BPCHAR, oids.CHAR, oids.UNKNOWN})
_NAMESPACE, _ROLE = 4089, 4096
_REGS = {oids.REGCLASS: "regclass", oids.REGTYPE: "regtype", _NAMESPACE: "regnamespace"}
"""Types that stand for a number and are written as a name; {oid: the function that makes it of the name}."""
_NAMED_BY_TEXT = frozenset({24, 2202, 2203, 2204})
"""regproc and its like, which we store by name."""

_SERIES = frozenset({"unnest", "generate_series", "generate_subscripts"})


class Expressions(abc.ABC):
    """State of one statement's translation.

    parameter_oids: what is known of `$n` so far. problem: why the statement cannot be run, if it cannot; it is
    translated to its end all the same, for the names and types of its columns.
    """

    def __init__(self, parameter_oids: dict[int, int]) -> None:
        self.parameter_oids = parameter_oids
        self.problem: QueryError | None = None

    @abc.abstractmethod
    def select(
        self, select: s.Select, outer: Scope | None, names: tuple[str, ...] = ()
    ) -> tuple[str, list[Output]]:
        """A query in SQLite's words, and its columns."""

    def expression(self, node: s.Expression, scope: Scope) -> Typed:
        match node:
            case s.Literal():
                return _literal(node)
            case s.Parameter(index):
                return Typed(f"?{index}", self.parameter_oids.setdefault(index, 0) or oids.UNKNOWN)
            case s.Name(parts):
                return scope.resolve(parts)
            case s.Star():
                raise QueryError("a star stands only in a select list", NOT_SUPPORTED)
            case s.Call():
                return self._call(node, scope)
            case s.Unary(operator, operand):
                return self._unary(operator, self.expression(operand, scope))
            case s.Binary():
                return self._binary(node, scope)
            case s.Test(operand, what, negated):
                word = "NULL" if what == "unknown" else what.upper()
                operand_sql = self.expression(operand, scope).sql
                return Typed(f"({operand_sql} IS {'NOT ' if negated else ''}{word})", oids.BOOL)
            case s.In():
                return self._in(node, scope)
            case s.Between(operand, low, high, negated):
                value = self.expression(operand, scope)
                first, last = (self._as_type_of(value, bound, scope) for bound in (low, high))
                word = "NOT BETWEEN" if negated else "BETWEEN"
                return Typed(f"({value.sql} {word} {first.sql} AND {last.sql})", oids.BOOL)
            case s.Like():
                return self._like(node, scope)
            case s.Quantified():
                return self._quantified(node, scope)
            case s.Case():
                return self._case(node, scope)
            case s.Cast(operand, type_name):
                return self._cast(operand, type_name, scope)
            case s.Array(content):
                return self._array(content, scope)
            case s.Subscript(operand, index):
                array = self.expression(operand, scope)
                element = oids.ELEMENTS.get(
                    array.oid, {22: oids.INT2, 30: oids.OID}.get(array.oid, oids.TEXT)
                )
                return Typed(f"f_subscript({array.sql}, {self.expression(index, scope).sql})", element)
            case s.Field(operand, _):
                # Composite values come only of relations without rows.
                self.expression(operand, scope)
                return Typed("NULL", oids.INT4)
            case s.Subquery(select):
                sql, columns = self.select(select, scope)
                return Typed(f"({sql})", columns[0].oid if columns else oids.TEXT)
            case s.Exists(select):
                return Typed(f"EXISTS ({self.select(select, scope)[0]})", oids.BOOL)
            case s.Row(parts):
                return Typed(f"({', '.join(self.expression(part, scope).sql for part in parts)})", 2249)
            case _:
                assert_never(node)

    # Operators.

    def _unary(self, operator: str, operand: Typed) -> Typed:
        if operator == "not":
            return Typed(f"(NOT {operand.sql})", oids.BOOL)
        return Typed(f"({operator}{operand.sql})" if operator != "@" else f"abs({operand.sql})", operand.oid)

    def _binary(self, node: s.Binary, scope: Scope) -> Typed:
        operator = node.operator
        if "~" in operator:
            left = self.expression(node.left, scope)
            right = self._as_type_of(Typed("", oids.TEXT), node.right, scope)
        else:
            left, right = self._pair(node.left, node.right, scope)
        match operator:
            case "and" | "or" | "=" | "<>" | "<" | ">" | "<=" | ">=" | "is" | "is not":
                return Typed(f"({left.sql} {operator.upper()} {right.sql})", oids.BOOL)
            case "~" | "~*" | "!~" | "!~*":
                return Typed(f"f_match('{operator}', {left.sql}, {right.sql})", oids.BOOL)
            case "~~" | "~~*" | "!~~" | "!~~*":
                sql = f"f_like({left.sql}, {right.sql}, '\\', {int(operator.endswith('*'))})"
                return Typed(f"(NOT {sql})" if operator.startswith("!") else sql, oids.BOOL)
            case "||":
                return _joined(left, right)
            case "->" | "->>":
                return Typed(
                    f"({left.sql} {operator} {right.sql})", oids.TEXT if operator == "->>" else oids.JSON
                )
            case "&&":
                return Typed(f"f_overlaps({left.sql}, {right.sql})", oids.BOOL)
            case "@>":
                return Typed(f"f_contains({left.sql}, {right.sql})", oids.BOOL)
            case "<@":
                return Typed(f"f_contains({right.sql}, {left.sql})", oids.BOOL)
            case "+" | "-" | "*" | "/" | "%" | "&" | "|":
                return Typed(f"({left.sql} {operator} {right.sql})", _wider(left.oid, right.oid))
            case _:
                raise QueryError(
                    f"the operator {operator} is not supported in catalog queries", NOT_SUPPORTED
                )

    def _pair(self, left: s.Expression, right: s.Expression, scope: Scope) -> tuple[Typed, Typed]:
        """Both sides; a parameter or literal on one side takes the type of the other."""
        if isinstance(left, s.Parameter | s.Literal) and not isinstance(right, s.Parameter | s.Literal):
            typed = self.expression(right, scope)
            return self._as_type_of(typed, left, scope), typed
        typed = self.expression(left, scope)
        return typed, self._as_type_of(typed, right, scope)

    def _as_type_of(self, other: Typed, node: s.Expression, scope: Scope) -> Typed:
        if isinstance(node, s.Parameter):
            if not self.parameter_oids.get(node.index) and other.oid != oids.UNKNOWN:
                self.parameter_oids[node.index] = other.oid
        elif isinstance(node, s.Literal) and node.kind is s.LiteralKind.STRING:
            return _coerced(node.text, other.oid)
        return self.expression(node, scope)

    def _in(self, node: s.In, scope: Scope) -> Typed:
        value = self.expression(node.operand, scope)
        word = "NOT IN" if node.negated else "IN"
        if isinstance(node.choices, s.Select):
            return Typed(f"({value.sql} {word} ({self.select(node.choices, scope)[0]}))", oids.BOOL)
        choices = ", ".join(self._as_type_of(value, choice, scope).sql for choice in node.choices)
        return Typed(f"({value.sql} {word} ({choices}))", oids.BOOL)

    def _like(self, node: s.Like, scope: Scope) -> Typed:
        value = self.expression(node.operand, scope)
        pattern = self._as_type_of(Typed("", oids.TEXT), node.pattern, scope)
        escape = "'\\'" if node.escape is None else self.expression(node.escape, scope).sql
        sql = f"f_like({value.sql}, {pattern.sql}, {escape}, {int(node.any_case)})"
        return Typed(f"(NOT {sql})" if node.negated else sql, oids.BOOL)

    def _quantified(self, node: s.Quantified, scope: Scope) -> Typed:
        value = self.expression(node.operand, scope)
        is_in = (node.operator, node.every) == ("=", False)
        is_not_in = (node.operator, node.every) == ("<>", True)
        right: s.Expression | s.Select = node.right
        if isinstance(right, s.Array) and (is_in or is_not_in):
            return self._in(s.In(node.operand, right.items, is_not_in), scope)
        if isinstance(right, s.Select | s.Subquery):
            if not (is_in or is_not_in):
                raise QueryError(f"{node.operator} ANY (SELECT ...) is not supported here", NOT_SUPPORTED)
            select = right if isinstance(right, s.Select) else right.select
            return self._in(s.In(node.operand, select, is_not_in), scope)
        wanted = Typed("", oids.ARRAYS.get(value.oid, oids.ARRAYS[oids.TEXT]))
        array = self._as_type_of(wanted, right, scope)
        function = "f_compare_all" if node.every else "f_compare_any"
        return Typed(f"{function}('{node.operator}', {value.sql}, {array.sql})", oids.BOOL)

    def _case(self, node: s.Case, scope: Scope) -> Typed:
        parts = ["CASE"]
        results: list[Typed] = []
        if node.operand is not None:
            operand = self.expression(node.operand, scope)
            parts.append(operand.sql)
        for condition, result in node.branches:
            if node.operand is None:
                when = self.expression(condition, scope)
            else:
                when = self._as_type_of(self.expression(node.operand, scope), condition, scope)
            results.append(self.expression(result, scope))
            parts.append(f"WHEN {when.sql} THEN {results[-1].sql}")
        if node.otherwise is not None:
            results.append(self.expression(node.otherwise, scope))
            parts.append(f"ELSE {results[-1].sql}")
        return Typed(f"({' '.join(parts)} END)", first_known(results))

    def _array(self, content: tuple[s.Expression, ...] | s.Select, scope: Scope) -> Typed:
        if isinstance(content, s.Select):
            sql, columns = self.select(content, scope, ("item",))
            if len(columns) != 1:
                raise QueryError("a subquery in ARRAY(...) gives one column", SYNTAX_ERROR)
            oid = oids.ARRAYS.get(columns[0].oid, oids.ARRAYS[oids.TEXT])
            return Typed(f"ifnull((SELECT f_array_agg('', item) FROM ({sql})), '{{}}')", oid)
        items = [self.expression(item, scope) for item in content]
        oid = oids.ARRAYS.get(first_known(items), oids.ARRAYS[oids.TEXT])
        return Typed(f"f_array({', '.join(item.sql for item in items)})", oid)

    # Casts.

    def _cast(self, node: s.Expression, type_name: str, scope: Scope) -> Typed:
        oid = type_oids().get(type_name)
        if oid is None:
            raise QueryError(f'type "{type_name}" does not exist', "42704")
        if isinstance(node, s.Parameter):
            # A client that casts to a reg-type binds the name as text.
            is_reg = oid in _REGS or oid in _NAMED_BY_TEXT or oid == _ROLE
            if not self.parameter_oids.get(node.index):
                self.parameter_oids[node.index] = oids.TEXT if is_reg else oid
            if not is_reg:
                return Typed(f"?{node.index}", oid)
        return converted(self.expression(node, scope), oid)

    # Calls.

    def _call(self, node: s.Call, scope: Scope) -> Typed:
        if node.name == "pg_typeof" and len(node.arguments) == 1:
            oid = self.expression(node.arguments[0], scope).oid
            return Typed(str(oid), oids.REGTYPE)
        arguments = [self.expression(argument, scope) for argument in node.arguments]
        if node.name in AGGREGATES:
            return self._aggregate(node, arguments, scope)
        function = FUNCTIONS.get(node.name)
        if function is None:
            kinds = ", ".join(type_title(argument.oid) for argument in arguments)
            self.refuse(
                f"function {node.name}({kinds}) does not exist in catalog queries", UNDEFINED_FUNCTION
            )
            return Typed("NULL", oids.TEXT)
        listed = ", ".join(argument.sql for argument in arguments)
        sql = self._native(node, function, listed) if function.native else f"f_{node.name}({listed})"
        oid = first_known(arguments) if function.result is None else function.result
        return Typed(sql + self._behind_call(node, scope), oid)

    def _native(self, node: s.Call, function: Function, arguments: str) -> str:
        match function.native:
            case "now":
                return "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00')"
            case "localtimestamp":
                return "strftime('%Y-%m-%d %H:%M:%f', 'now')"
            case "current_date":
                return "date('now')"
        distinct = "DISTINCT " if node.distinct else ""
        return f"{function.native}({distinct}{'*' if node.star else arguments})"

    def _aggregate(self, node: s.Call, arguments: list[Typed], scope: Scope) -> Typed:
        oid = AGGREGATES[node.name][1]
        if not arguments:
            raise QueryError(f"function {node.name}() does not exist", UNDEFINED_FUNCTION)
        if oid is None:
            oid = oids.ARRAYS.get(arguments[0].oid, oids.ARRAYS[oids.TEXT])
        flags = ("d" if node.distinct else "") + "".join("z" if key.descending else "a" for key in node.order)
        keys = [self.expression(key.expression, scope) for key in node.order]
        listed = ", ".join([f"'{flags}'", *(value.sql for value in (*arguments, *keys))])
        return Typed(f"f_{node.name}({listed})" + self._behind_call(node, scope), oid)

    def _behind_call(self, node: s.Call, scope: Scope) -> str:
        sql = ""
        if node.where is not None:
            sql += f" FILTER (WHERE {self.expression(node.where, scope).sql})"
        if node.over is not None:
            parts = []
            if node.over.partition:
                keys = ", ".join(self.expression(key, scope).sql for key in node.over.partition)
                parts.append(f"PARTITION BY {keys}")
            if node.over.order:
                parts.append("ORDER BY " + ", ".join(self.sort_key(key, scope) for key in node.over.order))
            sql += f" OVER ({' '.join(parts)})"
        return sql

    def sort_key(self, key: s.SortKey, scope: Scope) -> str:
        return sorted_by(self.expression(key.expression, scope).sql, key)

    def series(self, node: s.Call, scope: Scope) -> Typed | None:
        """What json_each makes rows of, for a function that gives a set; the type is that of a row."""
        if node.name not in _SERIES:
            return None
        arguments = [self.expression(argument, scope) for argument in node.arguments]
        listed = ", ".join(argument.sql for argument in arguments)
        if not arguments:
            raise QueryError(f"function {node.name}() does not exist", UNDEFINED_FUNCTION)
        if node.name == "unnest":
            element = {22: oids.INT2, 30: oids.OID}.get(
                arguments[0].oid, oids.ELEMENTS.get(arguments[0].oid, oids.TEXT)
            )
            return Typed(f"f_json_list({listed})", element)
        return Typed(
            f"f_json_{'range' if node.name == 'generate_series' else 'subscripts'}({listed})", oids.INT4
        )

    def refuse(self, message: str, sqlstate: str) -> None:
        if self.problem is None:
            self.problem = QueryError(message, sqlstate)


def sorted_by(sql: str, key: s.SortKey) -> str:
    direction = "DESC" if key.descending else "ASC"
    return f"{sql} {direction} NULLS {'FIRST' if key.nulls_first else 'LAST'}"


def first_known(found: list[Typed]) -> int:
    return next((typed.oid for typed in found if typed.oid != oids.UNKNOWN), oids.UNKNOWN)


def converted(value: Typed, oid: int) -> Typed:
    """A cast."""
    if value.oid == oid:
        return value
    if oid in _REGS:
        return Typed(
            value.sql if value.oid in _INTEGERS or value.oid in _REGS else f"f_{_REGS[oid]}({value.sql})", oid
        )
    if oid == _ROLE:
        return Typed(value.sql if value.oid in _INTEGERS else f"f_to_regrole({value.sql})", oid)
    if oid in _NAMED_BY_TEXT:
        return Typed(f"replace({value.sql}, 'pg_catalog.', '')", oid)
    if oid in _TEXTS:
        return Typed(_as_text(value), oid)
    if oid in _INTEGERS:
        return Typed(
            f"f_to_integer({value.sql})" if value.oid in _TEXTS else f"CAST({value.sql} AS INTEGER)", oid
        )
    if oid == oids.BOOL:
        return Typed(f"f_to_bool({value.sql})" if value.oid in _TEXTS else f"({value.sql} <> 0)", oid)
    if oid in (oids.FLOAT4, oids.FLOAT8):
        return Typed(f"CAST({value.sql} AS REAL)", oid)
    if oid == oids.NUMERIC:
        return Typed(f"CAST({value.sql} AS NUMERIC)", oid)
    return Typed(value.sql, oid)


def _as_text(value: Typed) -> str:
    if value.oid in _REGS or value.oid == _ROLE:
        return f"f_printed({value.oid}, {value.sql})"
    if value.oid == oids.BOOL:
        return f"(CASE {value.sql} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"
    return value.sql if value.oid in _TEXTS else f"CAST({value.sql} AS TEXT)"


def _literal(node: s.Literal) -> Typed:
    match node.kind:
        case s.LiteralKind.STRING:
            return Typed(text_literal(node.text), oids.UNKNOWN)
        case s.LiteralKind.BOOLEAN:
            return Typed("1" if node.text == "true" else "0", oids.BOOL)
        case s.LiteralKind.NULL:
            return Typed("NULL", oids.UNKNOWN)
        case s.LiteralKind.NUMBER:
            if not node.text.isdigit():
                return Typed(node.text, oids.NUMERIC)
            size = int(node.text)
            return Typed(
                node.text, oids.INT4 if size < 2**31 else oids.INT8 if size < 2**63 else oids.NUMERIC
            )


def _coerced(text: str, oid: int) -> Typed:
    """A string literal beside a value of this type."""
    literal = Typed(text_literal(text), oids.UNKNOWN)
    if oid in _INTEGERS and text.strip().lstrip("-").isdigit():
        return Typed(text.strip(), oid)
    if oid in _REGS or oid == oids.BOOL:
        return converted(literal, oid)
    return literal


def _joined(left: Typed, right: Typed) -> Typed:
    if left.oid in oids.ELEMENTS:
        function = "f_array_cat" if right.oid == left.oid else "f_array_append"
        return Typed(f"{function}({left.sql}, {right.sql})", left.oid)
    return Typed(f"({_as_text(left)} || {_as_text(right)})", oids.TEXT)


def _wider(left: int, right: int) -> int:
    for oid in (oids.FLOAT8, oids.FLOAT4, oids.NUMERIC, oids.INT8):
        if oid in (left, right):
            return oids.FLOAT8 if oid == oids.FLOAT4 else oid
    for oid in (left, right):
        if oid not in _INTEGERS and oid != oids.UNKNOWN:
            return oid
    return oids.INT4
