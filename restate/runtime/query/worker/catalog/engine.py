"""The catalog: describe and run one statement of a client over the emulated system tables."""

from collections.abc import Collection, Mapping, Sequence

import attrs
import pyarrow as pa


@attrs.frozen
class CatalogSession:
    """What a statement may ask about its connection. settings: {lower-case name: value}, as SHOW gives them."""

    user: str
    timezone: str = "UTC"
    settings: Mapping[str, str] = attrs.Factory(dict)


@attrs.frozen
class CatalogColumn:
    """name, type oid and length (-1: any) of one column, as RowDescription states them."""

    name: str
    oid: int
    size: int


@attrs.frozen
class CatalogResult:
    """Rows of a statement; values are str, int, float, bool, bytes or None."""

    columns: tuple[CatalogColumn, ...]
    rows: list[tuple[object, ...]]

    def encode(self, binary: Sequence[bool]) -> bytes:
        """The rows as whole DataRow messages. binary: one flag a column."""
        raise NotImplementedError


class Catalog:
    """Built once per worker. `describe` and `run` raise QueryError: 42601, 0A000, 42P01, 42703, 57014."""

    def __init__(self, tables: Mapping[str, pa.Schema], views: Collection[str]) -> None:
        """tables: {name: schema} of everything in schema `public`, views included. views: which of them are views."""
        raise NotImplementedError

    def describe(
        self, sql: str, parameter_oids: Sequence[int], session: CatalogSession
    ) -> tuple[tuple[int, ...], tuple[CatalogColumn, ...]]:
        """(oids of the parameters, columns) without running it. parameter_oids: as the client gave them, 0 for unknown."""
        raise NotImplementedError

    def run(self, sql: str, parameters: Sequence[object], session: CatalogSession) -> CatalogResult:
        """parameters: values as `parameters.decode` gives them."""
        raise NotImplementedError
