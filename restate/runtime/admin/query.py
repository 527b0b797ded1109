"""POST /query: SQL over HTTP, as an Arrow stream or as JSON (sql.md §2)."""

from contextlib import AsyncExitStack
from types import TracebackType

import attrs
from quart import Blueprint, Response, request
from quart.wrappers.response import ResponseBody

from restate.runtime.admin.answer import json_response
from restate.runtime.admin.body import read_body
from restate.runtime.admin.parts import Parts, QueryPool
from restate.runtime.query.errors import CANNOT_START, TOO_MANY, QueryError
from restate.runtime.query.statement import Output, Rows, SessionInfo, Statement
from restate.runtime.query.worker_query import Query

_SESSION = SessionInfo(user="admin")
_CONTENT_TYPES = {
    Output.JSON: "application/json",
    Output.ARROW: "application/vnd.apache.arrow.stream",
    Output.ARROW_DATES: "application/vnd.apache.arrow.stream",
}
_RETRY_AFTER_S = 1
_CLASSIC_CLIENT = "restate-cli/0."
"""What the user agent of the classic generation's command line starts with; it expects dates for times."""


@attrs.frozen
class SqlQuery:
    """The body."""

    query: str


class _RowsBody(ResponseBody):
    """The pieces of a result, sent as they come. What fails behind the first piece cuts the connection off."""

    def __init__(self, query: Query, first: Rows | None, opened: AsyncExitStack) -> None:
        self._query = query
        self._next = first
        self._opened = opened

    async def __aenter__(self) -> "_RowsBody":
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._opened.__aexit__(exc_type, exc_value, tb)

    def __aiter__(self) -> "_RowsBody":
        return self

    async def __anext__(self) -> bytes:
        rows, self._next = self._next, None
        if rows is None:
            rows = await self._query.next()
        if rows is None:
            raise StopAsyncIteration
        return rows.data


def add_query_routes(blueprint: Blueprint, parts: Parts) -> None:
    async def query() -> Response:
        body = await read_body(SqlQuery)
        try:
            if parts.queries is None:
                raise QueryError("this server has no query engine", CANNOT_START)
            return await _answer(parts.queries, Statement(body.query), _output())
        except QueryError as error:
            return _failed(error)

    blueprint.add_url_rule("/query", view_func=query, methods=["POST"])


def _output() -> Output:
    """Anything but exactly this one content type means Arrow."""
    if request.headers.get("Accept") == "application/json":
        return Output.JSON
    classic = request.headers.get("User-Agent", "").startswith(_CLASSIC_CLIENT)
    return Output.ARROW_DATES if classic else Output.ARROW


async def _answer(pool: QueryPool, statement: Statement, output: Output) -> Response:
    """With the first rows at hand, so that what fails early has its status."""
    async with AsyncExitStack() as opened:
        query = await opened.enter_async_context(pool.open(statement, (), output, False, _SESSION))
        first = await query.next()
        response = Response(_RowsBody(query, first, opened.pop_all()), content_type=_CONTENT_TYPES[output])
        # The query has a limit of its own, and a client may take its time.
        response.timeout = None
        return response


def _failed(error: QueryError) -> Response:
    headers = {"Retry-After": str(_RETRY_AFTER_S)} if error.sqlstate == TOO_MANY else None
    message = error.message if error.hint is None else f"{error.message.removesuffix('.')}. {error.hint}"
    return json_response({"message": f"Datafusion error: {message}"}, error.http_status, headers)
