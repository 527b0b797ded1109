"""Tokens → the tree of a SELECT statement, by recursive descent."""

from restate.runtime.query.errors import NOT_SUPPORTED, QueryError
from restate.runtime.query.worker.catalog import syntax as s
from restate.runtime.query.worker.catalog.expression_parser import ExpressionParser
from restate.runtime.query.worker.catalog.token_reader import NOT_NAMES
from restate.runtime.query.worker.catalog.tokens import Kind, tokens


def parse(sql: str) -> s.Select:
    """One SELECT, VALUES, TABLE or WITH statement. Raises QueryError 42601, or 0A000 for what is not supported here."""
    parser = _Parser(tokens(sql))
    if parser.sees("explain"):
        raise QueryError("EXPLAIN is not supported for catalog queries", NOT_SUPPORTED)
    select = parser.select()
    parser.take(";")
    parser.end()
    return select


class _Parser(ExpressionParser):
    def select(self) -> s.Select:
        self.enter()
        commons, recursive = self._with()
        body = self._compound()
        order = self.order()
        limit, offset = self._limits()
        if self.take("for"):
            raise QueryError("SELECT FOR UPDATE is not supported here: the data is read-only", "25006")
        self.leave()
        return s.Select(body, commons, recursive, order, limit, offset)

    def _with(self) -> tuple[tuple[s.Common, ...], bool]:
        if not self.take("with"):
            return (), False
        recursive = self.take("recursive")
        return self.listed(self._common), recursive

    def _common(self) -> s.Common:
        name = self.name()
        columns = self.in_parentheses(lambda: self.listed(self.name)) if self.sees("(") else ()
        self.expect("as")
        if not self.take("materialized"):
            self.take("not", "materialized")
        return s.Common(name, columns, self.in_parentheses(self.select))

    def _compound(self) -> s.Body:
        left = self._intersection()
        while operator := self.take_one_of("union", "except"):
            if self.take("all"):
                operator += " all"
            else:
                self.take("distinct")
            left = s.Compound(operator, left, self._intersection())
        return left

    def _intersection(self) -> s.Body:
        left = self._simple()
        while self.take("intersect"):
            self.take("distinct")
            left = s.Compound("intersect", left, self._simple())
        return left

    def _simple(self) -> s.Body:
        if self.sees("("):
            select = self.in_parentheses(self.select)
            if select.commons or select.order or select.limit or select.offset:
                # Such a part is a query of its own; as a derived table it means the same.
                return s.Core(
                    (s.Item(s.Star(()), None),), False, (s.Derived(select, "part", ()),), None, (), None
                )
            return select.body
        if self.take("values"):
            return s.Values(self.listed(lambda: self.in_parentheses(lambda: self.listed(self.expression))))
        if self.take("table"):
            return s.Core((s.Item(s.Star(()), None),), False, (self._table(),), None, (), None)
        self.expect("select")
        return self._core()

    def _core(self) -> s.Core:
        distinct = self.take("distinct")
        if distinct and self.sees("on"):
            raise QueryError("DISTINCT ON is not supported in catalog queries", NOT_SUPPORTED)
        if not distinct:
            self.take("all")
        items: tuple[s.Item, ...] = ()
        if not self.sees("from") and self.peek().kind is not Kind.END:
            items = self.listed(self._item)
        sources = self.listed(self._source) if self.take("from") else ()
        where = self.expression() if self.take("where") else None
        groups = self.listed(self.expression) if self.take("group", "by") else ()
        having = self.expression() if self.take("having") else None
        return s.Core(items, distinct, sources, where, groups, having)

    def _item(self) -> s.Item:
        if self.take("*"):
            return s.Item(s.Star(()), None)
        expression = self.expression()
        if isinstance(expression, s.Star):
            return s.Item(expression, None)
        return s.Item(expression, self._alias())

    def _alias(self) -> str | None:
        if self.take("as"):
            return self.label()
        token = self.peek()
        is_name = token.kind is Kind.QUOTED or (token.kind is Kind.WORD and token.text not in NOT_NAMES)
        return self.next().text if is_name else None

    def _limits(self) -> tuple[s.Expression | None, s.Expression | None]:
        limit = offset = None
        while True:
            if self.take("limit"):
                limit = None if self.take("all") else self.expression()
            elif self.take("offset"):
                offset = self.expression()
                self.take_one_of("rows", "row")
            elif self.take("fetch"):
                self.take_one_of("first", "next")
                limit = (
                    s.Literal(s.LiteralKind.NUMBER, "1")
                    if self.sees("row") or self.sees("rows")
                    else self.unary()
                )
                self.take_one_of("rows", "row")
                self.expect("only")
            else:
                return limit, offset

    # FROM.

    def _source(self) -> s.Source:
        left = self._primary_source()
        while (kind := self._join_kind()) is not None:
            natural, words = kind
            right = self._primary_source()
            on: s.Expression | None = None
            using: tuple[str, ...] = ()
            if self.take("on"):
                on = self.expression()
            elif self.take("using"):
                using = self.in_parentheses(lambda: self.listed(self.name))
            left = s.Join(words, left, right, on, using, natural)
        return left

    def _join_kind(self) -> tuple[bool, str] | None:
        natural = self.take("natural")
        if self.take("cross", "join"):
            return natural, "cross join"
        side = self.take_one_of("left", "right", "full")
        if side:
            self.take("outer")
        else:
            self.take("inner")
        if self.take("join"):
            return natural, f"{side} join" if side else "join"
        return None

    def _primary_source(self) -> s.Source:
        self.take("lateral")
        if self.sees("("):
            return self._parenthesised_source()
        if self.take("only"):
            return self._table()
        if self.take("rows", "from"):
            call = self.in_parentheses(self._function_call)
            return self._function(call)
        start = self.at
        parts = self.dotted()
        if self.sees("("):
            self.at = start
            return self._function(self._function_call())
        self.at = start
        return self._table() if len(parts) <= 3 else self._fail()

    def _fail(self) -> s.Source:
        raise self.error()

    def _parenthesised_source(self) -> s.Source:
        start = self.at
        self.expect("(")
        inside = self.peek()
        self.at = start
        if inside.kind is Kind.WORD and inside.text in ("select", "with", "values"):
            return self._derived()
        if inside.text == "(" and inside.kind is Kind.OPERATOR:
            try:
                return self._derived()
            except QueryError:
                self.at = start
        return self.in_parentheses(self._source)

    def _derived(self) -> s.Source:
        select = self.in_parentheses(self.select)
        alias, columns = self._table_alias()
        return s.Derived(select, alias, columns)

    def _table(self) -> s.Table:
        parts = self.dotted()
        self.take("*")
        alias, columns = self._table_alias()
        schema = parts[-2] if len(parts) > 1 else None
        return s.Table(schema, parts[-1], alias, columns)

    def _function_call(self) -> s.Call:
        call = self.call(self.dotted()[-1])
        if not isinstance(call, s.Call):
            raise self.error()
        return call

    def _function(self, call: s.Call) -> s.Function:
        ordinality = self.take("with", "ordinality")
        alias, columns = self._table_alias()
        return s.Function(call, alias, columns, ordinality)

    def _table_alias(self) -> tuple[str | None, tuple[str, ...]]:
        alias = self._alias()
        columns: tuple[str, ...] = ()
        if self.sees("(") and alias is not None:
            columns = self.in_parentheses(lambda: self.listed(self._column_definition))
        return alias, columns

    def _column_definition(self) -> str:
        """A name, and in the column list of a function its type."""
        name = self.label()
        if not (self.sees(",") or self.sees(")")):
            self.type_name()
        return name
