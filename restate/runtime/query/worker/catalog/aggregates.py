"""Aggregates that SQLite lacks. Each takes its flags first: `d` for DISTINCT, then one letter a sort key, `a` or `z`."""

from typing import Any

from restate.runtime.query.worker import oids
from restate.runtime.query.worker.catalog.arrays import array_text


class _Collected:
    """Values in the order of the sort keys behind them."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.flags = ""

    def step(self, flags: str, *values: Any) -> None:
        self.flags = flags
        self.rows.append(values)

    def ordered(self) -> list[tuple[Any, ...]]:
        """The arguments of each row."""
        directions = self.flags.removeprefix("d")
        rows = self.rows
        for place in range(len(directions), 0, -1):
            descending = directions[place - 1] == "z"
            # NULL counts as the largest, as in PostgreSQL.
            rows = sorted(rows, key=lambda row: _key(row[-place]), reverse=descending)
        width = len(directions)
        found = [row[: len(row) - width] for row in rows]
        return list(dict.fromkeys(found)) if self.flags.startswith("d") else found


def _key(value: Any) -> tuple[bool, bool, Any]:
    return (value is None, isinstance(value, str), value if value is not None else 0)


class ArrayAgg(_Collected):
    def finalize(self) -> str | None:
        return array_text([row[0] for row in self.ordered()]) if self.rows else None


class StringAgg(_Collected):
    def finalize(self) -> str | None:
        rows = [row for row in self.ordered() if row[0] is not None]
        if not rows:
            return None
        first, *others = rows
        return str(first[0]) + "".join(str(row[1] or "") + str(row[0]) for row in others)


class BoolAnd(_Collected):
    def finalize(self) -> int | None:
        found = [row[0] for row in self.rows if row[0] is not None]
        return int(all(found)) if found else None


class BoolOr(_Collected):
    def finalize(self) -> int | None:
        found = [row[0] for row in self.rows if row[0] is not None]
        return int(any(found)) if found else None


AGGREGATES: dict[str, tuple[type[_Collected], int | None]] = {
    "array_agg": (ArrayAgg, None),
    "string_agg": (StringAgg, oids.TEXT),
    "bool_and": (BoolAnd, oids.BOOL),
    "every": (BoolAnd, oids.BOOL),
    "bool_or": (BoolOr, oids.BOOL),
}
"""{name: (class, result type; None: an array of the argument's)}."""
