"""POST /query, over a pool that is none: forms, statuses, and what becomes of the query when its client leaves."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from restate.runtime.query import errors
from restate.runtime.query.errors import QueryError
from restate.runtime.query.statement import Output, Parameter, Rows, SessionInfo, Statement
from restate.runtime.query.worker_query import Query
from tests.admin.fakes import Admin

ARROW = "application/vnd.apache.arrow.stream"


class FakeQuery(Query):
    """Gives these pieces; an error among them is raised in its place."""

    def __init__(self, pieces: list[bytes | QueryError]) -> None:
        self.columns = ()
        self._pieces = pieces

    async def next(self, max_rows: int | None = None) -> Rows | None:
        if not self._pieces:
            return None
        piece = self._pieces.pop(0)
        if isinstance(piece, QueryError):
            raise piece
        return Rows(piece, 1)


class FakePool:
    def __init__(self, *pieces: bytes | QueryError, refusal: QueryError | None = None) -> None:
        self.asked: list[tuple[str, Output]] = []
        self.open_queries = 0
        self._pieces = list(pieces)
        self._refusal = refusal

    @asynccontextmanager
    async def open(
        self,
        statement: Statement,
        parameters: Sequence[Parameter],
        output: Output,
        binary_columns: Sequence[bool] | bool,
        session: SessionInfo,
    ) -> AsyncIterator[Query]:
        self.asked.append((statement.sql, output))
        if self._refusal is not None:
            raise self._refusal
        self.open_queries += 1
        try:
            yield FakeQuery(self._pieces)
        finally:
            self.open_queries -= 1


@pytest.mark.parametrize("prefix", ["", "/v2", "/v3", "/v4"])
async def test_the_pieces_of_a_result_make_the_body(prefix: str) -> None:
    pool = FakePool(b'{"rows":[', b'{"a":1}', b"]}")
    headers = {"Accept": "application/json"}
    response = await Admin(queries=pool).client.post(
        f"{prefix}/query", json={"query": "select 1;"}, headers=headers
    )
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert await response.get_data() == b'{"rows":[{"a":1}]}'
    assert pool.asked == [("select 1;", Output.JSON)]
    assert pool.open_queries == 0


@pytest.mark.parametrize(
    ("accept", "agent", "output"),
    [
        ("application/json", "curl/8", Output.JSON),
        ("application/json, */*", "curl/8", Output.ARROW),
        ("*/*", "curl/8", Output.ARROW),
        (None, "restate-cli/1.7.12", Output.ARROW),
        (None, "restate-cli/0.8.1 x86_64", Output.ARROW_DATES),
        ("application/json", "restate-cli/0.8.1", Output.JSON),
    ],
)
async def test_only_one_accept_header_means_json(accept: str | None, agent: str, output: Output) -> None:
    pool = FakePool(b"bytes")
    headers = {"User-Agent": agent} | ({} if accept is None else {"Accept": accept})
    response = await Admin(queries=pool).client.post("/query", json={"query": "x"}, headers=headers)
    assert response.status_code == 200
    assert response.content_type == ("application/json" if output is Output.JSON else ARROW)
    assert [asked for _, asked in pool.asked] == [output]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (errors.SYNTAX_ERROR, 400),
        (errors.UNDEFINED_TABLE, 400),
        (errors.DIVISION_BY_ZERO, 400),
        (errors.READ_ONLY, 400),
        (errors.OUT_OF_MEMORY, 400),
        (errors.TOO_MANY, 429),
        (errors.CANNOT_START, 503),
        (errors.SHUTTING_DOWN, 503),
        (errors.CANCELED, 500),
        (errors.WORKER_DIED, 500),
        (errors.INTERNAL, 500),
    ],
)
@pytest.mark.parametrize("early", [True, False], ids=["planning", "first rows"])
async def test_what_fails_before_the_first_rows_has_a_status(state: str, status: int, early: bool) -> None:
    error = QueryError("no such thing", state)
    pool = FakePool(refusal=error) if early else FakePool(error)
    response = await Admin(queries=pool).client.post("/query", json={"query": "x"})
    assert response.status_code == status
    assert await response.get_json() == {"message": "Datafusion error: no such thing"}
    assert response.headers.get("Retry-After") == ("1" if status == 429 else None)
    assert pool.open_queries == 0


async def test_a_hint_is_part_of_the_message() -> None:
    error = QueryError("table 'stat' not found", errors.UNDEFINED_TABLE, hint="Perhaps you meant 'state'.")
    response = await Admin(queries=FakePool(error)).client.post("/query", json={"query": "x"})
    assert await response.get_json() == {
        "message": "Datafusion error: table 'stat' not found. Perhaps you meant 'state'."
    }


async def test_a_failure_behind_the_first_rows_is_not_an_answer() -> None:
    pool = FakePool(b"first", QueryError("too late", errors.CANCELED))
    with pytest.RaisesGroup(pytest.RaisesExc(QueryError, match="too late"), flatten_subgroups=True):
        await Admin(queries=pool).client.post("/query", json={"query": "x"})
    assert pool.open_queries == 0


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"data": "select 1"}, 415),
        ({"data": "{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"json": {"sql": "select 1"}}, 422),
        ({"json": {"query": 1}}, 422),
    ],
)
async def test_other_bodies_are_refused(arguments: dict[str, object], status: int) -> None:
    pool = FakePool()
    response = await Admin(queries=pool).client.post("/query", **arguments)
    assert response.status_code == status
    assert pool.asked == []


async def test_other_methods_are_refused() -> None:
    response = await Admin(queries=FakePool()).client.get("/query")
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


async def test_without_workers_the_answer_is_503() -> None:
    response = await Admin().client.post("/query", json={"query": "x"})
    assert response.status_code == 503
