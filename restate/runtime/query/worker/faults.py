"""From what DataFusion says to an error with SQLSTATE, position and the name that was probably meant (sql.md §4.8)."""

import difflib
import re
from collections.abc import Iterable

from restate.runtime.errors import RestateError
from restate.runtime.query import errors
from restate.runtime.query.errors import QueryError

_PREFIX = "DataFusion error: "
_CAUSED_BY = "\ncaused by\n"
_STATES: tuple[tuple[str, str], ...] = (
    (r"MemoryError", errors.OUT_OF_MEMORY),
    # What our own tables raised.
    (r"External error", errors.INTERNAL),
    (
        r"ParserError|TokenizerError|No SQL statements|only supports a single SQL statement",
        errors.SYNTAX_ERROR,
    ),
    (r"RecursionLimitExceeded", errors.TOO_COMPLEX),
    (r"table '[^']*' not found", errors.UNDEFINED_TABLE),
    (r"No field named", errors.UNDEFINED_COLUMN),
    (r"Ambiguous reference", errors.AMBIGUOUS_COLUMN),
    (r"Invalid function|No function matches|Invalid qualifier", errors.UNDEFINED_FUNCTION),
    (r"(DDL|DML|Statement) not supported|Format not explicitly set", errors.READ_ONLY),
    (r"not implemented", errors.NOT_SUPPORTED),
    (r"Resources exhausted|memory allocation", errors.OUT_OF_MEMORY),
    (r"Divide by zero", errors.DIVISION_BY_ZERO),
    (r"string size overflow", errors.TOO_LARGE),
    (r"[Oo]verflow", errors.OUT_OF_RANGE),
    (r"Cast error|Parser error|Error parsing|Unsupported date_trunc", errors.BAD_VALUE),
    (r"was not provided a value", errors.UNDEFINED_PARAMETER),
    (r"Error during planning|Schema error|type_coercion", errors.PLANNING_ERROR),
    (r"subquery returned more than one row", errors.NOT_ONE_ROW),
    # A function did not like its arguments.
    (r"Execution error|Compute error", errors.DATA_ERROR),
)
_PLACE = re.compile(r"at Line: (\d+), Column: (\d+)")
_TABLE = re.compile(r"table '(?:restate\.)?(?:public\.)?([^']*)' not found")
_COLUMN = re.compile(r"No field named ([^\s]+?)\.(?:\s|$)")
_FUNCTION = re.compile(r"Invalid function '([^']*)'")
_FIELDS = re.compile(r"Valid fields are (.*?)\.?$", re.DOTALL)
_SUGGESTION = re.compile(r" ?Did you mean '([^']*)'\?\.?")


def fault(error: BaseException, sql: str, tables: Iterable[str]) -> QueryError:
    """tables: the names there are."""
    if isinstance(error, QueryError):
        return error
    if isinstance(error, RestateError):
        return QueryError(error.message, errors.INTERNAL)
    if isinstance(error, MemoryError):
        hint = errors.less_or_more("query.address_space")
        return QueryError("the query needs more memory than a worker has", errors.OUT_OF_MEMORY, hint=hint)
    text = str(error) or repr(error)
    # An optimizer rule that fails says so first; the reason is at the end.
    text = text.rpartition(_CAUSED_BY)[2].removeprefix(_PREFIX)
    state = next((state for pattern, state in _STATES if re.search(pattern, text)), errors.INTERNAL)
    # A hint tells the name that was meant.
    message = _SUGGESTION.sub("", text.partition("\n")[0])
    return QueryError(message, state, position=_position(text, sql), hint=_hint(text, state, tables))


def _position(text: str, sql: str) -> int | None:
    """Of the character, from 1."""
    place = _PLACE.search(text)
    if place is not None:
        line, column = int(place[1]), int(place[2])
        lines = sql.split("\n")
        if line > len(lines):
            return None
        return sum(len(each) + 1 for each in lines[: line - 1]) + column
    for pattern in (_TABLE, _COLUMN, _FUNCTION):
        name = pattern.search(text)
        if name is not None:
            return _find(name[1], sql)
    return None


def _find(name: str, sql: str) -> int | None:
    """Where the name stands in the statement, whole, in any case, quoted or not."""
    parts = [re.escape(part.strip('"')) for part in name.split(".")]
    pattern = r"(?<![\w\"'])\"?" + r"\"?\s*\.\s*\"?".join(parts) + r"\"?(?![\w'])"
    found = re.search(pattern, sql, re.IGNORECASE)
    return None if found is None else found.start() + 1


def _hint(text: str, state: str, tables: Iterable[str]) -> str | None:
    suggestion = _SUGGESTION.search(text)
    if state == errors.OUT_OF_MEMORY:
        return errors.less_or_more("query.memory" if "Resources exhausted" in text else "query.address_space")
    if state == errors.UNDEFINED_TABLE:
        name = _TABLE.search(text)
        return _nearest(name[1], tables) if name is not None else None
    if suggestion is not None:
        return f"Perhaps you meant {suggestion[1]!r}."
    if state == errors.UNDEFINED_COLUMN:
        name, fields = _COLUMN.search(text), _FIELDS.search(text)
        if name is None or fields is None:
            return None
        short = name[1].rpartition(".")[2]
        return _nearest(short, (field.rpartition(".")[2] for field in fields[1].split(", ")))
    return None


def _nearest(name: str, names: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(name, sorted(set(names)), 1)
    return f"Perhaps you meant {close[0]!r}." if close else None
