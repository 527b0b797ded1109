"""The journal as rows: classic entries with their completions joined, modern ones as they are stored."""

from pathlib import Path

import pytest

from restate.runtime.model.ids import format_invocation_id
from restate.runtime.model.invocation import Status
from restate.runtime.model.journal import (
    CLASSIC_CALLEE_ID_BASE,
    SIGNAL_CODE,
    Callee,
    CommandRow,
    JournalRow,
    NotificationRow,
)
from restate.runtime.model.result import VOID, CalleeId, Failure, StateKeys, Success
from restate.runtime.model.target import HandlerType, ServiceType, Target
from restate.runtime.pb import classic_pb2, modern_pb2
from restate.runtime.service_protocol.modern import encode_notification
from tests.query.workers import Bed, bed, invocation_id, record

pytestmark = pytest.mark.slow

CALLER, CALLED = invocation_id(1, "k"), invocation_id(2, "other")
CLASSIC = Target("org.Counter", "Add", "k", ServiceType.KEYED, HandlerType.EXCLUSIVE)
UNKEYED = Target("org.Greeter", "Greet", "0190-uuid", ServiceType.UNKEYED, HandlerType.PLAIN)
CALLEE = Callee(CALLED, Target("org.Counter", "Add", "other", ServiceType.KEYED, HandlerType.EXCLUSIVE))


def append(server: Bed, rows: list[JournalRow]) -> None:
    for index, row in enumerate(rows):
        server.tables.journal.append(CALLER, index, row)


async def test_classic_entries_are_told_with_their_completions(tmp_path: Path) -> None:
    state = classic_pb2.GetStateEntry(key=b"n").SerializeToString()
    sleep = classic_pb2.SleepEntry(wake_up_time=1_795_000_001_000).SerializeToString()
    invoke = classic_pb2.InvokeEntry(service_name="org.Counter", method_name="Add", parameter=b"x")
    rows: list[JournalRow] = [
        CommandRow(0x0400, 0, 1, b"\x72\x01x", completed=True),
        CommandRow(0x0800, 1, 2, state),
        NotificationRow(0x8002, 1, 3, Success(b"7")),
        CommandRow(0x0C00, 2, 4, sleep),
        CommandRow(0x0C01, 3, 5, invoke.SerializeToString(), callee=CALLEE),
        NotificationRow(0x800E, CLASSIC_CALLEE_ID_BASE + 3, 5, CalleeId(CALLED)),
        NotificationRow(SIGNAL_CODE, 5, 6, Success(b"early")),
        CommandRow(0xFC01, 4, 7, b"side effect"),
    ]
    async with bed(tmp_path) as server:
        running = record(1, Status.INVOKED, target=CLASSIC, journal_length=len(rows), commands=5)
        server.tables.invocations.put(CALLER, running, None)
        append(server, rows)
        server.write()
        found = await server.rows(
            "select index, entry_type, completed, invoked_id, invoked_target, invoked_service, invoked_method,"
            " invoked_service_key, sleep_wakeup_at, version, name, entry_json from sys_journal"
            " where service = 'org.Counter' and service_key = 'k' order by index"
        )
        assert found == [
            {"index": 0, "entry_type": "PollInputStream", "version": 1},
            {"index": 1, "entry_type": "GetState", "completed": True, "version": 1},
            {"index": 2, "entry_type": "Sleep", "completed": False, "sleep_wakeup_at": "2026-11-18T11:06:41Z"}
            | {"version": 1},
            {
                "index": 3,
                "entry_type": "Invoke",
                "completed": False,
                "invoked_id": format_invocation_id(CALLED),
                "invoked_target": "org.Counter/other/Add",
                "invoked_service": "org.Counter",
                "invoked_method": "Add",
                "invoked_service_key": "other",
                "version": 1,
            },
            {"index": 4, "entry_type": "Custom", "version": 1},
            {"index": 5, "entry_type": "CompletionResult", "version": 1},
        ]
        (raw,) = await server.rows("select raw from sys_journal where index = 1")
        assert bytes.fromhex(raw["raw"]) == state + classic_pb2.Completion(value=b"7").SerializeToString()
        joined = await server.rows(
            "select s.status, s.journal_size, j.entry_type from sys_status s join sys_journal j"
            " on s.service = j.service and s.service_key = j.service_key where j.index = 0"
        )
        assert joined == [{"status": "invoked", "journal_size": 5, "entry_type": "PollInputStream"}]


async def test_classic_services_without_key_have_one_for_each_call(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        server.tables.invocations.put(CALLER, record(1, Status.SUSPENDED, target=UNKEYED), None)
        server.tables.invocations.put(CALLED, record(2, Status.SUSPENDED), None)
        append(server, [CommandRow(0x0400, 0, 1, b"", completed=True)])
        server.write()
        rows = await server.rows("select service, method, service_key from sys_status order by service")
        assert rows == [
            {"service": "Greeter", "method": "greet", "service_key": format_invocation_id(CALLED)},
            {"service": "org.Greeter", "method": "Greet", "service_key": "0190-uuid"},
        ]
        by_key = "select id from sys_status where service = '{}' and service_key = '{}'"
        for service, key, expected in (
            ("Greeter", format_invocation_id(CALLED), CALLED),
            ("org.Greeter", "0190-uuid", CALLER),
        ):
            assert await server.rows(by_key.format(service, key)) == [{"id": format_invocation_id(expected)}]
        assert await server.rows("select service_key from sys_journal") == [{"service_key": "0190-uuid"}]
        modern = await server.rows(
            "select target, target_service_key, target_service_ty from sys_invocation order by 1"
        )
        assert modern == [
            {"target": "Greeter/greet", "target_service_ty": "service"},
            {"target": "org.Greeter/Greet", "target_service_ty": "service"},
        ]


async def test_modern_entries_are_told_as_they_are_stored(tmp_path: Path) -> None:
    keys = modern_pb2.GetLazyStateKeysCommand(result_completion_id=1).SerializeToString()
    rows: list[JournalRow] = [
        CommandRow(0x0406, 0, 1, keys),
        NotificationRow(0x8006, 1, 2, StateKeys((b"a", b"b"))),
        NotificationRow(SIGNAL_CODE, "go", 3, Failure(409, "no", (("k", "v"),))),
        NotificationRow(0x800C, 2, 4, VOID),
        CommandRow(0x040C, 1, 5, b"\xff not a message"),
    ]
    sizes = [
        len(encode_notification(row, 6)) - 8 if isinstance(row, NotificationRow) else len(row.raw)
        for row in rows
    ]
    async with bed(tmp_path) as server:
        server.tables.invocations.put(CALLER, record(1, key="k", journal_length=len(rows)), None)
        append(server, rows)
        server.write()
        found = await server.rows(
            "select entry_type, name, entry_json as e, entry_lite_json as l, raw_length from sys_journal"
            f" where id = '{format_invocation_id(CALLER)}' order by index"
        )
        assert found == [
            {
                "entry_type": "Command: GetLazyStateKeys",
                "name": "",
                "e": '{"Command":{"GetLazyStateKeys":{"completion_id":1,"name":""}}}',
                "l": '{"Command":{"GetLazyStateKeys":{"completion_id":1}}}',
                "raw_length": len(keys),
            },
            {
                "entry_type": "Notification: GetLazyStateKeys",
                "e": '{"Notification":{"Completion":{"GetLazyStateKeys":{"completion_id":1,"state_keys":["a","b"]}}}}',
                "l": '{"Notification":{"ty":{"Completion":"GetLazyStateKeys"},"id":{"CompletionId":1},"result":"StateKeys"}}',
                "raw_length": sizes[1],
            },
            {
                "entry_type": "Notification: Signal",
                "e": '{"Notification":{"Signal":{"id":{"Name":"go"},"result":{"Failure":{"code":409,"message":"no",'
                '"metadata":[{"key":"k","value":"v"}]}}}}}',
                "l": '{"Notification":{"ty":"Signal","id":{"SignalName":"go"},"result":"Failure"}}',
                "raw_length": sizes[2],
            },
            {
                "entry_type": "Notification: Sleep",
                "e": '{"Notification":{"Completion":{"Sleep":{"completion_id":2}}}}',
                "l": '{"Notification":{"ty":{"Completion":"Sleep"},"id":{"CompletionId":2},"result":"Void"}}',
                "raw_length": sizes[3],
            },
            {"entry_type": "Command: Sleep", "name": "", "raw_length": 15},
        ]


async def test_only_the_journals_of_known_ids_are_read(tmp_path: Path) -> None:
    async with bed(tmp_path) as server:
        for number in range(300):
            each = invocation_id(number, "k")
            server.tables.invocations.put(each, record(number, key="k"), None)
            server.tables.journal.append(each, 0, CommandRow(0x0400, 0, 1, b""))
        server.write()
        assert await server.rows("select count(*) as n, count(distinct id) as d from sys_journal") == [
            {"n": 300, "d": 300}
        ]
        one, two = (format_invocation_id(invocation_id(number, "k")) for number in (7, 250))
        sql = f"select id from sys_journal where id in ('{one}', '{two}', 'inv_1none') and index = 0 order by id"
        assert [row["id"] for row in await server.rows(sql)] == sorted((one, two))
