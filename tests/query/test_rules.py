"""The table of rules."""

from typing import Any, cast

from restate.runtime.query.worker.tables_schema import rules
from restate.runtime.query.worker.world import World
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rule import Rule
from restate.runtime.schema.stored import RULES

STORED = (
    Rule("b/*", None, None, True, 2, 1_795_000_000_000),
    Rule("a", 5, "five", False, 1, 1_795_000_000_001),
)


class _World:
    registry = Registry.load(
        1, [cast("tuple[bytes, bytes]", RULES.row(rule.pattern, rule)) for rule in STORED]
    )


def test_rules_are_rows_by_pattern() -> None:
    source = rules(cast("World", _World()))
    (chunk,) = source.chunks(cast("Any", None), iter([10]))
    columns = {name: chunk.column(name).to_pylist() for name in source.schema.names}
    last_modified = [moment.timestamp() for moment in columns.pop("last_modified")]
    assert last_modified == [1_795_000_000.001, 1_795_000_000]
    assert columns == {
        "pattern": ["a", "b/*"],
        "concurrency": [5, None],
        "description": ["five", None],
        "disabled": [False, True],
        "version": [1, 2],
    }
