"""One string of SQL → its statements, and the tokens of one. Knows quotes, comments and dollar quotes, and no grammar."""

import re
from collections.abc import Iterator
from enum import Enum

import attrs

from restate.runtime.pgwire.errors import SYNTAX_ERROR, TOO_LARGE, PgError

# Possessive quantifiers everywhere: the text is a client's, and nothing may take longer than its length.
_PLAIN = r"""(?:
      [^\w'"$;/\-]++
    | (?![eE]')[^\W\d][\w$]*+
    | \d++
    | -(?!-)
    | /(?!\*)
    | \$(?!(?:[^\W\d]\w*+)?\$)
)++"""
_STRING = r"""[eE]'(?:[^'\\]++|\\.|'')*+'|'(?:[^']++|'')*+'"""
_IDENTIFIER = r'"(?:[^"]++|"")*+"'
_DOLLAR = r"\$(?:[^\W\d]\w*+)?\$"
# One after the other, so that many of them take no longer than one; those with others inside begin with `comment`.
_COMMENTS = r"(?:(?:--[^\r\n]*+|/\*[^*/]*+\*/)\s*+)++"

_PIECE = re.compile(
    rf"""(?P<plain>{_PLAIN})|(?P<string>{_STRING})|(?P<identifier>{_IDENTIFIER})
    |(?P<dollar>{_DOLLAR})|(?P<comments>{_COMMENTS})|(?P<comment>/\*)|(?P<end>;)""",
    re.VERBOSE | re.DOTALL,
)
_TOKEN = re.compile(
    rf"""(?P<space>\s++)|(?P<string>{_STRING})|(?P<identifier>{_IDENTIFIER})|(?P<dollar>{_DOLLAR})
    |(?P<comments>{_COMMENTS})|(?P<comment>/\*)|(?P<number>[+-]?+\d[\d.]*+)|(?P<word>[^\W\d][\w$]*+)|(?P<symbol>.)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_CATALOG_NAME = re.compile(r'"(pg_\w+)"')


@attrs.frozen
class Source:
    """One statement. text: as written, without the semicolon. offset: characters of the string before it.

    bare: the same without comments, the contents of strings and quoted names, so that every word in it is one of SQL.
    """

    text: str
    bare: str
    offset: int


def split(sql: str) -> Iterator[Source]:
    """The statements of a string; those without a word are left out. Raises PgError at a quote that does not end."""
    begin = at = 0
    bare: list[str] = []
    while at < len(sql):
        match = _PIECE.match(sql, at)
        if match is None:
            raise _unterminated(sql, at)
        at = match.end()
        match match.lastgroup:
            case "plain":
                bare.append(match[0])
            case "string":
                bare.append("''")
            case "identifier":
                bare.append(match[0] if _CATALOG_NAME.fullmatch(match[0]) else '""')
            case "dollar":
                at = _dollar_end(sql, match)
                bare.append("''")
            case "comments":
                bare.append(" ")
            case "comment":
                at = comment_end(sql, match.start())
                bare.append(" ")
            case _:
                yield from _source(sql, begin, match.start(), bare)
                begin, bare = at, []
    yield from _source(sql, begin, at, bare)


def _source(sql: str, begin: int, end: int, bare: list[str]) -> Iterator[Source]:
    words = "".join(bare)
    if words and not words.isspace():
        raw = sql[begin:end]
        yield Source(raw.strip(), words, begin + len(raw) - len(raw.lstrip()))


def comment_end(sql: str, start: int) -> int:
    """Comments nest. Raises PgError if this one does not end."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    raise _unterminated(sql, start)


def _dollar_end(sql: str, opening: re.Match[str]) -> int:
    closing = sql.find(opening[0], opening.end())
    if closing < 0:
        raise _unterminated(sql, opening.start())
    return closing + len(opening[0])


_KINDS = {"'": "quoted string", '"': "quoted identifier", "/": "/* comment", "$": "dollar-quoted string"}


def _unterminated(sql: str, at: int) -> PgError:
    kind = _KINDS.get(sql[at], "quoted string")
    return PgError(SYNTAX_ERROR, f'unterminated {kind} at or near "{sql[at : at + 30]}"', position=at + 1)


class Kind(Enum):
    WORD = "word"
    STRING = "string"
    NUMBER = "number"
    SYMBOL = "symbol"


@attrs.frozen
class Token:
    """value: a word in lower case unless it was quoted, the content of a string. start: index in the statement."""

    kind: Kind
    value: str
    start: int
    quoted: bool = False


_MOST_TOKENS = 1_000
"""Of what we read ourselves: statements about settings, transactions and cursors have a few."""


class Tokens:
    """The tokens of one statement, taken from the front. Only for the statements that we answer ourselves."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = _tokens(source.text)
        self._taken = 0
        self.next = next(self._tokens, None)
        """The one that `take` would give; None at the end."""

    def take(self) -> Token:
        """Raises PgError at the end."""
        token = self.next
        if token is None:
            raise PgError(
                SYNTAX_ERROR,
                "syntax error at end of input",
                position=self._source.offset + len(self._source.text) + 1,
            )
        self._advance()
        return token

    def _advance(self) -> None:
        self._taken += 1
        if self._taken > _MOST_TOKENS:
            raise PgError(TOO_LARGE, f"statement is too long: more than {_MOST_TOKENS} words")
        self.next = next(self._tokens, None)

    def skip(self, *values: str) -> str | None:
        """Take the next word or symbol if it is one of these, which it then gives."""
        token = self.next
        if token is None or token.quoted or token.kind is Kind.STRING or token.value not in values:
            return None
        self._advance()
        return token.value

    def expect(self, *values: str) -> str:
        """Take one of these. Raises PgError."""
        found = self.skip(*values)
        if found is None:
            raise self.wrong()
        return found

    def name(self) -> str:
        """Take an identifier. Raises PgError."""
        token = self.next
        if token is None or token.kind is not Kind.WORD:
            raise self.wrong()
        return self.take().value

    def end(self) -> None:
        """Raises PgError if something is left."""
        if self.next is not None:
            raise self.wrong()

    def rest(self) -> Source:
        """What was not taken, as a statement of its own."""
        start = self.take().start
        text = self._source.text[start:]
        return Source(text, next(split(text)).bare, self._source.offset + start)

    def wrong(self) -> PgError:
        """An error at the next token."""
        start = self.take().start
        word = self._source.text[start:].split(maxsplit=1)[0]
        position = self._source.offset + start + 1
        return PgError(SYNTAX_ERROR, f'syntax error at or near "{word[:64]}"', position=position)


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while match := _TOKEN.match(text, at):
        start, at, raw = match.start(), match.end(), match[0]
        match match.lastgroup:
            case "string":
                yield Token(Kind.STRING, _unquote(raw), start)
            case "identifier":
                yield Token(Kind.WORD, raw[1:-1].replace('""', '"'), start, quoted=True)
            case "dollar":
                at = _dollar_end(text, match)
                yield Token(Kind.STRING, text[match.end() : at - len(raw)], start)
            case "comment":
                at = comment_end(text, start)
            case "number":
                yield Token(Kind.NUMBER, raw, start)
            case "word":
                yield Token(Kind.WORD, raw.lower(), start)
            case "symbol":
                yield Token(Kind.SYMBOL, raw, start)


def _unquote(raw: str) -> str:
    if raw[0] == "'":
        return raw[1:-1].replace("''", "'")
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), raw[2:-1].replace("''", "'"))
