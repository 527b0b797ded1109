"""Arrays inside of SQLite: PostgreSQL's own text, `{a,"b c",NULL}`."""

from collections.abc import Sequence
from functools import lru_cache

from restate.runtime.query.worker.parameters import parse_array
from restate.runtime.query.worker.postgres_text import element_text


def array_text(items: Sequence[object]) -> str:
    return "{" + ",".join("NULL" if item is None else element_text(str(item)) for item in items) + "}"


def items(array: object) -> list[str | None]:
    """Also of an int2vector or oidvector, which is written `1 2 3`."""
    return list(_parsed(str(array)))


@lru_cache(64)
def _parsed(text: str) -> tuple[str | None, ...]:
    """The same array is asked for every row of a statement."""
    return tuple(parse_array(text) if text.startswith("{") else text.split())
