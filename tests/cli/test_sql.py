"""`restate sql`, and watching."""

import json
import re
import time
from decimal import Decimal

import pyarrow as pa
import pytest

from tests.cli.fake_admin import FakeAdmin

KINDS = [("a", pa.int64()), ("b", pa.utf8()), ("c", pa.list_(pa.int64())), ("e", pa.bool_())]
ROWS = [{"a": 1, "b": "x"}, {"a": 2, "c": [1, None], "e": True}]


def test_rows_are_a_table_of_all_their_columns(admin: FakeAdmin) -> None:
    nothing = pa.nulls(2, pa.timestamp("ms", "+00:00"))
    table = pa.Table.from_pylist(ROWS, pa.schema(KINDS))
    admin.queries["select"] = table.append_column("never", nothing)
    done = admin.run("sql", "select 1")
    assert done.stdout.splitlines() == [
        "A  B  C          E     NEVER",
        "1  x  -          -     -",
        "2  -  [1, null]  true  -",
    ]
    assert done.stderr.startswith("2 rows in ")


def test_cells_look_as_they_do_in_json(admin: FakeAdmin) -> None:
    admin.queries["select"] = pa.table(
        {
            "at": pa.array([1_795_000_000_870], pa.timestamp("ms", "+00:00")),
            "now": pa.array([1_001], pa.timestamp("ns")),
            "kept": pa.array([86_400_000], pa.duration("ms")),
            "raw": [b"\x01\xff"],
            "price": [Decimal("1.50")],
            "object": [{"a": "é", "b": None, "c": Decimal(2)}],
        }
    )
    done = admin.run("sql", "select 1")
    assert done.stdout.splitlines() == [
        "AT                        NOW                            KEPT      RAW   PRICE  OBJECT",
        '2026-11-18T11:06:40.870Z  1970-01-01T00:00:00.000001001  PT86400S  01ff  1.50   {"a": "é", "c": "2"}',
    ]


@pytest.mark.parametrize("answer", [b"", b"<html>", b"\xff\xff\xff\xff\x10\x00\x00\x00"])
def test_what_is_no_arrow_stream_is_told(admin: FakeAdmin, answer: bytes) -> None:
    admin.answers["POST /query"] = (200, answer)
    done = admin.run("sql", "select 1")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: POST /query at {admin.url} gave no Arrow stream (")


def test_an_answer_that_breaks_off_is_told(admin: FakeAdmin) -> None:
    admin.answers["POST /query"] = (200, b"x" * 10)
    admin.cut_after = 4
    done = admin.run("sql", "select 1")
    assert done.exit_code == 1
    assert "broke off after 4 bytes" in done.stderr


def test_scripts_get_json_and_nothing_else(admin: FakeAdmin) -> None:
    admin.queries["select"] = ROWS
    assert json.loads(admin.run("sql", "select 1", "--json").stdout) == ROWS
    lines = admin.run("query", "select 1", "--jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == ROWS


def test_no_rows_are_no_table(admin: FakeAdmin) -> None:
    done = admin.run("sql", "select 1")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith("0 rows")


def test_an_error_of_the_engine_is_shown(admin: FakeAdmin) -> None:
    admin.answers["POST /query"] = (400, {"message": "Datafusion error: no such table"})
    done = admin.run("sql", "select 1")
    assert (done.exit_code, done.stderr) == (1, "Error: Datafusion error: no such table (400 Bad Request)\n")


def test_watching_repeats_until_it_is_stopped(admin: FakeAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    admin.queries["select"] = [{"a": 1}]
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        admin.queries["select"] = [{"a": len(waits) + 1}]
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("restate.runtime.cli.session.time.sleep", wait)
    done = admin.run("sql", "select 1", "--jsonl", "-w", "-n", "2.5")
    assert done.exit_code == 0
    assert done.stdout == '{"a": 1}\n{"a": 2}\n{"a": 3}\n'
    assert waits == [2.5, 2.5, 2.5]


def test_what_is_remarked_while_watching_stands_below_the_picture(
    admin: FakeAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("restate.runtime.cli.session.time.sleep", stop)
    admin.queries["SELECT"] = [{"a": 1}]
    done = admin.run("sql", "SELECT a", "--watch")
    assert re.fullmatch(r"A\n1\n1 row in \d+ ms\n", done.output)


def test_watching_outlives_a_server_that_restarts(admin: FakeAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    admin.answers["POST /query"] = (200, b"not yet")
    turns = []

    def wait(seconds: float) -> None:
        turns.append(time.monotonic())
        admin.answers.pop("POST /query", None)
        if len(turns) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("restate.runtime.cli.session.time.sleep", wait)
    admin.queries["select"] = [{"a": 1}]
    done = admin.run("sql", "select 1", "--watch", "--jsonl")
    assert done.exit_code == 0
    assert "does not speak JSON" in done.stdout
    assert done.stdout.endswith('{"a": 1}\n')


def test_a_refusal_ends_watching(admin: FakeAdmin) -> None:
    admin.answers["POST /query"] = (400, {"message": "no"})
    assert admin.run("sql", "select 1", "-w").exit_code == 1


@pytest.mark.parametrize("interval", ["0", "-1", "x"])
def test_an_interval_that_is_too_short_is_a_usage_error(admin: FakeAdmin, interval: str) -> None:
    assert admin.run("sql", "select 1", "-w", "-n", interval).exit_code == 2
