"""`restate deployments`."""

import json

import pytest

from tests.cli.fake_admin import FakeAdmin
from tests.cli.samples import DEPLOYMENT_ID, deployment, handler, service

NEW = {"id": "dp_new", "services": [service()]}


@pytest.fixture
def fresh(admin: FakeAdmin) -> FakeAdmin:
    """Nothing is registered; what registers is new."""
    admin.answers["POST /deployments"] = (201, NEW)
    admin.answers["GET /services"] = (200, {"services": []})
    return admin


def test_registering_shows_the_plan_asks_and_registers(fresh: FakeAdmin) -> None:
    done = fresh.run("deployments", "register", "localhost:9080", "--yes")
    assert done.exit_code == 0, done.output
    assert "Counter (VirtualObject): new, revision 1" in done.stdout
    assert "Registered dp_new" in done.stdout
    body = {"uri": "http://localhost:9080", "use_http_11": False, "force": False, "breaking": False}
    assert fresh.changes == [
        ("POST", "/deployments", body | {"dry_run": True}),
        ("POST", "/deployments", body | {"dry_run": False}),
    ]


def test_without_somebody_to_ask_nothing_is_registered(fresh: FakeAdmin) -> None:
    done = fresh.run("deployments", "register", "http://localhost:9080")
    assert done.exit_code == 1
    assert "pass --yes" in done.stderr
    assert [body["dry_run"] for _, _, body in fresh.changes] == [True]


def test_ci_answers_yes(fresh: FakeAdmin) -> None:
    assert fresh.run("deployments", "register", "http://localhost:9080", CI="true").exit_code == 0
    assert len(fresh.changes) == 2


def test_options_of_a_registration_are_sent(fresh: FakeAdmin) -> None:
    words = "--force --use-http1.1 --extra-header a=b=c --extra-header x=y --metadata m=n -y --json"
    done = fresh.run("dp", "add", "https://h/p", *words.split())
    assert json.loads(done.stdout) == NEW
    assert fresh.changes[1][2] == {
        "uri": "https://h/p",
        "use_http_11": True,
        "force": True,
        "breaking": True,
        "additional_headers": {"a": "b=c", "x": "y"},
        "metadata": {"m": "n"},
        "dry_run": False,
    }


def test_a_lambda_is_registered_by_its_arn(fresh: FakeAdmin) -> None:
    arn = "arn:aws:lambda:eu-central-1:123456789012:function:f:1"
    assert fresh.run("dp", "register", arn, "--assume-role-arn", "arn:r", "-y").exit_code == 0
    assert fresh.changes[1][2] == {
        "arn": arn,
        "assume_role_arn": "arn:r",
        "force": False,
        "breaking": False,
        "dry_run": False,
    }


def test_a_header_without_a_value_is_a_usage_error(fresh: FakeAdmin) -> None:
    done = fresh.run("dp", "register", "h:1", "--extra-header", "nope")
    assert done.exit_code == 2
    assert "expected NAME=VALUE, got 'nope'" in done.stderr
    assert not fresh.asked


def test_a_known_deployment_is_left_alone(admin: FakeAdmin) -> None:
    admin.answers["POST /deployments"] = (200, deployment())
    admin.answers[f"GET /deployments/{DEPLOYMENT_ID}"] = (200, deployment())
    done = admin.run("dp", "register", "http://localhost:9080")
    assert done.exit_code == 0
    assert f"registered already, as {DEPLOYMENT_ID}" in done.stdout
    assert len(admin.changes) == 1


def test_a_known_deployment_of_the_classic_generation_is_left_alone(admin: FakeAdmin) -> None:
    refusal = {"message": f"[META0004] it is {DEPLOYMENT_ID}", "restate_code": "META0004"}
    admin.answers["POST /deployments"] = (409, refusal)
    admin.answers["GET /deployments"] = (200, {"deployments": [deployment(id="dp_other"), deployment()]})
    admin.answers[f"GET /deployments/{DEPLOYMENT_ID}"] = (200, deployment())
    done = admin.run("dp", "register", "http://localhost:9080")
    assert done.exit_code == 0
    assert f"registered already, as {DEPLOYMENT_ID}" in done.stdout
    admin.answers["GET /deployments"] = (200, {"deployments": []})
    assert "META0004" in admin.run("dp", "register", "http://localhost:9080").stderr
    admin.answers["POST /deployments"] = (409, {"message": DEPLOYMENT_ID, "restate_code": "META0006"})
    assert admin.run("dp", "register", "http://localhost:9080").exit_code == 1


def test_overwriting_shows_what_changes(admin: FakeAdmin) -> None:
    changed = service(revision=2, handlers=[handler("added")])
    admin.answers["POST /deployments"] = (200, deployment(services=[changed]))
    admin.answers[f"GET /deployments/{DEPLOYMENT_ID}"] = (
        200,
        deployment(services=[service(), service("Gone")]),
    )
    admin.answers["GET /services"] = (200, {"services": [service()]})
    done = admin.run("dp", "register", "http://localhost:9080", "--force", "-y")
    assert done.exit_code == 0, done.output
    assert f"{DEPLOYMENT_ID} is overwritten" in done.stdout
    assert "Counter (VirtualObject): revision 1 -> 2" in done.stdout
    lines = {line.split()[0]: line.split()[-1] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert (lines["added"], lines["add"]) == ("added", "removed")
    assert "No longer there: Gone" in done.stdout


def test_the_list_has_addresses_services_and_ages(admin: FakeAdmin) -> None:
    others = [deployment(id=name, created_at="2999-01-01T00:00:00Z") for name in ("dp_old", "dp_older")]
    admin.answers["GET /deployments"] = (200, {"deployments": [deployment(), *others]})
    admin.answers["GET /services"] = (200, {"services": [service()]})
    admin.queries["sys_invocation_status"] = [
        {"deployment": DEPLOYMENT_ID, "count": 3},
        {"deployment": "dp_old", "count": 1},
    ]
    plain = admin.run("dp", "ls")
    assert plain.stdout.splitlines()[1].startswith(f"{DEPLOYMENT_ID}  http://localhost:9080/  HTTP")
    assert not admin.sql
    extra = admin.run("dp", "ls", "--extra", "--json")
    shown = [(each["status"], each["active_invocations"]) for each in json.loads(extra.stdout)]
    assert shown == [("Active", 3), ("Draining", 1), ("Drained", 0)]
    assert len(admin.sql) == 1


@pytest.mark.parametrize(
    ("owner", "pinned", "status"),
    [(DEPLOYMENT_ID, 0, "Active"), ("dp_newer", 2, "Draining"), ("dp_newer", 0, "Drained")],
)
def test_only_a_drained_deployment_is_removed_without_force(
    admin: FakeAdmin, owner: str, pinned: int, status: str
) -> None:
    admin.answers[f"GET /deployments/{DEPLOYMENT_ID}"] = (200, deployment())
    admin.answers[f"DELETE /deployments/{DEPLOYMENT_ID}?force=true"] = (202, None)
    admin.answers["GET /services"] = (200, {"services": [service(deployment_id=owner)]})
    if pinned:
        admin.queries["sys_invocation_status"] = [{"service": "Counter", "handler": "add", "count": pinned}]
    gentle = admin.run("dp", "rm", DEPLOYMENT_ID, "-y")
    assert f"{status}\n" in gentle.stdout
    assert gentle.exit_code == (0 if status == "Drained" else 1)
    assert len(admin.changes) == (1 if status == "Drained" else 0)
    forced = admin.run("dp", "rm", DEPLOYMENT_ID, "--force", "-y", "--json")
    assert json.loads(forced.stdout) == {"removed": DEPLOYMENT_ID}


def test_a_description_counts_invocations_by_handler(admin: FakeAdmin) -> None:
    admin.answers[f"GET /deployments/{DEPLOYMENT_ID}"] = (200, deployment(metadata={"team": "a"}))
    admin.answers["GET /services"] = (200, {"services": [service()]})
    admin.queries["sys_invocation_status"] = [{"service": "Counter", "handler": "add", "count": 3}]
    done = admin.run("dp", "get", DEPLOYMENT_ID, "--extra")
    assert "Revision:  1 (latest)" in done.stdout
    assert "team: a" in done.stdout
    assert next(line for line in done.stdout.splitlines() if line.startswith("  add")).endswith("3")
