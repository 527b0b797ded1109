"""Every statement of the documentation, the command lines and the web UI: over both ports of ours, and on the official
server where it has the table; the rows are the same apart from ids and times.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients.conftest import filled_bed
from tests.support.sql_bed import query
from tests.support.sql_texts import CLASSIC, MODERN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.sql_bed import SqlBed

_MASKS = (
    (re.compile(r"^inv_\w+$"), "<invocation>"),
    (re.compile(r"^dp_\w+$"), "<deployment>"),
    (re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z?$"), "<time>"),
    (re.compile(r"^[0-9a-f]{32}$"), "<trace>"),
    (re.compile(r"^[0-9A-HJKMNP-TV-Z]{26}$"), "<ulid>"),
    (re.compile(r"^\d+\.\d+\.\d+$"), "<version>"),
    (re.compile(r"^http://127\.0\.0\.1:\d+/?$"), "<address>"),
)
_LARGE = 2**40
"""No count of the test's data is as large; partition keys are."""

OURS_ALONE = {
    "service": "a column of the classic generation",
    "service_key": "one of sys_journal, for the classic generation; elsewhere both have it",
}
THEIRS_ALONE = {
    "idempotency_key": "the official server makes one up for calls that came without",
}
"""{column that is NULL or missing on one side: why}."""

NOT_COMPARED = {
    "command line: S18": "the official server refuses an id that is none, ours has no rows for it"
}


def expanded(sql: str, bed: SqlBed) -> str:
    return sql.format(
        sleeping=bed.sleeping,
        waiting=bed.waiting,
        greeting=bed.greeting,
        failed=bed.failed,
        deployment=bed.deployment,
    )


def masked(name: str, value: Any) -> Any:
    if isinstance(value, str):
        for pattern, word in _MASKS:
            if pattern.match(value):
                return word
        if name in ("entry_json", "entry_lite_json", "event_json"):
            return _masked_entry(value)
        if name == "raw":
            # Ids, times and the order of headers are in it.
            return f"<{len(value) // 2} bytes>"
    if isinstance(value, int) and value > _LARGE:
        return "<large>"
    return value


def _masked_entry(text: str) -> Any:
    """Without ids and times, and the headers of an input in one order."""
    entry = json.loads(re.sub(r"\d{6,}|inv_\w+", "0", text))
    headers = entry.get("Command", {}).get("Input", {}).get("headers", [])
    headers.sort(key=lambda header: str(header["name"]))
    return entry


def comparable(rows: list[dict[str, Any]], other: list[dict[str, Any]]) -> list[str]:
    """Rows in one order, without the columns that only this side has, if the tables above say so."""
    known = {name for row in other for name in row} if other else {name for row in rows for name in row}
    left_out = (OURS_ALONE.keys() | THEIRS_ALONE.keys()) - known
    return sorted(
        json.dumps({name: masked(name, value) for name, value in row.items() if name not in left_out})
        for row in rows
    )


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlBed]:
    """The official server with the same data."""
    with filled_bed("official", tmp_path_factory.mktemp("official")) as bed:
        yield bed


@pytest.mark.parametrize("name", [*CLASSIC, *MODERN])
def test_both_ports_give_the_same_rows(sql_bed: SqlBed, name: str) -> None:
    sql = expanded({**CLASSIC, **MODERN}[name], sql_bed)
    text = sql_bed.psql("-At", "-P", "null=<null>", "-R", "\x1e", "-c", sql)
    by_psql = text.removesuffix("\n").split("\x1e") if text.strip("\n") else []
    assert len(by_psql) == len(sql_bed.query(sql))


@pytest.mark.parametrize("name", [name for name in MODERN if name not in NOT_COMPARED])
def test_the_official_server_gives_the_same_rows(sql_bed: SqlBed, official: SqlBed, name: str) -> None:
    ours = sql_bed.query(expanded(MODERN[name], sql_bed))
    theirs = query(official.server, expanded(MODERN[name], official))
    assert comparable(ours, theirs) == comparable(theirs, ours)
