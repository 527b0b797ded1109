"""What a filter leaves of the values of a column."""

import datetime as dt

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from restate.runtime.query.worker.filters import (
    Allowed,
    Call,
    Field,
    Filter,
    Literal,
    NotUnderstood,
    decode,
)

ident, STATUS, NUMBER = pc.field("id"), pc.field("status"), pc.field("n")
SCHEMA = pa.schema([("id", pa.utf8()), ("status", pa.utf8()), ("n", pa.uint64())])


BATCH = pa.RecordBatch.from_pylist(
    [
        {"id": ident, "status": status, "n": number}
        for ident in ("a", "b", "c", None)
        for status in ("x", None)
        for number in (1, 5, None)
    ],
    SCHEMA,
)


def allowed_by(expression: pc.Expression) -> Allowed:
    return Filter.of(expression, SCHEMA).allowed


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (ident == "a", {"id": {"a"}}),
        (pc.scalar("a") == ident, {"id": {"a"}}),
        ((ident == "a") | (ident == "b"), {"id": {"a", "b"}}),
        ((ident == "a") & (STATUS == "x"), {"id": {"a"}, "status": {"x"}}),
        ((ident == "a") & (ident == "b"), {"id": set()}),
        ((ident == "a") | (STATUS == "x"), {}),
        (((ident == "a") | (ident == "b")) & (NUMBER > 1), {"id": {"a", "b"}}),
        (((ident == "a") & (NUMBER == 1)) | ((ident == "b") & (NUMBER > 1)), {"id": {"a", "b"}}),
        (ident.isin(["a", "b"]), {"id": {"a", "b"}}),
        (ident.isin(pa.array(["a", None])), {}),
        (~(ident == "a"), {}),
        (ident != "a", {}),
        (ident.is_null(), {}),
        (pc.scalar(False), {"": set()}),
        (pa.scalar(2**64 - 1, pa.uint64()) == NUMBER, {"n": {2**64 - 1}}),
        (ident == pa.scalar(None, pa.utf8()), {"id": set()}),
    ],
    ids=str,
)
def test_only_these_values_are_left(expression: pc.Expression, expected: dict[str, set[object]]) -> None:
    assert allowed_by(expression) == expected


def test_the_tree_is_read_as_it_is() -> None:
    expression = (ident == "a") & (NUMBER > 1)
    equal = Call("equal", (Field("id"), Literal("a")))
    greater = Call("greater", (Field("n"), Literal(1)))
    assert decode(expression) == Call("and_kleene", (equal, greater))


def test_the_columns_that_a_filter_reads_are_known() -> None:
    assert Filter.of(((ident == "a") | (ident == "b")) & (NUMBER > 1), SCHEMA).columns == {"id", "n"}


def test_literals_of_every_type_are_read() -> None:
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    literal = pa.scalar(moment, pa.timestamp("ms", "+00:00"))
    assert allowed_by(pc.field("t") == literal) == {"t": {moment}}


def test_a_list_of_five_hundred_ids_is_understood() -> None:
    ids = [f"inv_{number}" for number in range(500)]
    expression = ident == ids[0]
    for each in ids[1:]:
        expression = expression | (ident == each)
    # As a chain it may be too deep to walk, which only means that every row is looked at.
    assert allowed_by(expression) in ({"id": set(ids)}, {})
    assert allowed_by(ident.isin(ids)) == {"id": set(ids)}


def test_what_is_not_understood_leaves_everything_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise NotUnderstood("a form of a later version")

    monkeypatch.setattr("restate.runtime.query.worker.filters.decode", refuse)
    assert allowed_by(ident == "a") == {}
    assert Filter.of(ident == "a", SCHEMA).columns == {"id", "status", "n"}


@pytest.mark.parametrize(
    "expression",
    [
        ident == "a",
        ident != "a",
        (ident == "a") & (NUMBER > 1),
        (ident == "a") | (NUMBER > 1),
        ~((ident == "a") | (NUMBER <= 1)),
        ident.isin(["a", "c"]),
        ident.isin(pa.array(["a", None])),
        ~ident.isin(["a"]),
        ident.is_null(),
        ident.is_valid() & (STATUS == "x"),
        pc.match_substring(ident, "a"),
        pc.scalar(True),
    ],
    ids=str,
)
def test_exactly_the_rows_that_the_engine_lets_through_pass(expression: pc.Expression) -> None:
    places = Filter.of(expression, SCHEMA).places(BATCH.num_rows, BATCH.column)
    assert BATCH.take(places) == BATCH.filter(expression)
