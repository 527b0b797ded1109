"""Which command a statement is, by its first words."""

import re
from collections.abc import Callable

from restate.runtime.pgwire.commands import (
    Begin,
    CloseCursor,
    Command,
    Commit,
    Deallocate,
    Declare,
    Discard,
    FetchCursor,
    Nothing,
    Refused,
    Release,
    Reset,
    Rollback,
    RollbackTo,
    Savepoint,
    Scope,
    Select,
    Set,
    SetIsolation,
    Show,
)
from restate.runtime.pgwire.engine import Statement
from restate.runtime.pgwire.errors import NOT_SUPPORTED, READ_ONLY, WRONG_STATE, PgError
from restate.runtime.pgwire.text import Kind, Source, Token, Tokens

_FIRST_WORD = re.compile(r"[\s(]*+([^\W\d]\w*+)")
_WORD = re.compile(r"[^\W\d]\w*+")
_INTO = re.compile(r"(?<![.\w])(?<!\bas\s)into\s+[\w\"]", re.IGNORECASE)

_CATALOG = re.compile(
    r"""(?<![\w$])(?=["cfhiopqrstv])(?:
        "?pg_\w+ | regclass | regtype | regproc | regprocedure | regnamespace | regrole
        | current_(?:user|role|schemas?|setting|database|catalog) | session_user | set_config | quote_(?:ident|literal)
        | has_\w+_privilege | (?:obj|col|shobj)_description | format_type | to_reg(?:class|type|proc|namespace)
        | (?:version|txid_current|inet_(?:server|client)_(?:addr|port))(?=\s*\(\s*\))
    )(?![\w$])""",
    re.IGNORECASE | re.VERBOSE,
)
"""What only the emulated catalog knows. `version` is a column of ours, too; as a function it is Postgres's."""

_WRITES = frozenset(
    (
        *("insert", "update", "delete", "merge", "create", "alter", "drop", "truncate", "grant", "revoke"),
        *("comment", "vacuum", "refresh", "reindex", "cluster", "analyze", "import", "reassign", "security"),
    )
)
_WITH_OBJECT = frozenset(("create", "alter", "drop", "truncate", "refresh", "import", "reassign", "security"))
_BEFORE_OBJECT = frozenset(
    ("or", "replace", "temp", "temporary", "global", "local", "unlogged", "unique", "recursive")
)
_UNSUPPORTED = frozenset(("prepare", "execute", "call", "do", "lock", "load", "checkpoint"))
_COPY_REFUSED = PgError(
    READ_ONLY,
    "cannot execute COPY in a read-only transaction",
    hint="psql --csv writes the rows of a query to a file.",
)
_ENGINE_SHOWS = frozenset(("tables", "columns", "all", "functions"))
_SPACED_SETTINGS = {"time_zone": "timezone", "session_authorization": "session_authorization"}


def classify(source: Source) -> Command:
    """Raises PgError for a statement that is ours to read and cannot be read."""
    first = _FIRST_WORD.match(source.bare)
    verb = "" if first is None else first[1].lower()
    parse = _PARSERS.get(verb)
    if parse is not None:
        tokens = Tokens(source)
        tokens.expect(verb)
        return parse(tokens, source)
    if verb in _WRITES:
        return Refused(_write_refused(source, verb))
    if verb == "copy":
        return Refused(_COPY_REFUSED)
    if verb in _UNSUPPORTED:
        return _unsupported(verb)
    if verb in ("select", "with") and _INTO.search(source.bare):
        return Refused(_read_only("SELECT INTO"))
    return _select(source, "EXPLAIN" if verb == "explain" else "SELECT")


def _select(source: Source, verb: str = "SELECT") -> Select:
    return Select(_statement(source), verb)


def _statement(source: Source) -> Statement:
    return Statement(source.text, _CATALOG.search(source.bare) is not None, source.offset)


def _write_refused(source: Source, verb: str) -> PgError:
    words = [verb]
    if verb in _WITH_OBJECT:
        following = (word.lower() for word in _WORD.findall(source.bare[:400])[1:])
        words += [next((word for word in following if word not in _BEFORE_OBJECT), "")]
    return _read_only(" ".join(words).strip().upper())


def _read_only(what: str) -> PgError:
    return PgError(READ_ONLY, f"cannot execute {what} in a read-only transaction")


def _unsupported(verb: str) -> Refused:
    return Refused(
        PgError(NOT_SUPPORTED, f"{verb.upper()} is not supported: this server answers queries only")
    )


def _begin(tokens: Tokens, source: Source) -> Command:
    tokens.skip("work", "transaction")
    return Begin("BEGIN", _isolation(tokens))


def _start(tokens: Tokens, source: Source) -> Command:
    tokens.expect("transaction")
    return Begin("START TRANSACTION", _isolation(tokens))


def _commit(tokens: Tokens, source: Source) -> Command:
    if tokens.skip("prepared"):
        return _unsupported("commit prepared")
    _end_of_transaction(tokens)
    return Commit()


def _end_of_transaction(tokens: Tokens) -> None:
    tokens.skip("work", "transaction")
    if tokens.skip("and"):
        tokens.skip("no")
        tokens.expect("chain")
    tokens.end()


def _rollback(tokens: Tokens, source: Source) -> Command:
    if tokens.skip("prepared"):
        return _unsupported("rollback prepared")
    tokens.skip("work", "transaction")
    if not tokens.skip("to"):
        _end_of_transaction(tokens)
        return Rollback()
    tokens.skip("savepoint")
    return RollbackTo(tokens.name())


def _savepoint(tokens: Tokens, source: Source) -> Command:
    return Savepoint(tokens.name())


def _release(tokens: Tokens, source: Source) -> Command:
    tokens.skip("savepoint")
    return Release(tokens.name())


def _set(tokens: Tokens, source: Source) -> Command:
    scope = tokens.skip("session", "local")
    if scope == "session" and tokens.skip("characteristics"):
        tokens.expect("as")
        tokens.expect("transaction")
        return SetIsolation(_isolation(tokens), session=True)
    if scope == "session" and tokens.skip("authorization"):
        return Nothing("SET")
    if tokens.skip("transaction"):
        return SetIsolation(_isolation(tokens), session=False)
    if tokens.skip("role", "constraints"):
        return Nothing("SET")
    local = scope == "local"
    if tokens.skip("time"):
        tokens.expect("zone")
        default = tokens.skip("local", "default")
        return Set("timezone", None if default else _values(tokens), local)
    if tokens.skip("names"):
        return Set("client_encoding", None if tokens.skip("default") else _values(tokens), local)
    name = _setting_name(tokens)
    if name == "schema" and tokens.next is not None and tokens.next.kind is Kind.STRING:
        return Set("search_path", tokens.take().value, local)
    tokens.expect("to", "=")
    return Set(name, None if tokens.skip("default") else _values(tokens), local)


def _setting_name(tokens: Tokens) -> str:
    name = tokens.name()
    while tokens.skip("."):
        name += "." + tokens.name()
    return name


def _values(tokens: Tokens) -> str:
    """One value, or several with commas."""
    values = [_value(tokens)]
    while tokens.skip(","):
        values.append(_value(tokens))
    tokens.end()
    if len(values) == 1:
        return values[0].value
    return ", ".join(f'"{each.value}"' if each.quoted else each.value for each in values)


def _value(tokens: Tokens) -> Token:
    if tokens.skip("interval"):
        # SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE
        value = tokens.take()
        while tokens.skip("hour", "to", "minute"):
            pass
        return value
    return tokens.take()


def _isolation(tokens: Tokens) -> str | None:
    """The level that the modes of a transaction name, if they do."""
    level = None
    while tokens.next is not None:
        if tokens.skip("isolation"):
            tokens.expect("level")
            first = tokens.expect("serializable", "repeatable", "read")
            rest = {"repeatable": ("read",), "read": ("committed", "uncommitted")}.get(first)
            level = first if rest is None else f"{first} {tokens.expect(*rest)}"
        elif tokens.skip("read"):
            tokens.expect("only", "write")
        elif not tokens.skip(",", "deferrable", "not"):
            raise tokens.wrong()
    return level


def _reset(tokens: Tokens, source: Source) -> Command:
    if tokens.skip("all"):
        return Reset(None)
    if tokens.skip("time"):
        tokens.expect("zone")
        return Reset("timezone")
    if tokens.skip("session"):
        tokens.expect("authorization")
        return Nothing("RESET")
    return Reset(_setting_name(tokens))


def _show(tokens: Tokens, source: Source) -> Command:
    if tokens.next is not None and tokens.next.value in _ENGINE_SHOWS and not tokens.next.quoted:
        return _select(source, "SHOW")
    words = [_setting_name(tokens)]
    while tokens.next is not None:
        words.append(_setting_name(tokens))
    name = "_".join(words)
    return Show(_SPACED_SETTINGS.get(name, name.removesuffix("_level")))


def _discard(tokens: Tokens, source: Source) -> Command:
    word = tokens.expect("all", "plans", "sequences", "temp", "temporary")
    return Discard(Scope.TEMP if word == "temporary" else Scope(word.upper()))


def _deallocate(tokens: Tokens, source: Source) -> Command:
    tokens.skip("prepare")
    return Deallocate(None if tokens.skip("all") else tokens.name())


def _close(tokens: Tokens, source: Source) -> Command:
    return CloseCursor(None if tokens.skip("all") else tokens.name())


def _without_effect(tag: str) -> Callable[[Tokens, Source], Command]:
    return lambda tokens, source: Nothing(tag)


def _declare(tokens: Tokens, source: Source) -> Command:
    name = tokens.name()
    binary = False
    while option := tokens.skip("binary", "insensitive", "asensitive", "no", "scroll"):
        binary |= option == "binary"
    tokens.expect("cursor")
    hold = False
    if way := tokens.skip("with", "without"):
        tokens.expect("hold")
        hold = way == "with"
    tokens.expect("for")
    query = tokens.rest()
    command = classify(query)
    if isinstance(command, Refused):
        return command
    if not isinstance(command, Select):
        raise Tokens(query).wrong()
    return Declare(name, command.statement, hold, binary)


def _backward() -> PgError:
    return PgError(
        WRONG_STATE, "cursor can only scan forward", hint="Run the query again to see earlier rows."
    )


def _cursor_reader(move: bool) -> Callable[[Tokens, Source], Command]:
    def parse(tokens: Tokens, source: Source) -> Command:
        if tokens.skip("prior", "first", "last", "absolute", "relative", "backward"):
            return Refused(_backward())
        count: int | None = 1
        if not tokens.skip("next"):
            tokens.skip("forward")
            token = tokens.next
            if tokens.skip("all"):
                count = None
            elif token is not None and token.kind is Kind.NUMBER:
                count = _count(tokens.take(), tokens)
        tokens.skip("from", "in")
        name = tokens.name()
        tokens.end()
        if count is not None and count < 0:
            return Refused(_backward())
        return FetchCursor(name, count, move)

    return parse


def _count(token: Token, tokens: Tokens) -> int:
    try:
        return int(token.value)
    except ValueError:
        raise tokens.wrong() from None


_PARSERS: dict[str, Callable[[Tokens, Source], Command]] = {
    "begin": _begin,
    "start": _start,
    "commit": _commit,
    "end": _commit,
    "rollback": _rollback,
    "abort": _rollback,
    "savepoint": _savepoint,
    "release": _release,
    "set": _set,
    "reset": _reset,
    "show": _show,
    "discard": _discard,
    "deallocate": _deallocate,
    "close": _close,
    "listen": _without_effect("LISTEN"),
    "unlisten": _without_effect("UNLISTEN"),
    "notify": _without_effect("NOTIFY"),
    "declare": _declare,
    "fetch": _cursor_reader(move=False),
    "move": _cursor_reader(move=True),
}
