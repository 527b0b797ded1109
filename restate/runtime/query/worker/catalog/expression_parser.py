"""Tokens → the tree of an expression; operators bind as PostgreSQL's documentation orders them."""

import abc

from restate.runtime.query.errors import NOT_SUPPORTED, QueryError
from restate.runtime.query.worker.catalog import syntax as s
from restate.runtime.query.worker.catalog.token_reader import TokenReader
from restate.runtime.query.worker.catalog.tokens import Kind

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
_SPECIAL_CALLS = frozenset({"extract", "trim", "position", "substring"})


class ExpressionParser(TokenReader, abc.ABC):
    @abc.abstractmethod
    def select(self) -> s.Select:
        """A query inside of an expression."""

    # From the loosest operator to the tightest.

    def expression(self) -> s.Expression:
        self.enter()
        left = self._and()
        while self.take("or"):
            left = s.Binary("or", left, self._and())
        self.leave()
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
            start = self.at
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
                self.at = start
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
        left = self.unary()
        while self.take("^"):
            left = s.Call("power", (left, self.unary()))
        return left

    def unary(self) -> s.Expression:
        operator = self.take_one_of("-", "+", "~", "@")
        if operator is not None:
            return s.Unary(operator, self.unary())
        return self._postfix()

    def _postfix(self) -> s.Expression:
        left = self._primary()
        while True:
            if self.take("::"):
                left = s.Cast(left, self.type_name())
            elif self.take("collate"):
                self.dotted()
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
        return self.call(parts[-1]) if self.sees("(") else s.Name(tuple(parts))

    def call(self, name: str) -> s.Expression:
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
        order = self.order()
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
        start = self.at
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
        self.at = start
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
            order = self.order()
            self.expect(")")
            over = s.Window(partition, order)
        return s.Call(call.name, call.arguments, call.star, call.distinct, call.order, where, over)

    def type_name(self) -> str:
        token = self.next()
        if token.kind not in (Kind.WORD, Kind.QUOTED):
            self.at -= 1
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
        if self.sees("("):
            self.in_parentheses(lambda: self.listed(self.expression))
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

    def order(self) -> tuple[s.SortKey, ...]:
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
