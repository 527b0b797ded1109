"""Tokens → the tree of a SELECT statement, by recursive descent; operators bind as PostgreSQL's documentation orders them."""

from collections.abc import Callable
from typing import TypeVar

from restate.runtime.query.errors import NOT_SUPPORTED, SYNTAX_ERROR, QueryError
from restate.runtime.query.worker.catalog import syntax as s
from restate.runtime.query.worker.catalog.tokens import Kind, Token, tokens

T = TypeVar("T")

_NOT_NAMES = frozenset(
    [
        "all",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "both",
        "case",
        "cast",
        "check",
        "collate",
        "constraint",
        "create",
        "cross",
        "current_catalog",
        "current_date",
        "current_role",
        "current_time",
        "current_timestamp",
        "current_user",
        "desc",
        "distinct",
        "else",
        "end",
        "except",
        "exists",
        "false",
        "fetch",
        "for",
        "from",
        "full",
        "group",
        "having",
        "in",
        "inner",
        "intersect",
        "into",
        "is",
        "isnull",
        "join",
        "lateral",
        "leading",
        "left",
        "like",
        "ilike",
        "limit",
        "natural",
        "not",
        "notnull",
        "null",
        "offset",
        "on",
        "or",
        "order",
        "outer",
        "right",
        "select",
        "session_user",
        "similar",
        "some",
        "then",
        "trailing",
        "true",
        "union",
        "user",
        "using",
        "when",
        "where",
        "window",
        "with",
        "between",
        "over",
        "filter",
        "returning",
    ]
)
"""Words that end an expression or begin something else, so that they are no names and no aliases without AS."""
_BARE_CALLS = {
    "current_user": "current_user",
    "current_role": "current_user",
    "user": "current_user",
    "session_user": "session_user",
    "current_catalog": "current_database",
    "current_schema": "current_schema",
    "current_timestamp": "now",
    "current_date": "current_date",
    "localtimestamp": "localtimestamp",
}
"""Functions that are called without parentheses."""
_COMPARISONS = frozenset({"=", "==", "<>", "!=", "<", ">", "<=", ">="})
_MATCHES = frozenset({"~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*"})
_OTHERS = _MATCHES | {"||", "->", "->>", "@>", "<@", "&&", "&", "|", "#", "?"}
_TYPED_LITERALS = frozenset(
    {"interval", "date", "timestamp", "timestamptz", "time", "name", "text", "regclass", "oid"}
)
_TWO_WORD_TYPES = {
    ("double", "precision"): "float8",
    ("character", "varying"): "varchar",
    ("char", "varying"): "varchar",
    ("bit", "varying"): "varbit",
}
_DEEPEST = 100
"""Levels of nesting; a limit far below the interpreter's own."""


def parse(sql: str) -> s.Select:
    """One SELECT, VALUES, TABLE or WITH statement. Raises QueryError 42601, or 0A000 for what is not supported here."""
    parser = _Parser(tokens(sql))
    select = parser.select()
    parser.take(";")
    parser.end()
    return select


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0
        self._depth = 0

    # Tokens.

    def peek(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)]

    def next(self) -> Token:
        token = self.peek()
        self._at += 1
        return token

    def sees(self, *words: str) -> bool:
        """Whether these words or operators come next."""
        return all(
            (token := self.peek(ahead)).text == word and token.kind in (Kind.WORD, Kind.OPERATOR)
            for ahead, word in enumerate(words)
        )

    def take(self, *words: str) -> bool:
        if not self.sees(*words):
            return False
        self._at += len(words)
        return True

    def take_one_of(self, *words: str) -> str | None:
        return next((word for word in words if self.take(word)), None)

    def expect(self, *words: str) -> None:
        if not self.take(*words):
            raise self.error()

    def error(self) -> QueryError:
        token = self.peek()
        if token.kind is Kind.END:
            return QueryError("syntax error at end of input", SYNTAX_ERROR, position=token.at + 1)
        return QueryError(f'syntax error at or near "{token.text}"', SYNTAX_ERROR, position=token.at + 1)

    def end(self) -> None:
        if self.peek().kind is not Kind.END:
            raise self.error()

    def name(self) -> str:
        token = self.peek()
        if token.kind is Kind.QUOTED or (token.kind is Kind.WORD and token.text not in _NOT_NAMES):
            return self.next().text
        raise self.error()

    def label(self) -> str:
        """After AS every word is a name."""
        if self.peek().kind in (Kind.WORD, Kind.QUOTED):
            return self.next().text
        raise self.error()

    def listed(self, one: Callable[[], T]) -> tuple[T, ...]:
        found = [one()]
        while self.take(","):
            found.append(one())
        return tuple(found)

    def in_parentheses(self, one: Callable[[], T]) -> T:
        self.expect("(")
        found = one()
        self.expect(")")
        return found

    # Queries.

    def select(self) -> s.Select:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise QueryError("the statement is nested too deeply", "54001")
        commons, recursive = self._with()
        body = self._compound()
        order = self._order()
        limit, offset = self._limits()
        if self.take("for"):
            raise QueryError("SELECT FOR UPDATE is not supported here: the data is read-only", "25006")
        self._depth -= 1
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
        is_name = token.kind is Kind.QUOTED or (token.kind is Kind.WORD and token.text not in _NOT_NAMES)
        return self.next().text if is_name else None

    def _order(self) -> tuple[s.SortKey, ...]:
        return self.listed(self._sort_key) if self.take("order", "by") else ()

    def _sort_key(self) -> s.SortKey:
        expression = self.expression()
        if self.take("using"):
            descending = self.next().text == ">"
        else:
            descending = self.take_one_of("desc", "asc") == "desc"
        nulls_first = descending
        if self.take("nulls"):
            nulls_first = self.label() == "first"
        return s.SortKey(expression, descending, nulls_first)

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
                    else self._unary()
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
        start = self._at
        parts = self._dotted()
        if self.sees("("):
            self._at = start
            return self._function(self._function_call())
        self._at = start
        return self._table() if len(parts) <= 3 else self._fail()

    def _fail(self) -> s.Source:
        raise self.error()

    def _parenthesised_source(self) -> s.Source:
        start = self._at
        self.expect("(")
        inside = self.peek()
        self._at = start
        if inside.kind is Kind.WORD and inside.text in ("select", "with", "values"):
            return self._derived()
        if inside.text == "(" and inside.kind is Kind.OPERATOR:
            try:
                return self._derived()
            except QueryError:
                self._at = start
        return self.in_parentheses(self._source)

    def _derived(self) -> s.Source:
        select = self.in_parentheses(self.select)
        alias, columns = self._table_alias()
        return s.Derived(select, alias, columns)

    def _table(self) -> s.Table:
        parts = self._dotted()
        self.take("*")
        alias, columns = self._table_alias()
        schema = parts[-2] if len(parts) > 1 else None
        return s.Table(schema, parts[-1], alias, columns)

    def _function_call(self) -> s.Call:
        call = self._call(self._dotted()[-1])
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

    def _dotted(self) -> tuple[str, ...]:
        parts = [self.name()]
        while self.take("."):
            parts.append(self.label())
        return tuple(parts)

    # Expressions, from the loosest operator to the tightest.

    def expression(self) -> s.Expression:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise QueryError("the statement is nested too deeply", "54001")
        left = self._and()
        while self.take("or"):
            left = s.Binary("or", left, self._and())
        self._depth -= 1
        return left

    def _and(self) -> s.Expression:
        left = self._not()
        while self.take("and"):
            left = s.Binary("and", left, self._not())
        return left

    def _not(self) -> s.Expression:
        if self.take("not"):
            return s.Unary("not", self._not())
        return self._is()

    def _is(self) -> s.Expression:
        left = self._comparison()
        while True:
            if self.take("isnull"):
                left = s.Test(left, "null", False)
            elif self.take("notnull"):
                left = s.Test(left, "null", True)
            elif self.take("is"):
                negated = self.take("not")
                if self.take("distinct", "from"):
                    left = s.Binary("is" if negated else "is not", left, self._comparison())
                else:
                    what = self.take_one_of("null", "true", "false", "unknown")
                    if what is None:
                        raise self.error()
                    left = s.Test(left, what, negated)
            else:
                return left

    def _comparison(self) -> s.Expression:
        left = self._range()
        while self.peek().kind is Kind.OPERATOR and self.peek().text in _COMPARISONS:
            operator = self.next().text
            operator = {"==": "=", "!=": "<>"}.get(operator, operator)
            left = self._quantified(left, operator) or s.Binary(operator, left, self._range())
        return left

    def _quantified(self, left: s.Expression, operator: str) -> s.Expression | None:
        word = self.take_one_of("any", "some", "all")
        if word is None:
            return None
        right = self.in_parentheses(self._select_or_expression)
        return s.Quantified(left, operator, word == "all", right)

    def _select_or_expression(self) -> s.Expression | s.Select:
        if self.sees("select") or self.sees("with") or self.sees("values"):
            return self.select()
        return self.expression()

    def _range(self) -> s.Expression:
        left = self._other()
        while True:
            start = self._at
            negated = self.take("not")
            if self.take("in"):
                left = s.In(left, self.in_parentheses(self._choices), negated)
            elif self.take("between"):
                self.take("symmetric")
                low = self._other()
                self.expect("and")
                left = s.Between(left, low, self._other(), negated)
            elif word := self.take_one_of("like", "ilike"):
                pattern = self._other()
                escape = self._other() if self.take("escape") else None
                left = s.Like(left, pattern, escape, word == "ilike", negated)
            elif self.sees("similar"):
                raise QueryError("SIMILAR TO is not supported in catalog queries", NOT_SUPPORTED)
            else:
                self._at = start
                return left

    def _choices(self) -> tuple[s.Expression, ...] | s.Select:
        if self.sees("select") or self.sees("with") or self.sees("values"):
            return self.select()
        return self.listed(self.expression)

    def _other(self) -> s.Expression:
        left = self._sum()
        while (operator := self._other_operator()) is not None:
            left = self._quantified(left, operator) or s.Binary(operator, left, self._sum())
        return left

    def _other_operator(self) -> str | None:
        if self.sees("operator", "("):
            return self._named_operator()
        token = self.peek()
        if token.kind is Kind.OPERATOR and token.text in _OTHERS:
            return self.next().text
        return None

    def _named_operator(self) -> str:
        """`OPERATOR(pg_catalog.~)`."""
        self.expect("operator", "(")
        if self.peek().kind is not Kind.OPERATOR:
            self.name()
            self.expect(".")
        operator = self.next().text
        self.expect(")")
        return {"==": "=", "!=": "<>"}.get(operator, operator)

    def _sum(self) -> s.Expression:
        left = self._product()
        while operator := self.take_one_of("+", "-"):
            left = s.Binary(operator, left, self._product())
        return left

    def _product(self) -> s.Expression:
        left = self._power()
        while operator := self.take_one_of("*", "/", "%"):
            left = s.Binary(operator, left, self._power())
        return left

    def _power(self) -> s.Expression:
        left = self._unary()
        while self.take("^"):
            left = s.Call("power", (left, self._unary()))
        return left

    def _unary(self) -> s.Expression:
        operator = self.take_one_of("-", "+", "~", "@")
        if operator is not None:
            return s.Unary(operator, self._unary())
        return self._postfix()

    def _postfix(self) -> s.Expression:
        left = self._primary()
        while True:
            if self.take("::"):
                left = s.Cast(left, self.type_name())
            elif self.take("collate"):
                self._dotted()
            elif self.take("at", "time", "zone"):
                left = s.Call("timezone", (self._primary(), left))
            elif self.take("["):
                left = self._subscript(left)
            elif self.take("."):
                left = s.Star(()) if self.take("*") else s.Field(left, self.label())
            else:
                return left

    def _subscript(self, operand: s.Expression) -> s.Expression:
        index = self.expression()
        if self.take(":"):
            last = self.expression()
            self.expect("]")
            return s.Call("array_slice", (operand, index, last))
        self.expect("]")
        return s.Subscript(operand, index)

    # What an expression is made of.

    def _primary(self) -> s.Expression:
        token = self.peek()
        match token.kind:
            case Kind.STRING:
                self.next()
                return s.Literal(s.LiteralKind.STRING, token.text)
            case Kind.NUMBER:
                self.next()
                return s.Literal(s.LiteralKind.NUMBER, token.text)
            case Kind.PARAMETER:
                self.next()
                if not 1 <= int(token.text) <= 65535:
                    raise QueryError(f"there is no parameter ${token.text}", "42P02", position=token.at + 1)
                return s.Parameter(int(token.text))
            case Kind.QUOTED:
                return self._name_or_call()
            case Kind.WORD:
                return self._word(token.text)
            case _:
                if self.sees("("):
                    return self._parenthesised()
                raise self.error()

    def _parenthesised(self) -> s.Expression:
        self.expect("(")
        if self.sees("select") or self.sees("with") or self.sees("values"):
            select = self.select()
            self.expect(")")
            return s.Subquery(select)
        items = self.listed(self.expression)
        self.expect(")")
        return items[0] if len(items) == 1 else s.Row(items)

    def _word(self, word: str) -> s.Expression:
        if word in ("true", "false"):
            self.next()
            return s.Literal(s.LiteralKind.BOOLEAN, word)
        if self.take("null"):
            return s.Literal(s.LiteralKind.NULL, "")
        if self.take("case"):
            return self._case()
        if self.sees("cast", "("):
            return self._cast()
        if self.take("exists"):
            return s.Exists(self.in_parentheses(self.select))
        if self.take("array"):
            return self._array()
        if self.take("row"):
            return s.Row(self.in_parentheses(lambda: self.listed(self.expression)))
        if word in _BARE_CALLS and not self._is_called_or_qualified():
            self.next()
            return s.Call(_BARE_CALLS[word])
        if word in _TYPED_LITERALS and self.peek(1).kind is Kind.STRING:
            self.next()
            return s.Cast(s.Literal(s.LiteralKind.STRING, self.next().text), word)
        return self._name_or_call()

    def _is_called_or_qualified(self) -> bool:
        behind = self.peek(1)
        return behind.kind is Kind.OPERATOR and behind.text in ("(", ".")

    def _case(self) -> s.Expression:
        operand = None if self.sees("when") else self.expression()
        branches = []
        while self.take("when"):
            condition = self.expression()
            self.expect("then")
            branches.append((condition, self.expression()))
        otherwise = self.expression() if self.take("else") else None
        self.expect("end")
        return s.Case(operand, tuple(branches), otherwise)

    def _cast(self) -> s.Expression:
        self.expect("cast", "(")
        operand = self.expression()
        self.expect("as")
        type_name = self.type_name()
        self.expect(")")
        return s.Cast(operand, type_name)

    def _array(self) -> s.Expression:
        if self.sees("("):
            return s.Array(self.in_parentheses(self.select))
        self.expect("[")
        items = () if self.sees("]") else self.listed(self._array_item)
        self.expect("]")
        return s.Array(items)

    def _array_item(self) -> s.Expression:
        return self._array() if self.sees("[") else self.expression()

    def _name_or_call(self) -> s.Expression:
        token = self.peek()
        if token.kind is Kind.WORD and token.text in ("left", "right") and self.peek(1).text == "(":
            parts = [self.next().text]
        else:
            parts = [
                self.label() if self._is_called_or_qualified() and token.text in _BARE_CALLS else self.name()
            ]
        while self.take("."):
            if self.take("*"):
                return s.Star(tuple(parts))
            parts.append(self.label())
        return self._call(parts[-1]) if self.sees("(") else s.Name(tuple(parts))

    def _call(self, name: str) -> s.Expression:
        self.expect("(")
        if name in _SPECIAL_CALLS:
            found = self._special(name)
            if found is not None:
                return found
        if self.take("*"):
            self.expect(")")
            return self._window(s.Call(name, star=True))
        distinct = self.take("distinct")
        if not distinct:
            self.take("all")
        self.take("variadic")
        arguments = () if self.sees(")") else self.listed(self._argument)
        order = self._order()
        self.expect(")")
        return self._window(s.Call(name, arguments, distinct=distinct, order=order))

    def _argument(self) -> s.Expression:
        self.take("variadic")
        if self.peek(1).text in ("=>", ":=") and self.peek(1).kind is Kind.OPERATOR:
            self.name()
            self.next()
        return self.expression()

    def _special(self, name: str) -> s.Expression | None:
        """Functions with words between their arguments; None and nothing taken if this call is an ordinary one."""
        start = self._at
        if name == "extract":
            part = self.next().text
            self.expect("from")
            value = self.expression()
            self.expect(")")
            return s.Call("date_part", (s.Literal(s.LiteralKind.STRING, part), value))
        if name == "trim":
            side = self.take_one_of("both", "leading", "trailing") or "both"
            first = None if self.sees("from") else self.expression()
            second = self.expression() if self.take("from") or self.take(",") else None
            self.expect(")")
            function = {"both": "btrim", "leading": "ltrim", "trailing": "rtrim"}[side]
            arguments = [x for x in ((second, first) if second is not None else (first,)) if x is not None]
            return s.Call(function, tuple(arguments))
        value = self._sum()
        if name == "position" and self.take("in"):
            text = self.expression()
            self.expect(")")
            return s.Call("strpos", (text, value))
        if name == "substring" and (self.sees("from") or self.sees("for")):
            one = s.Literal(s.LiteralKind.NUMBER, "1")
            begin = self.expression() if self.take("from") else one
            count = (self.expression(),) if self.take("for") else ()
            self.expect(")")
            return s.Call("substring", (value, begin, *count))
        self._at = start
        return None

    def _window(self, call: s.Call) -> s.Expression:
        where = None
        if self.take("filter"):
            self.expect("(")
            self.expect("where")
            where = self.expression()
            self.expect(")")
        over = None
        if self.take("over"):
            self.expect("(")
            partition = self.listed(self.expression) if self.take("partition", "by") else ()
            order = self._order()
            self.expect(")")
            over = s.Window(partition, order)
        return s.Call(call.name, call.arguments, call.star, call.distinct, call.order, where, over)

    def type_name(self) -> str:
        token = self.next()
        if token.kind not in (Kind.WORD, Kind.QUOTED):
            self._at -= 1
            raise self.error()
        name = token.text
        while self.take("."):
            token = self.next()
            name = token.text
        pair = (name, self.peek().text)
        if token.kind is Kind.WORD and pair in _TWO_WORD_TYPES:
            self.next()
            name = _TWO_WORD_TYPES[pair]
        elif token.kind is Kind.WORD and name == "char":
            name = "bpchar"
        if self.take("("):
            while not self.take(")"):
                self.next()
        if self.take("with", "time", "zone"):
            name += "tz"
        else:
            self.take("without", "time", "zone")
        is_array = False
        while self.take("["):
            is_array = True
            if self.peek().kind is Kind.NUMBER:
                self.next()
            self.expect("]")
        return name + "[]" if is_array else name


_SPECIAL_CALLS = frozenset({"extract", "trim", "position", "substring"})
