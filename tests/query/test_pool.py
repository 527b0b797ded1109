"""Queries in real worker processes: what comes back, what is refused, and what a query cannot do to others."""

import os
import signal
from pathlib import Path

import attrs
import pyarrow as pa
import pytest
import trio
import trio.lowlevel
import trio.testing

from restate.runtime.model.ids import format_invocation_id, partition_key_of_key
from restate.runtime.model.invocation import Status
from restate.runtime.model.journal import CommandRow
from restate.runtime.model.result import Success
from restate.runtime.query import errors
from restate.runtime.query.errors import QueryError
from restate.runtime.query.live import LiveAttempt, LiveFailure
from restate.runtime.query.statement import Column, Output, Parameter, Statement
from restate.runtime.query.worker_query import Query
from tests.query.workers import MIB, SESSION, Bed, bed, invocation_id, record

pytestmark = pytest.mark.slow

ENDLESS = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b where a.value + b.value < 0"
BOMB = "select length(repeat('a', 2000000000))"


async def failure(bed: Bed, sql: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        await bed.data(sql, Output.JSON)
    return caught.value


async def test_rows_come_in_every_form(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        text = invocation_id(1)
        server.tables.invocations.put(text, record(1, key="k"), None)
        server.write()
        sql = "select id, target, status, created_at, completion_retention, partition_key from sys_invocation_status"
        expected = {
            "id": format_invocation_id(text),
            "target": "Greeter/k/greet",
            "status": "completed",
            "created_at": "2026-11-18T11:06:40.001Z",
            "completion_retention": "PT86400S",
            "partition_key": int.from_bytes(partition_key_of_key(""), "big"),
        }
        assert await server.rows(sql) == [expected]
        with pa.ipc.open_stream(await server.data(sql, Output.ARROW)) as stream:
            table = stream.read_all()
        assert table.schema.field("created_at").type == pa.timestamp("ms", "+00:00")
        assert table.column("id").to_pylist() == [expected["id"]]
        with pa.ipc.open_stream(await server.data(sql, Output.ARROW_DATES)) as stream:
            dates = stream.read_all()
        assert dates.schema.field("created_at").type == pa.date64()
        assert dates.column("created_at").cast(pa.int64()).to_pylist() == [1_795_000_000_001]
        data = await server.data("select target, 7::int as n from sys_invocation_status", Output.POSTGRES)
        assert data == b"D\x00\x00\x00\x1e\x00\x02\x00\x00\x00\x0fGreeter/k/greet\x00\x00\x00\x017"


async def test_an_empty_result_has_its_form(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        assert await server.data("select id from sys_inbox", Output.JSON) == b'{"rows":[]}'
        with pa.ipc.open_stream(await server.data("select id from sys_inbox", Output.ARROW)) as stream:
            assert stream.read_all().schema.names == ["id"]
        assert await server.data("select id from sys_inbox", Output.POSTGRES) == b""


async def test_a_statement_is_described_without_running_it(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        sql = (
            "select id, journal_size + 1 as n from sys_invocation where created_at > $1 and id = $2 limit $3"
        )
        description = await server.pool.describe(Statement(sql), (), SESSION)
        assert description.parameters == (1184, 25, 20)
        assert description.columns == (Column("id", 25, -1), Column("n", 20, 8))
        assert await server.pool.describe(Statement(sql), (), SESSION) is description


async def test_parameters_are_bound(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        for number in range(5):
            server.tables.invocations.put(invocation_id(number), record(number), None)
        server.write()
        size = Parameter(21, (3).to_bytes(2, "big"), True)
        text = Parameter(0, b"Greeter", False)
        sql = "select count(*) from sys_invocation where target_service_name = $2 and journal_size = $1"
        assert await server.data(sql, Output.JSON, size, text) == b'{"rows":[{"count(*)":5}]}'


async def test_rows_are_taken_in_portions(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        sql = "select value from generate_series(1, 10)"
        async with server.pool.open(Statement(sql), (), Output.POSTGRES, False, SESSION) as query:
            counts = []
            while (rows := await query.next(4)) is not None:
                counts.append(rows.count)
            assert counts == [4, 4, 2]
            assert await query.next(4) is None


@pytest.mark.parametrize(
    ("sql", "state", "position", "hint"),
    [
        ("selec 1", "42601", 1, None),
        ("select *\nfrom sys_invocation\nwhere id =", "42601", None, None),
        ("select * from sys_invocatio", "42P01", 15, "Perhaps you meant 'sys_invocation'."),
        ("select targt from sys_invocation", "42703", 8, "Perhaps you meant 'sys_invocation.target'."),
        ("select nope(1)", "42883", 8, None),
        ("select a.id, id from state a join state b on a.key = b.key", "42703", 8, None),
        ("select key from state a join state b on a.key = b.key", "42702", None, None),
        ("select 1/0", "22012", None, None),
        ("select cast('x' as int)", "22P02", None, None),
        ("select chr(1114112)", "22000", None, None),
        ("select sqrt(-1)", "22000", None, None),
        ("select " + "(" * 5000 + "1" + ")" * 5000, "54001", None, None),
        ("select (select value from generate_series(1, 2))", "21000", None, None),
        ("select 1; select 2", "42601", None, None),
        ("", "42601", None, None),
        ("select $1 from state", "42P02", None, None),
        ("insert into state (key) values ('a')", "25006", None, None),
        ("create table t as select 1", "25006", None, None),
        ("drop table state", "25006", None, None),
        ("copy state to '/tmp/never.csv'", "25006", None, None),
        ("create external table t stored as csv location '/etc/passwd'", "25006", None, None),
        ("set datafusion.execution.batch_size = 1", "25006", None, None),
        ("select * from '/etc/passwd'", "42P01", None, None),
    ],
)
def test_what_is_wrong_is_told_with_its_state(
    one_worker: "Answers", sql: str, state: str, position: int | None, hint: str | None
) -> None:
    error = one_worker.failure(sql)
    assert error.sqlstate == state, error.message
    assert error.http_status == 400
    if position is not None:
        assert error.position == position
    if hint is not None:
        assert error.hint == hint


class Answers:
    """What one worker says to many statements; asked one by one, each in a run of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._errors: dict[str, QueryError] = {}

    def prepare(self, statements: list[str]) -> None:
        async def ask() -> None:
            async with bed(self._folder) as server:
                for sql in statements:
                    self._errors[sql] = await failure(server, sql)

        trio.run(ask)

    def failure(self, sql: str) -> QueryError:
        return self._errors[sql]


@pytest.fixture(scope="module")
def one_worker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    answers = Answers(tmp_path_factory.mktemp("worker"))
    (mark,) = (
        mark
        for mark in test_what_is_wrong_is_told_with_its_state.pytestmark  # type: ignore[attr-defined]
        if mark.name == "parametrize"
    )
    answers.prepare([case[0] for case in mark.args[1]])
    return answers


async def test_a_query_that_is_left_makes_room_at_once(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        await server.rows("select 1")
        before = server.workers()
        with trio.move_on_after(0.2) as scope:
            await server.rows(ENDLESS)
        assert scope.cancelled_caught
        with trio.fail_after(30):
            assert await server.rows("select 2 as n") == [{"n": 2}]
        assert len(server.workers()) == 1
        # Nothing in the engine looks at a flag while it computes, so the process had to go.
        assert server.workers() != before


async def test_a_scan_that_is_left_ends_without_its_process(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        for number in range(3000):
            server.tables.invocations.put(invocation_id(number), record(number), None)
        server.write()
        await server.rows("select 1")
        before = server.workers()
        statement = Statement("select * from sys_invocation")
        async with server.pool.open(statement, (), Output.JSON, False, SESSION) as query:
            assert await query.next(1) is not None
        assert await server.rows("select 2 as n") == [{"n": 2}]
        assert server.workers() == before


async def test_a_query_may_compute_only_so_long(tmp_path: Path) -> None:
    async with bed(tmp_path, timeout_s=0.3) as server:
        error = await failure(server, ENDLESS)
        assert error.sqlstate == errors.CANCELED
        assert error.http_status == 500
        assert await server.rows("select 2 as n") == [{"n": 2}]


async def test_a_memory_bomb_hits_only_its_own_worker(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        error = await failure(server, BOMB)
        assert error.sqlstate in (errors.WORKER_DIED, errors.OUT_OF_MEMORY)
        assert error.hint == "Ask for fewer rows or columns, or raise query.address_space."
        assert await server.rows("select 2 as n") == [{"n": 2}]


async def test_a_query_that_is_nested_too_deeply_is_told_so(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        error = await failure(server, "select " + "1+" * 50_000 + "1")
        assert error.sqlstate == errors.WORKER_DIED
        assert "nested too deeply" in error.message
        assert await server.rows("select 1 as n") == [{"n": 1}]


async def test_a_sort_of_more_than_the_memory_is_done_on_disk_or_refused(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        wide = "select value, repeat('x', 2000) as t from generate_series(1, 100000)"
        assert await server.rows(f"select count(*) as n from ({wide} order by t, value desc)") == [
            {"n": 100_000}
        ]
        joined = f"select count(*) from ({wide}) a join ({wide}) b on a.t = b.t and a.value = b.value"
        error = await failure(server, joined)
        assert error.sqlstate in (errors.OUT_OF_MEMORY, errors.WORKER_DIED)
        assert error.hint is not None
        assert "or raise query." in error.hint
        assert await server.rows("select 2 as n") == [{"n": 2}]


async def test_queries_wait_in_a_queue_with_an_end(tmp_path: Path) -> None:
    async with bed(tmp_path, queue_limit=1) as server:
        statement = Statement("select value from generate_series(1, 100000)")
        async with server.pool.open(statement, (), Output.JSON, False, SESSION) as query:
            await query.next(1)
            async with trio.open_nursery() as nursery:
                answers: list[object] = []

                async def wait() -> None:
                    answers.append(await server.rows("select 2 as n"))

                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
                error = await failure(server, "select 3")
                assert error.sqlstate == errors.TOO_MANY
                assert error.http_status == 429
                nursery.cancel_scope.cancel()
        assert answers == []
        assert await server.rows("select 4 as n") == [{"n": 4}]


async def test_rows_that_nobody_takes_do_not_keep_a_worker(tmp_path: Path) -> None:
    async with bed(tmp_path, take_timeout_s=0.1) as server:
        statement = Statement("select value from generate_series(1, 100000)")
        async with server.pool.open(statement, (), Output.JSON, False, SESSION) as query:
            await query.next(1)
            assert await server.rows("select 2 as n") == [{"n": 2}]
            with pytest.raises(QueryError) as caught:
                await _take_all(query)
        assert caught.value.sqlstate == errors.IDLE


async def _take_all(query: Query) -> None:
    while await query.next() is not None:
        continue


async def test_a_worker_without_work_ends(tmp_path: Path) -> None:
    async with bed(tmp_path, idle_timeout_s=0.1) as server:
        await server.rows("select 1")
        (pid,) = server.workers()
        with trio.fail_after(30):
            while server.workers():  # noqa: ASYNC110 -- the end of a process is what is waited for
                await trio.sleep(0.05)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert await server.rows("select 2 as n") == [{"n": 2}]


async def test_a_worker_that_has_run_enough_queries_is_replaced(tmp_path: Path) -> None:
    async with bed(tmp_path, queries_per_worker=2) as server:
        assert await server.rows("select 1 as n") == [{"n": 1}]
        first = server.workers()
        for number in range(2, 5):
            assert await server.rows(f"select {number} as n") == [{"n": number}]
            if number == 3:
                assert first.isdisjoint(server.workers())


async def test_a_worker_that_was_killed_is_replaced(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        await server.rows("select 1")
        (pid,) = server.workers()
        os.kill(pid, signal.SIGKILL)
        with trio.fail_after(30):
            while pid in server.workers():  # noqa: ASYNC110 -- the end of a process is what is waited for
                await trio.sleep(0.01)
        assert await server.rows("select 2 as n") == [{"n": 2}]


async def test_no_worker_outlives_the_pool(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        await server.rows("select 1")
        (pid,) = server.workers()
        pool = server.pool
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(QueryError) as caught:
        async with pool.open(Statement("select 1"), (), Output.JSON, False, SESSION):
            pass
    assert caught.value.sqlstate == errors.SHUTTING_DOWN
    assert not (tmp_path / "query").exists() or list((tmp_path / "query").iterdir()) == []


async def test_a_row_that_is_written_shows_in_the_next_query(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        assert await server.rows("select count(*) as n from sys_invocation") == [{"n": 0}]
        for number in range(20):
            server.tables.invocations.put(invocation_id(number), record(number), None)
            server.write()
            assert await server.rows("select count(*) as n from sys_invocation") == [{"n": number + 1}]


async def test_a_query_sees_one_point_in_time(tmp_path: Path) -> None:
    """A writer moves a number between two keys, both in one write; every query sees the same sum."""
    async with bed(tmp_path) as server:
        done = False

        def put(first: int) -> None:
            for key, number in (("a", first), ("b", 1000 - first)):
                server.tables.state.put(partition_key_of_key(key), "Counter", key, b"n", b"%d" % number)
            server.write()

        async def move() -> None:
            moves = 0
            while not done:
                put(moves % 1000)
                moves += 1
                if moves % 500 == 0:
                    server.store.flush()
                await trio.lowlevel.checkpoint()

        put(0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(move)
            for _ in range(30):
                rows = await server.rows("select sum(cast(value_utf8 as int)) as n, count(*) as c from state")
                assert rows == [{"n": 1000, "c": 2}]
            done = True


async def test_rows_are_shown_only_after_a_flush_that_began_after_the_worker_looked(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        await server.rows("select count(*) from state")
        before = server.flushes
        await server.rows("select count(*) from state")
        assert server.flushes == before + 1


async def test_what_the_invoker_has_in_memory_is_part_of_an_invocation(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        running, failing, ready, done = (invocation_id(number) for number in range(4))
        for number, each in enumerate((running, failing, ready)):
            server.tables.invocations.put(each, record(number, Status.INVOKED), None)
        server.tables.invocations.put(done, record(3), None)
        server.write()
        trouble = LiveFailure("[500 Internal] boom", "RT0007", 2, "step", "Run")
        server.live = [
            LiveAttempt(running, True, 1, 1000, "dp_1", "sdk/1", None, None),
            LiveAttempt(failing, False, 3, 1000, "dp_1", "sdk/1", 9000, trouble),
        ]
        rows = await server.rows(
            "select id, status, retry_count, last_failure from sys_invocation order by created_at"
        )
        assert rows == [
            {"id": format_invocation_id(running), "status": "running", "retry_count": 1},
            {
                "id": format_invocation_id(failing),
                "status": "backing-off",
                "retry_count": 3,
                "last_failure": "[500 Internal] boom",
            },
            {"id": format_invocation_id(ready), "status": "ready"},
            {"id": format_invocation_id(done), "status": "completed"},
        ]
        assert await server.rows("select count(*) as n from sys_invocation where status = 'running'") == [
            {"n": 1}
        ]
        assert await server.rows(
            "select service, last_error_code from sys_invocation_state where retry_count > 1"
        ) == [{"service": "Greeter", "last_error_code": "RT0007"}]


async def test_the_json_functions_and_arrows_work(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        server.tables.state.put(partition_key_of_key("k"), "Cart", "k", b"items", b'{"a": {"b": [1, "two"]}}')
        server.write()
        sql = (
            "select value_utf8 -> 'a' ->> 'b' as x, json_get_int(value_utf8 -> 'a' -> 'b', 0) as n from state"
        )
        assert await server.rows(sql) == [{"x": '[1,"two"]', "n": 1}]


async def test_the_stale_column_of_the_classic_tour_is_understood(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        assert await server.rows("select service_key_utf8 from state where service_key_utf8 = 'a'") == []


@pytest.mark.parametrize("output", [Output.POSTGRES, Output.ARROW, Output.JSON])
async def test_long_rows_leave_in_small_pieces_also_behind_a_filter(tmp_path: Path, output: Output) -> None:
    """The engine gathers what a filter has let through; 40 MB here."""
    async with bed(tmp_path, worker_limit=1) as server:
        for number in range(400):
            value = b"%03d" % number + b"x" * 100_000
            server.tables.state.put(partition_key_of_key("k"), "Blob", "k", b"%03d" % number, value)
        server.write()
        statement = Statement("select value_utf8 from state where value_utf8 like '%x' or length(key) = 7")
        sizes, count = [], 0
        async with server.pool.open(statement, (), output, False, SESSION) as query:
            while (rows := await query.next()) is not None:
                sizes.append(len(rows.data))
                count += rows.count
        assert count == 400
        assert max(sizes) < 5 * MIB < sum(sizes)


@pytest.mark.parametrize(
    "sql",
    ["select * from state where key like '%0'", "select key from State order by value_utf8 || key"],
)
async def test_of_rows_that_may_be_long_the_engine_holds_few(tmp_path: Path, sql: str) -> None:
    """A filter or a sort gives what it has gathered by the number of rows: 4,096 of a megabyte would be too much."""
    async with bed(tmp_path, worker_limit=1) as server:
        for number in range(1000):
            server.tables.state.put(partition_key_of_key("k"), "Blob", "k", b"%03d" % number, b"1")
        server.write()
        counts = []
        async with server.pool.open(Statement(sql), (), Output.ARROW, False, SESSION) as query:
            while (rows := await query.next()) is not None:
                counts.append(rows.count)
        assert sum(counts) >= 100
        assert max(counts) <= 64


async def test_large_values_do_not_fill_the_memory(tmp_path: Path) -> None:
    """100 MB in each table; read at once, they would take 800 MB on their way as hexadecimal text."""
    large = b"x" * MIB
    async with bed(tmp_path, worker_limit=1) as server:
        for number in range(100):
            each = invocation_id(number)
            server.tables.state.put(partition_key_of_key("k"), "Blob", "k", b"%03d" % number, large)
            server.tables.invocations.put(each, record(number, outcome=Success(large)), None)
            server.tables.journal.append(each, 0, CommandRow(0x0401, 0, 1, b"\x72\x00" + large))
            server.write()
        server.pool._workers._settings = attrs.evolve(
            server.pool._workers._settings,
            worker=attrs.evolve(server.pool._workers._settings.worker, address_space_bytes=700 * MIB),
        )
        for table in ("state", "sys_journal"):
            count = 0
            column = "value" if table == "state" else "raw"
            statement = Statement(f"select {column} from {table}")
            async with server.pool.open(statement, (), Output.POSTGRES, False, SESSION) as query:
                while (rows := await query.next()) is not None:
                    count += rows.count
            assert count == 100
        assert await server.rows(
            "select count(*) as n from sys_invocation where completion_result = 'success'"
        ) == [{"n": 100}]
        both = await server.rows(
            "select count(distinct id || target) as n from sys_invocation where status = 'completed'"
        )
        assert both == [{"n": 100}]
