"""Statements and what they give, in the terms of their clients."""

from enum import Enum

import attrs


class Output(Enum):
    """The form of the rows."""

    POSTGRES = "postgres"
    """Whole DataRow messages."""
    ARROW = "arrow"
    """An Arrow IPC stream, in pieces: schema, batches, end."""
    ARROW_DATES = "arrow with dates"
    """The same with Date64 in place of timestamps, for the command line of the classic generation."""
    JSON = "json"
    """`{"rows":[...]}`, in pieces."""


@attrs.frozen
class Parameter:
    """A value for `$n`, as a Postgres client sends it. oid: of its type, 0 for unknown. value: None is NULL."""

    oid: int
    value: bytes | None
    binary: bool


@attrs.frozen
class Column:
    """A column of a result in the terms of Postgres. oid, size: of its type; size -1 means variable."""

    name: str
    oid: int
    size: int


@attrs.frozen
class Description:
    """What a statement takes and gives. parameters: type oids of $1, $2, ..."""

    parameters: tuple[int, ...]
    columns: tuple[Column, ...]


@attrs.frozen
class SessionInfo:
    """What a statement may know of the connection it came over. settings: ((name, value), ...) as SHOW tells them.
    process_id: by which the client may cancel; 0 if it cannot.
    """

    user: str
    timezone: str = "UTC"
    settings: tuple[tuple[str, str], ...] = ()
    process_id: int = 0


@attrs.frozen
class Statement:
    """One statement, as it was sent. catalog: it is about pg_catalog, which is emulated apart from the data."""

    sql: str
    catalog: bool = False


@attrs.frozen
class Rows:
    """A piece of a result. count: rows in it; a piece without rows opens or closes the form."""

    data: bytes
    count: int
