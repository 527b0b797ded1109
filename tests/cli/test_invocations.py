"""`restate invocations`."""

import json

import pytest

from tests.cli.fake_admin import FakeAdmin
from tests.cli.samples import INVOCATION_ID, OTHER_ID, invocation

FAILURE = "[500] first line\nsecond line"


def test_the_list_hides_completed_ones_and_shows_first_lines_of_failures(admin: FakeAdmin) -> None:
    admin.queries["FROM sys_invocation"] = [invocation(status="backing-off", last_failure=FAILURE)]
    done = admin.run("inv", "ls")
    assert "inv.status != 'completed'" in admin.sql[0]
    line = done.stdout.splitlines()[1]
    assert line.startswith(f"{INVOCATION_ID}  Counter/a/add  backing-off")
    assert line.endswith("[500] first line")


@pytest.mark.parametrize(
    ("words", "condition"),
    [
        ("--service A --service B", "inv.target_service_name IN ('A', 'B')"),
        ("--handler it's", "inv.target_handler_name IN ('it''s')"),
        ("--key k", "inv.target_service_key IN ('k')"),
        ("--status running,paused --status ready", "inv.status IN ('running', 'paused', 'ready')"),
        ("--completion-result failure", "inv.status = 'completed' AND inv.completion_result = 'failure'"),
        ("--dp d", "(inv.pinned_deployment_id IN ('d') OR inv.last_attempt_deployment_id IN ('d'))"),
        ("--virtual-objects-only", "inv.target_service_ty = 'virtual_object'"),
        ("--zombie", "inv.pinned_deployment_id IS NOT NULL AND dp.id IS NULL"),
        ("--oldest-first", "ORDER BY inv.created_at ASC, inv.id LIMIT 101"),
        ("--limit 7", "ORDER BY inv.created_at DESC, inv.id LIMIT 8"),
    ],
)
def test_filters_become_conditions(admin: FakeAdmin, words: str, condition: str) -> None:
    assert admin.run("inv", "ls", *words.split()).exit_code == 0
    assert condition in admin.sql[0]


def test_all_has_no_condition(admin: FakeAdmin) -> None:
    admin.run("inv", "ls", "--all", "--status", "running")
    assert "WHERE" not in admin.sql[0]


def test_a_status_that_does_not_exist_is_a_usage_error(admin: FakeAdmin) -> None:
    done = admin.run("inv", "ls", "--status", "running,bogus")
    assert done.exit_code == 2
    assert "'bogus' is not one of scheduled, pending" in done.stderr


def test_more_than_the_limit_is_told(admin: FakeAdmin) -> None:
    admin.queries["FROM sys_invocation"] = [invocation(), invocation(id=OTHER_ID)]
    done = admin.run("inv", "ls", "--limit", "1")
    assert OTHER_ID not in done.stdout
    assert "more than these 1" in done.stderr
    assert len(json.loads(admin.run("inv", "ls", "--limit", "1", "--json").stdout)) == 1


def test_a_description_has_the_journal_in_order(admin: FakeAdmin) -> None:
    admin.queries["FROM sys_journal"] = [
        {"index": 1, "entry_type": "Command: Sleep", "sleep_wakeup_at": "2026-11-25T02:17:00.000Z"},
        {"index": 0, "entry_type": "Command: Input"},
    ]
    admin.queries["FROM sys_invocation"] = [
        invocation(
            pinned_deployment_id="dp_1",
            completion_failure=FAILURE,
            status="completed",
            completion_result="failure",
        )
    ]
    done = admin.run("inv", "get", INVOCATION_ID)
    assert "completed with failure" in done.stdout
    assert "dp_1 (removed)" in done.stdout
    assert "second line" in done.stdout
    assert done.stdout.index("Command: Input") < done.stdout.index("Command: Sleep")
    assert "until 2026-11-25 02:17:00 UTC" in done.stdout
    shown = json.loads(admin.run("inv", "get", INVOCATION_ID, "--json").stdout)
    assert [entry["index"] for entry in shown["journal"]] == [0, 1]


def test_an_unknown_invocation_ends_with_1(admin: FakeAdmin) -> None:
    done = admin.run("inv", "get", INVOCATION_ID)
    assert (done.exit_code, done.stderr) == (1, f"Error: the invocation {INVOCATION_ID} does not exist\n")


@pytest.mark.parametrize(
    ("words", "path", "sql"),
    [
        (["cancel"], "cancel", "status != 'completed'"),
        (["cancel", "--kill"], "kill", "status != 'completed'"),
        (["kill"], "kill", "status != 'completed'"),
        (["rm"], "purge", "status = 'completed'"),
        (["restart"], "restart-as-new", "status = 'completed'"),
        (["pause"], "pause", "status IN ('invoked', 'suspended')"),
        (["resume"], "resume", "status IN ('paused', 'invoked', 'suspended')"),
        (["resume", "--deployment", "latest"], "resume?deployment=latest", "status IN ("),
    ],
)
def test_operations_go_to_an_id_or_to_all_that_a_filter_finds(
    admin: FakeAdmin, words: list[str], path: str, sql: str
) -> None:
    for each in (INVOCATION_ID, OTHER_ID):
        admin.answers[f"PATCH /invocations/{each}/{path}"] = (200, None)
    one = admin.run("inv", *words, INVOCATION_ID, "-y")
    assert one.exit_code == 0, one.output
    assert not admin.sql
    admin.queries["sys_invocation_status"] = [
        {"id": INVOCATION_ID, "target": "A/b"},
        {"id": OTHER_ID, "target": "A/b"},
    ]
    both = admin.run("inv", *words, "A/b", "-y")
    assert both.exit_code == 0, both.output
    assert f" AND {sql}" in admin.sql[0]
    assert [path for _, path, _ in admin.changes] == [
        f"/invocations/{each}/{path}" for each in (INVOCATION_ID, INVOCATION_ID, OTHER_ID)
    ]


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("Svc", "starts_with(target, 'Svc/')"),
        (
            "A/b",
            "((target = 'A/b' AND target_service_ty = 'service')"
            " OR (starts_with(target, 'A/b/') AND target_service_ty != 'service'))",
        ),
        ("A/k/h", "target = 'A/k/h'"),
        ("A/k/h/more", "target = 'A/k/h/more'"),
        ("it's", "starts_with(target, 'it''s/')"),
        ("inv_1/k", "((target = 'inv_1/k' AND"),
    ],
)
def test_a_filter_names_a_service_a_key_or_a_handler(admin: FakeAdmin, query: str, condition: str) -> None:
    done = admin.run("inv", "cancel", query, "-y")
    assert done.exit_code == 1
    assert f"no invocations were found for '{query}'" in done.stderr
    assert f"WHERE {condition}" in admin.sql[0]


def test_nothing_is_done_unasked(admin: FakeAdmin) -> None:
    admin.queries["sys_invocation_status"] = [{"id": INVOCATION_ID, "target": "A/b"}]
    done = admin.run("inv", "kill", "A")
    assert done.exit_code == 1
    assert INVOCATION_ID in done.stdout
    assert "Kill 1 invocation? Nobody is there to answer" in done.stderr
    assert not admin.changes


@pytest.mark.parametrize(("value", "changes"), [("true", 1), ("1", 1), ("false", 0), ("0", 0), ("", 0)])
def test_a_program_of_a_pipeline_is_not_asked(admin: FakeAdmin, value: str, changes: int) -> None:
    admin.answers[f"PATCH /invocations/{INVOCATION_ID}/kill"] = (200, None)
    admin.run("inv", "kill", INVOCATION_ID, CI=value)
    assert len(admin.changes) == changes


def test_what_fails_for_some_is_done_for_the_others(admin: FakeAdmin) -> None:
    admin.queries["sys_invocation_status"] = [
        {"id": INVOCATION_ID, "target": "A/b"},
        {"id": OTHER_ID, "target": "A/b"},
    ]
    admin.answers[f"PATCH /invocations/{INVOCATION_ID}/restart-as-new"] = (
        410,
        {"message": "the journal is gone"},
    )
    admin.answers[f"PATCH /invocations/{OTHER_ID}/restart-as-new"] = (200, {"new_invocation_id": "inv_1new"})
    done = admin.run("inv", "restart-as-new", "A", "-y")
    assert done.exit_code == 1
    assert f"{OTHER_ID}  inv_1new" in done.stdout
    assert f"{INVOCATION_ID}  the journal is gone (410 Gone)" in done.stdout
    assert "1 of 2 invocations could not be restarted" in done.stderr
    told = json.loads(admin.run("inv", "restart-as-new", "A", "-y", "--json").stdout)
    assert told == [
        {"id": INVOCATION_ID, "error": "the journal is gone (410 Gone)"},
        {"id": OTHER_ID, "new_invocation_id": "inv_1new"},
    ]


def test_what_was_done_before_the_server_was_lost_is_told(admin: FakeAdmin) -> None:
    ids = [INVOCATION_ID, OTHER_ID, f"{OTHER_ID[:-1]}x"]
    admin.queries["sys_invocation_status"] = [{"id": each, "target": "A/b"} for each in ids]
    admin.answers[f"PATCH /invocations/{ids[0]}/restart-as-new"] = (200, {"new_invocation_id": "inv_1new"})
    admin.answers[f"PATCH /invocations/{ids[1]}/restart-as-new"] = (200, b"<html>")
    done = admin.run("inv", "restart-as-new", "A", "-y")
    assert done.exit_code == 1
    assert f"{ids[0]}  inv_1new" in done.stdout
    assert f"1 of 3 invocations had their turn before; what became of {ids[1]} is not known" in done.stderr
    assert [path for _, path, _ in admin.changes] == [
        f"/invocations/{each}/restart-as-new" for each in ids[:2]
    ]
    told = json.loads(admin.run("inv", "restart-as-new", "A", "-y", "--json").stdout)
    assert told == [{"id": ids[0], "new_invocation_id": "inv_1new"}]


def test_a_filter_that_finds_too_many_is_cut_off_and_told(admin: FakeAdmin) -> None:
    admin.queries["sys_invocation_status"] = [
        {"id": INVOCATION_ID, "target": "A/b"},
        {"id": OTHER_ID, "target": "A/b"},
    ]
    admin.answers[f"PATCH /invocations/{INVOCATION_ID}/cancel"] = (202, None)
    done = admin.run("inv", "cancel", "A", "--limit", "1", "-y")
    assert done.exit_code == 0
    assert "There are more than 1; only 1 are taken" in done.stderr
    assert len(admin.changes) == 1


def test_what_is_no_id_is_one_segment_of_the_path(admin: FakeAdmin) -> None:
    assert admin.run("invocations", "cancel", "inv_1 ?é", "-y").exit_code == 1
    assert [asked.path for asked in admin.asked] == ["/invocations/inv_1%20%3F%C3%A9/cancel"]
