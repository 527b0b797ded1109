"""What SQL shows of an invocation in every situation there is: a table of situations by columns, on a real server.

Also on the official server with `--official`: the columns are the modern ones, and both must agree with the table.
"""

from __future__ import annotations

import concurrent.futures
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import httpx
import pytest

from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk, ServiceProgram
from tests.support.server import SERVERS, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Server

SERVICES = Path(__file__).parents[1] / "support" / "services" / "situations.py"
SETTINGS = Settings(
    inactivity_timeout="300ms",
    # The one try that fails is the last: what backs off does so until the end.
    retry_initial_interval="1h",
    retry_max_interval="1h",
    retry_max_attempts=None,
)
SOME = re.compile(r".+", re.DOTALL)
"""Any value but NULL."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
DEPLOYMENT = re.compile(r"dp_1\w{22}")
ID = re.compile(r"inv_1\w{33}")
CREATED = {
    "created_at": TIME,
    "modified_at": TIME,
    "invoked_by": "ingress",
    "created_using_restate_version": re.compile(r"\d+\.\d+\.\d+"),
}
BEGUN = {**CREATED, "running_at": TIME, "scheduled_at": None, "inboxed_at": None}
PINNED = {"pinned_deployment_id": DEPLOYMENT, "pinned_service_protocol_version": 6}
IN_HAND = {"last_start_at": TIME, "last_attempt_deployment_id": DEPLOYMENT, "last_attempt_server": SOME}
NOT_IN_HAND = dict.fromkeys(("retry_count", "last_start_at", "next_retry_at", "last_attempt_deployment_id"))
NO_FAILURE = dict.fromkeys(("last_failure", "last_failure_error_code", "last_failure_related_command_name"))
FAILED_ATTEMPT = {
    "last_failure": re.compile(r"\[500 Internal\] RuntimeError\('boom \w'\)\nTraceback.*", re.DOTALL),
    "last_failure_error_code": "RT0007",
    "last_failure_related_command_index": 1,
    "last_failure_related_command_name": "badstep",
    "last_failure_related_command_type": "Run",
}
OPEN = dict.fromkeys(("completed_at", "completion_result", "completion_failure"))
AWAKE = dict.fromkeys(
    ("suspended_waiting_for_completions", "suspended_waiting_for_signals", "suspended_waiting_future_json")
)


def waiting(completions: list[int], signals: list[int]) -> dict[str, Any]:
    members = [f'{{"Single":{{"CompletionId":{number}}}}}' for number in completions]
    members += [f'{{"Single":{{"SignalIndex":{number}}}}}' for number in signals]
    return {
        **BEGUN,
        **PINNED,
        **NOT_IN_HAND,
        **NO_FAILURE,
        **OPEN,
        "status": "suspended",
        "suspended_waiting_for_completions": completions,
        "suspended_waiting_for_signals": signals,
        "suspended_waiting_future_json": f'{{"Unknown":[{",".join(members)}]}}',
    }


SITUATIONS: dict[str, dict[str, Any]] = {
    "pending": {
        **CREATED,
        **NOT_IN_HAND,
        **OPEN,
        **AWAKE,
        "status": "pending",
        "target": "Lock/k1/hold",
        "target_service_key": "k1",
        "target_service_ty": "virtual_object",
        "inboxed_at": TIME,
        "running_at": None,
        "journal_size": None,
        "journal_commands_size": None,
        "pinned_deployment_id": None,
    },
    "scheduled": {
        **CREATED,
        **NOT_IN_HAND,
        **OPEN,
        **AWAKE,
        "status": "scheduled",
        "scheduled_at": TIME,
        "scheduled_start_at": TIME,
        "running_at": None,
        "journal_size": None,
    },
    "running": {
        **BEGUN,
        **IN_HAND,
        **NO_FAILURE,
        **OPEN,
        **AWAKE,
        "status": "running",
        "retry_count": 1,
        "next_retry_at": None,
        "target": "Look/runs",
        "target_service_name": "Look",
        "target_service_key": None,
        "target_handler_name": "runs",
        "target_service_ty": "service",
        "journal_size": 1,
        "journal_commands_size": 1,
        "completion_retention": "PT86400S",
        "journal_retention": "PT86400S",
    },
    "holding": {**BEGUN, **IN_HAND, **OPEN, "status": "running", "journal_size": 1},
    "backing off": {
        **BEGUN,
        **PINNED,
        **IN_HAND,
        **FAILED_ATTEMPT,
        **OPEN,
        **AWAKE,
        "status": "backing-off",
        "retry_count": SOME,
        "next_retry_at": TIME,
        "journal_size": 2,
    },
    "asleep": {**waiting([1], [1]), "target": "Look/sleeps", "journal_size": 2},
    "calling": {**waiting([2], [1]), "target": "Look/calls", "journal_size": 3},
    "called": {**waiting([1], [1]), "target": "Look/sleeps"}
    | {"invoked_by": "service", "invoked_by_id": ID, "invoked_by_target": "Look/calls"}
    | {"invoked_by_service_name": "Look"},
    "at an awakeable": {
        **waiting([], [1, 17]),
        "pinned_deployment_id": None,
        "pinned_service_protocol_version": None,
        # The official server has no order here.
        "suspended_waiting_for_signals": frozenset({1, 17}),
        "suspended_waiting_future_json": re.compile(
            r'\{"Unknown":\[\{"Single":\{"SignalIndex":17?\}\},\{"Single":\{"SignalIndex":17?\}\}\]\}'
        ),
    },
    "at a promise": {
        **waiting([1], [1]),
        "target": "Flow/w1/run",
        "target_service_ty": "workflow",
        "journal_size": 3,
    },
    "paused": {
        **BEGUN,
        **PINNED,
        **FAILED_ATTEMPT,
        **OPEN,
        **AWAKE,
        "status": "paused",
        "journal_size": 2,
    },
    "completed": {
        **BEGUN,
        **PINNED,
        **NOT_IN_HAND,
        **NO_FAILURE,
        **AWAKE,
        "status": "completed",
        "completed_at": TIME,
        "completion_result": "success",
        "completion_failure": None,
        "journal_size": 2,
        "journal_commands_size": 2,
    },
    "failed": {
        **BEGUN,
        **NOT_IN_HAND,
        **AWAKE,
        "status": "completed",
        "completed_at": TIME,
        "completion_result": "failure",
        "completion_failure": "[409] final x",
    },
}
"""{situation: {column of sys_invocation: its value, a pattern for it, a set in place of a list, or None for NULL}}."""


@attrs.frozen
class Look:
    """A server with one invocation in each situation. ids: {situation: id}."""

    server: Server
    ids: dict[str, str]

    def rows(self, sql: str) -> list[dict[str, Any]]:
        headers = {"accept": "application/json"}
        reply = httpx.post(f"{self.server.admin}/query", json={"query": sql}, headers=headers, timeout=60)
        assert reply.status_code == 200, f"{sql}: {reply.status_code} {reply.text}"
        rows: list[dict[str, Any]] = reply.json()["rows"]
        return rows


@pytest.fixture(scope="module")
def look(server_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Look]:
    folder = tmp_path_factory.mktemp("situations")
    server = SERVERS[server_kind](folder / "server", SETTINGS)
    server.start()
    try:
        program = ServiceProgram(Sdk.PYTHON, folder / "bed", script=SERVICES)
        try:
            with Caller(server) as caller:
                caller.register(program.uri)
                found = Look(server, _bring_about(caller))
            eventually(lambda: _all_there(found), what="every situation")
            yield found
        finally:
            program.stop()
    finally:
        server.stop()


def _bring_about(caller: Caller) -> dict[str, str]:
    """{situation: id} of invocations that are in it, or will be in a moment."""
    ids = {
        "paused": caller.send("Look/backsOff", "y"),
        "failed": caller.send("Look/fails", "x"),
        "completed": caller.call("Look/completes/send", "x").ok()["invocationId"],
        "backing off": caller.send("Look/backsOff", "x"),
        "running": caller.send("Look/runs", 120),
        "asleep": caller.send("Look/sleeps", 1),
        "calling": caller.send("Look/calls", 1),
        "at an awakeable": caller.send("Look/awaits", "x"),
        "holding": caller.send("Lock/k1/hold", 120),
        "pending": caller.send("Lock/k1/hold", 120),
        "scheduled": caller.call("Look/completes/send?delay=1h", "x").ok()["invocationId"],
        "at a promise": caller.call("Flow/w1/run/send", "x").ok()["invocationId"],
    }
    caller.call("Lock/all/everything", "z").ok()
    caller.call("Flow/w1/refuse", "no").ok()
    eventually(
        lambda: caller.admin("PATCH", f"/invocations/{ids['paused']}/pause").status in (200, 202),
        what="a pause",
    )
    return ids


def _all_there(look: Look) -> bool:
    """The attempts that fail spend their time between two of them."""
    rows = {
        row["id"]: row
        for row in look.rows("select id, status, retry_count, invoked_by_id from sys_invocation")
    }
    child = [each for each, row in rows.items() if row.get("invoked_by_id") == look.ids["calling"]]
    if child:
        look.ids["called"] = child[0]
    return set(look.ids) == set(SITUATIONS) and all(
        rows[look.ids[situation]]["status"] == columns["status"] for situation, columns in SITUATIONS.items()
    )


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_column_has_the_value_that_a_reader_expects(look: Look, situation: str) -> None:
    (row,) = look.rows(f"select * from sys_invocation where id = '{look.ids[situation]}'")
    wrong = {
        column: (row.get(column), expected)
        for column, expected in SITUATIONS[situation].items()
        if not _fits(row.get(column), expected)
    }
    assert wrong == {}


def _fits(value: Any, expected: Any) -> bool:
    if isinstance(expected, re.Pattern):
        return value is not None and expected.fullmatch(str(value)) is not None
    if isinstance(expected, frozenset):
        return isinstance(value, list) and frozenset(value) == expected
    return bool(value == expected)


def test_both_tables_and_the_view_agree(look: Look) -> None:
    """Upstream's own definition of the view, spelled out over the two tables."""
    joined = look.rows(
        "select st.id, case st.status when 'inboxed' then 'pending' when 'invoked' then"
        " case when ss.in_flight then 'running' when ss.retry_count > 0 then 'backing-off' else 'ready' end"
        " else st.status end as status from sys_invocation_state ss right join sys_invocation_status st on ss.id = st.id"
        " order by st.id"
    )
    assert joined == look.rows("select id, status from sys_invocation order by id")


def test_filters_find_what_a_look_at_all_rows_finds(look: Look) -> None:
    rows = look.rows(
        "select id, status, target_service_name as s, target_service_key as k from sys_invocation"
    )
    for status in {row["status"] for row in rows}:
        found = look.rows(f"select id from sys_invocation where status = '{status}' order by id")
        assert [row["id"] for row in found] == sorted(row["id"] for row in rows if row["status"] == status)
    for service in ("Look", "Lock", "Flow"):
        found = look.rows(
            f"select id from sys_invocation where target_service_name = '{service}' order by id"
        )
        assert [row["id"] for row in found] == sorted(row["id"] for row in rows if row["s"] == service)
    keyed = look.rows(
        "select id from sys_invocation where target_service_name = 'Lock' and target_service_key = 'k1' order by id"
    )
    assert [row["id"] for row in keyed] == sorted(look.ids[each] for each in ("holding", "pending"))
    ids = sorted(look.ids.values())
    texts = ", ".join(f"'{each}'" for each in [*ids, "inv_1nothing", "x"])
    if look.server.name == "ours":
        # The official server refuses ids that are none; ours finds nothing under them (settled.md #28).
        assert [
            row["id"] for row in look.rows(f"select id from sys_invocation where id in ({texts}) order by id")
        ] == ids


def test_who_holds_a_key_and_who_waits_for_it(look: Look) -> None:
    where = "where service_name = 'Lock' and service_key = 'k1'"
    assert look.rows(f"select invocation_id from sys_keyed_service_status {where}") == [
        {"invocation_id": look.ids["holding"]}
    ]
    (waiting,) = look.rows(f"select id, sequence_number from sys_inbox {where}")
    assert waiting["id"] == look.ids["pending"]


def test_state_and_promises(look: Look) -> None:
    where = "where service_name = 'Lock' and service_key = 'all' order by key"
    rows = look.rows(f"select key, value_utf8, value, value_length, key_length from state {where}")
    assert rows == [
        {"key": key, "value_utf8": value, "value": value.encode().hex(), "value_length": len(value)}
        | {"key_length": len(key)}
        for key, value in (("called", "true"), ("failed", "true"), ("kept", '"z"'))
    ]
    promises = look.rows(
        "select key, completed, completion_failure from sys_promise where service_key = 'w1' order by key"
    )
    assert promises == [
        {"key": "approval", "completed": False},
        {"key": "refused", "completed": True, "completion_failure": "[403] no"},
    ]


def test_what_failed_is_among_the_events(look: Look) -> None:
    sql = "select event_type, after_journal_entry_index as i from sys_journal_events where id = '{}' order by appended_at"
    assert look.rows(sql.format(look.ids["paused"])) == [
        {"event_type": "TransientError", "i": 1},
        {"event_type": "Paused", "i": 1},
    ]
    assert look.rows(sql.format(look.ids["completed"])) == []


def test_the_journal_has_every_kind_of_command(look: Look) -> None:
    rows = look.rows(
        "select index, entry_type, name, version, entry_json, entry_lite_json from sys_journal j"
        " join sys_invocation i on j.id = i.id where i.target = 'Lock/all/everything' order by index"
    )
    assert [row["index"] for row in rows] == list(range(len(rows)))
    assert {row["version"] for row in rows} == {2}
    kinds = {row["entry_type"] for row in rows}
    assert kinds >= {f"Command: {kind}" for kind in COMMANDS} | {
        f"Notification: {kind}" for kind in NOTIFICATIONS
    }
    (nap,) = [row for row in rows if row["entry_type"] == "Command: Sleep"]
    assert nap["name"] == "nap"
    assert re.fullmatch(
        r'\{"Command":\{"Sleep":\{"wake_up_time":\d+,"completion_id":6,"name":"nap"\}\}\}', nap["entry_json"]
    )
    (step,) = [
        row for row in rows if row["entry_lite_json"].startswith('{"Command":{"Run":{"completion_id":5')
    ]
    assert step["name"] == "failing step"


def test_what_was_acknowledged_shows_in_the_next_query(look: Look) -> None:
    """On any connection, thus by any worker, while others call as well."""

    def call(number: int) -> tuple[str, list[dict[str, Any]]]:
        with Caller(look.server) as caller:
            reply = caller.call("Look/completes", f"{number}")
            reply.ok()
            sql = f"select status from sys_invocation where id = '{reply.invocation_id}'"
            return reply.invocation_id, look.rows(sql)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(call, range(60)))
    # The client has its answer when the outcome is on disk.
    assert {invocation: rows for invocation, rows in answers if rows != [{"status": "completed"}]} == {}
    counted = look.rows("select count(*) as n from sys_invocation where target = 'Look/completes'")
    assert counted[0]["n"] >= 60


COMMANDS = [
    "Input",
    "Output",
    "SetState",
    "ClearState",
    "ClearAllState",
    "GetEagerState",
    "GetEagerStateKeys",
    "Run",
    "Sleep",
    "Call",
    "OneWayCall",
    "AttachInvocation",
    "CompleteAwakeable",
    "SendSignal",
]
NOTIFICATIONS = ["Run", "Sleep", "Call", "CallInvocationId", "AttachInvocation", "Signal"]
