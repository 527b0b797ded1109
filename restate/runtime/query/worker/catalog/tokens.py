"""PostgreSQL's SQL as tokens."""

import re
from collections.abc import Iterator
from enum import Enum

import attrs

from restate.runtime.query.errors import SYNTAX_ERROR, QueryError


class Kind(Enum):
    WORD = "word"
    """An identifier or keyword; unquoted ones in lower case."""
    QUOTED = "quoted"
    """A quoted identifier; never a keyword."""
    STRING = "string"
    NUMBER = "number"
    PARAMETER = "parameter"
    OPERATOR = "operator"
    END = "end"


@attrs.frozen
class Token:
    """text: what it means, without quotes and escapes. at: its place in the statement, from 0."""

    kind: Kind
    text: str
    at: int


_SPACE = re.compile(r"(?:\s+|--[^\n]*)+")
_PLAIN = re.compile(
    r"""(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
      | (?P<parameter>\$\d+)
      | (?P<dollar>\$(?:[A-Za-z_]\w*)?\$)
      | (?P<escaped>[eE]')
      | (?P<string>[nN]?')
      | (?P<quoted>")
      | (?P<word>[^\W\d][\w$]*)
      | (?P<operator>::|:=|\.\.|<>|!=|<=|>=|=>|->>|->|\|\||!~~\*|!~~|~~\*|~~|!~\*|!~|~\*|~|==|@>|<@|&&|[-+*/%^<>=(),.;:\[\]{}@&|\#?!])
    """,
    re.VERBOSE,
)
_BACKSLASH = re.compile(
    r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL
)
_CONTROL = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def tokens(sql: str) -> list[Token]:
    """All tokens, then END. Raises QueryError 42601 for text that is none."""
    return [*_tokens(sql), Token(Kind.END, "", len(sql))]


def _tokens(sql: str) -> Iterator[Token]:
    at = 0
    while (at := _behind_space(sql, at)) < len(sql):
        found = _PLAIN.match(sql, at)
        if found is None:
            raise QueryError(f'syntax error at or near "{sql[at]}"', SYNTAX_ERROR, position=at + 1)
        kind, text = str(found.lastgroup), found.group()
        if kind == "word":
            yield Token(Kind.WORD, text.lower(), at)
            at = found.end()
        elif kind in ("string", "escaped"):
            value, end = _quoted(sql, found.end(), "'", backslash=kind == "escaped")
            yield Token(Kind.STRING, value, at)
            at = end
        elif kind == "quoted":
            value, end = _quoted(sql, found.end(), '"')
            yield Token(Kind.QUOTED, value, at)
            at = end
        elif kind == "dollar":
            end = sql.find(text, found.end())
            if end < 0:
                raise _unterminated(at)
            yield Token(Kind.STRING, sql[found.end() : end], at)
            at = end + len(text)
        else:
            yield Token(Kind(kind), text.removeprefix("$") if kind == "parameter" else text, at)
            at = found.end()


def _behind_space(sql: str, at: int) -> int:
    """The place behind white space and comments; block comments nest."""
    while True:
        if space := _SPACE.match(sql, at):
            at = space.end()
        if not sql.startswith("/*", at):
            return at
        start, depth = at, 0
        while True:
            mark = re.compile(r"/\*|\*/").search(sql, at)
            if mark is None:
                raise _unterminated(start)
            depth += 1 if mark.group() == "/*" else -1
            at = mark.end()
            if depth == 0:
                break


def _quoted(sql: str, at: int, quote: str, *, backslash: bool = False) -> tuple[str, int]:
    """(value, place behind the closing quote); a doubled quote is one."""
    parts: list[str] = []
    start = at
    while True:
        if at >= len(sql):
            raise _unterminated(start - 1)
        if sql[at] == quote:
            if not sql.startswith(quote, at + 1):
                return "".join(parts), at + 1
            parts.append(quote)
            at += 2
        elif backslash and sql[at] == "\\" and (escape := _BACKSLASH.match(sql, at)):
            parts.append(_unescaped(escape))
            at = escape.end()
        else:
            parts.append(sql[at])
            at += 1


def _unescaped(escape: re.Match[str]) -> str:
    octal, byte, short, long, char = escape.groups()
    if char is not None:
        return _CONTROL.get(char, char)
    return chr(int(octal, 8) if octal else int(byte or short or long, 16))


def _unterminated(at: int) -> QueryError:
    return QueryError("unterminated quoted string or comment", SYNTAX_ERROR, position=at + 1)
