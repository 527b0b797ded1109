"""`restate services` and its configuration."""

import json
from pathlib import Path

import pytest

from tests.cli.fake_admin import FakeAdmin
from tests.cli.samples import DEPLOYMENT_ID, INVOCATION_ID, deployment, handler, invocation, service


@pytest.fixture
def registered(admin: FakeAdmin) -> FakeAdmin:
    private = service("Secret", public=False, ty="Service", handlers=[handler("tell")])
    admin.answers["GET /services"] = (200, {"services": [private, service()]})
    admin.answers["GET /services/Counter"] = (200, service())
    admin.answers["GET /deployments"] = (200, {"deployments": [deployment()]})
    admin.answers[f"GET /deployments/{DEPLOYMENT_ID}"] = (200, deployment())
    return admin


def test_the_list_is_sorted_and_may_leave_private_ones_out(registered: FakeAdmin) -> None:
    names = [line.split()[0] for line in registered.run("svc", "ls").stdout.splitlines()[1:]]
    assert names == ["Counter", "Secret"]
    public = json.loads(registered.run("svc", "ls", "--public-only", "--json").stdout)
    assert [each["name"] for each in public] == ["Counter"]
    assert "http://localhost:9080/" in registered.run("svc", "ls", "--extra").stdout


def test_a_description_has_the_deployment_and_the_handlers(registered: FakeAdmin) -> None:
    done = registered.run("svc", "get", "Counter")
    assert "Endpoint:    http://localhost:9080/" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["add", "Exclusive", "JSON", "none"]
    assert json.loads(registered.run("svc", "get", "Counter", "--json").stdout) == service()


def test_the_status_counts_and_names_busy_keys(registered: FakeAdmin) -> None:
    registered.queries["COUNT(1) AS count"] = [
        {"service": "Counter", "handler": "add", "status": "running", "count": 2},
        {"service": "Counter", "handler": "add", "status": "paused", "count": 1},
    ]
    registered.queries["FROM sys_inbox"] = [{"service_name": "Counter", "service_key": "a", "waiting": 3}]
    registered.queries["target_service_ty != 'service'"] = [
        {
            "id": INVOCATION_ID,
            "target_service_name": "Counter",
            "target_service_key": "a",
            "target_handler_name": "add",
            "status": "running",
            "modified_at": "2026-11-25T02:16:55.000Z",
        }
    ]
    registered.queries["ORDER BY inv.created_at DESC"] = [invocation()]
    every = registered.run("svc", "status")
    assert every.exit_code == 0, every.output
    header, counts = (line.split() for line in every.stdout.splitlines()[:2])
    assert counts[header.index("RUNNING")] == "2"
    assert counts[header.index("PAUSED")] == "1"
    assert "Secret" not in every.stdout
    assert f"Counter  a    3        {INVOCATION_ID}  add      running  " in every.stdout
    assert "Newest invocations" not in every.stdout
    one = json.loads(registered.run("svc", "status", "Counter", "--json").stdout)
    assert one["handlers"] == [
        {"service": "Counter", "handler": "add", "invocations": {"running": 2, "paused": 1}}
    ]
    assert one["busy_keys"][0]["waiting"] == 3
    assert one["recent_invocations"] == [invocation()]


def test_nothing_going_on_is_told(registered: FakeAdmin) -> None:
    assert registered.run("svc", "status").stdout == "No invocations are in progress.\n"


def test_the_configuration_is_shown(registered: FakeAdmin) -> None:
    shown = registered.run("services", "config", "view", "Counter").stdout
    assert "Abort timeout:          10m\n" in shown
    assert "Retry max attempts:     infinite\n" in shown
    assert "Public:                 yes\n" in shown
    assert (
        json.loads(registered.run("svc", "config", "view", "Counter", "--json").stdout)["abort_timeout"]
        == "10m"
    )


def test_a_patch_sends_what_was_given(registered: FakeAdmin) -> None:
    registered.answers["PATCH /services/Counter"] = (200, service(public=False))
    done = registered.run(
        "svc", "config", "patch", "Counter", "--public", "false", "--journal-retention", "3h", "-y"
    )
    assert done.exit_code == 0, done.output
    assert registered.changes == [
        ("PATCH", "/services/Counter", {"public": False, "journal_retention": "3h"})
    ]


def test_an_empty_patch_sends_nothing(registered: FakeAdmin) -> None:
    done = registered.run("svc", "config", "patch", "Counter", "-y")
    assert (done.exit_code, done.stderr) == (0, "Nothing to change.\n")
    assert not registered.changes


def editor(tmp_path: Path, command: str) -> str:
    script = tmp_path / "editor"
    script.write_text(f'#!/bin/sh\ncp "$1" "{tmp_path}/seen"\n{command} "$1"\n')
    script.chmod(0o755)
    return str(script)


def test_an_editor_gets_a_template_in_which_nothing_is_changed(registered: FakeAdmin, tmp_path: Path) -> None:
    done = registered.run("svc", "config", "edit", "Counter", "-y", RESTATE_EDITOR=editor(tmp_path, "true"))
    assert (done.exit_code, done.stderr) == (0, "Nothing to change.\n")
    template = (tmp_path / "seen").read_text()
    assert '# abort_timeout = "10m"' in template
    assert "# public = true" in template
    assert "workflow_completion_retention" not in template


def test_an_edited_line_is_sent(registered: FakeAdmin, tmp_path: Path) -> None:
    registered.answers["PATCH /services/Counter"] = (200, service())
    uncomment = "sed -i 's/^# abort_timeout.*/abort_timeout = \"20m\"/'"
    done = registered.run(
        "svc", "config", "edit", "Counter", "-y", RESTATE_EDITOR=editor(tmp_path, uncomment)
    )
    assert done.exit_code == 0, done.output
    assert registered.changes == [("PATCH", "/services/Counter", {"abort_timeout": "20m"})]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("= 1", "not valid TOML"), ("colour = 1", "'colour' cannot be changed; known are: public")],
)
def test_a_bad_edit_changes_nothing(registered: FakeAdmin, tmp_path: Path, text: str, reason: str) -> None:
    broken = editor(tmp_path, f"echo '{text}' >")
    done = registered.run("svc", "config", "edit", "Counter", "-y", RESTATE_EDITOR=broken)
    assert done.exit_code == 1
    assert reason in done.stderr
    assert not registered.changes


def test_an_editor_that_fails_is_told(registered: FakeAdmin) -> None:
    done = registered.run("svc", "config", "edit", "Counter", "-y", RESTATE_EDITOR="false")
    assert done.exit_code == 1
    assert "false: Editing failed" in done.stderr
