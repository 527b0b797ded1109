"""`restate state`."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from restate.runtime.cli.commands import state as module
from restate.runtime.cli.commands.state import version
from tests.cli.fake_admin import FakeAdmin
from tests.cli.samples import service


def rows(**values: bytes) -> list[dict[str, Any]]:
    return [{"service_key": "k", "key": name, "value": value.hex()} for name, value in values.items()]


@pytest.fixture
def stored(admin: FakeAdmin, monkeypatch: pytest.MonkeyPatch) -> FakeAdmin:
    """An object with state. Changes are accepted and never applied, and nobody waits long for them."""
    admin.answers["GET /services/Counter"] = (200, service())
    admin.answers["POST /services/Counter/state"] = (202, None)
    admin.queries["FROM state"] = rows(name=b'"bob"', count=b"5", exact=b"1.50")
    monkeypatch.setattr(module, "_SETTLED_AFTER_S", 0)
    return admin


def editor(tmp_path: Path, text: str) -> str:
    script = tmp_path / "editor"
    (tmp_path / "text").write_text(text)
    script.write_text(f'#!/bin/sh\ncp "$1" "{tmp_path}/seen"\ncat "{tmp_path}/text" > "$1"\n')
    script.chmod(0o755)
    return str(script)


def sent(admin: FakeAdmin) -> dict[str, Any]:
    ((_, _, body),) = admin.changes
    return {**body, "new_state": {name: bytes(value) for name, value in body["new_state"].items()}}


def test_the_version_is_the_servers() -> None:
    assert version({"name": b"bob"}) == "tDqA04Lj3_qJ-PgNPTecXDGZgpwy6jm2Ni2BYqJIthM"
    assert version({"name": b'"bob"', "count": b"5"}) == "7Po74YXtEcGkNGHClycJr9RJOH-UnIRNVKyzRSaZn60"


def test_the_state_is_shown_as_json(stored: FakeAdmin) -> None:
    assert json.loads(stored.run("state", "get", "Counter", "k", "--json").stdout) == {
        "count": 5,
        "exact": 1.5,
        "name": "bob",
    }
    assert stored.run("state", "get", "Counter", "k", "--plain").stdout.count("\n") == 1
    assert 'name   "bob"' in stored.run("state", "get", "Counter", "k").stdout
    binary = json.loads(stored.run("state", "get", "Counter", "k", "--binary", "--json").stdout)
    assert base64.b64decode(binary["name"]) == b'"bob"'
    assert "service_key = 'it''s'" in (stored.run("state", "get", "Counter", "it's"), stored.sql[-1])[1]


def test_a_value_that_is_no_json_asks_for_binary(stored: FakeAdmin) -> None:
    stored.queries["FROM state"] = rows(raw=b"\xff\x00")
    done = stored.run("state", "get", "Counter", "k")
    assert done.exit_code == 1
    assert "the value of 'raw' is no JSON; --binary" in done.stderr
    assert stored.run("state", "get", "Counter", "k", "--binary").exit_code == 0


def test_plain_services_have_no_state(admin: FakeAdmin) -> None:
    admin.answers["GET /services/Greeter"] = (200, service("Greeter", ty="Service"))
    done = admin.run("state", "get", "Greeter", "k")
    assert (done.exit_code, done.stderr.startswith("Error: Greeter has no state")) == (1, True)


def test_the_state_of_a_service_that_is_gone_can_be_seen(admin: FakeAdmin) -> None:
    done = admin.run("state", "get", "Gone", "k")
    assert done.exit_code == 0
    assert "Gone is not registered" in done.stderr


def test_a_patch_carries_the_version_and_leaves_other_bytes_alone(stored: FakeAdmin) -> None:
    before = version({"name": b'"bob"', "count": b"5", "exact": b"1.50"})
    patch = '[{"op":"replace","path":"/count","value":6}]'
    done = stored.run("state", "patch", "Counter", "k", "--patch", patch, "-y")
    assert done.exit_code == 0, done.output
    assert sent(stored) == {
        "version": before,
        "object_key": "k",
        "new_state": {"name": b'"bob"', "count": b"6", "exact": b"1.50"},
    }
    assert "cannot be seen yet" in done.stderr


def test_a_change_that_can_be_seen_is_told_as_done(stored: FakeAdmin) -> None:
    original = stored.answer

    def apply(method: str, path: str, body: Any) -> Any:
        if path.endswith("/state"):
            stored.queries["FROM state"] = rows(
                **{name: bytes(value) for name, value in body["new_state"].items()}
            )
        return original(method, path, body)

    stored.answer = apply  # type: ignore[method-assign]
    patch = '[{"op":"remove","path":"/name"}]'
    done = stored.run("state", "patch", "Counter", "k", "-p", patch, "-y", "--json")
    assert json.loads(done.stdout)["applied"] is True
    assert done.stderr == ""


def test_force_sends_no_version(stored: FakeAdmin) -> None:
    patch = '[{"op":"add","path":"/new","value":{"é":[1]}}]'
    stored.run("state", "patch", "Counter", "k", "-p", patch, "-y", "--force")
    assert sent(stored)["version"] is None
    assert sent(stored)["new_state"]["new"] == '{"é":[1]}'.encode()


@pytest.mark.parametrize(
    "patch", ["no json", "{}", '[{"op":"remove","path":"/nope"}]', '[{"op":"add","path":"","value":1}]']
)
def test_a_bad_patch_changes_nothing(stored: FakeAdmin, patch: str) -> None:
    done = stored.run("state", "patch", "Counter", "k", "-p", patch, "-y")
    assert done.exit_code == 1
    assert not stored.changes


def test_nothing_to_change_sends_nothing(stored: FakeAdmin) -> None:
    done = stored.run(
        "state", "patch", "Counter", "k", "-p", '[{"op":"test","path":"/count","value":5}]', "-y"
    )
    assert (done.exit_code, done.stderr) == (0, "Nothing to change.\n")
    assert not stored.changes


def test_an_editor_gets_the_state_and_its_text_is_stored(stored: FakeAdmin, tmp_path: Path) -> None:
    command = editor(tmp_path, '{"count": 7}')
    done = stored.run("state", "edit", "Counter", "k", "-y", RESTATE_EDITOR=command)
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "seen").read_text()) == {"count": 5, "exact": 1.5, "name": "bob"}
    assert sent(stored)["new_state"] == {"count": b"7"}


@pytest.mark.parametrize("text", ["not json", "[1]", ""])
def test_a_bad_edit_changes_nothing(stored: FakeAdmin, tmp_path: Path, text: str) -> None:
    done = stored.run("state", "edit", "Counter", "k", "-y", RESTATE_EDITOR=editor(tmp_path, text))
    assert done.exit_code == 1
    assert not stored.changes


def test_binary_values_are_edited_as_base64(stored: FakeAdmin, tmp_path: Path) -> None:
    stored.queries["FROM state"] = rows(raw=b"\xff")
    good = editor(tmp_path, '{"raw": "AAE="}')
    stored.run("state", "edit", "Counter", "k", "--binary", "-y", RESTATE_EDITOR=good)
    assert sent(stored)["new_state"] == {"raw": b"\x00\x01"}
    for text in ('{"raw": "?"}', '{"raw": 5}'):
        bad = stored.run(
            "state", "edit", "Counter", "k", "--binary", "-y", RESTATE_EDITOR=editor(tmp_path, text)
        )
        assert bad.exit_code == 1
        assert "must be text in base64" in bad.stderr


def test_clearing_takes_one_key_or_all(stored: FakeAdmin) -> None:
    stored.queries["FROM state"] = [*rows(a=b"1"), {"service_key": "k2", "key": "b", "value": ""}]
    assert stored.run("state", "clear", "Counter").exit_code == 1
    assert not stored.changes
    done = stored.run("state", "clear", "Counter", "-y", "--json")
    assert json.loads(done.stdout) == [
        {"service": "Counter", "key": "k"},
        {"service": "Counter", "key": "k2"},
    ]
    assert stored.changes == [
        ("POST", "/services/Counter/state", {"version": version(state), "object_key": key, "new_state": {}})
        for key, state in (("k", {"a": b"1"}), ("k2", {"b": b""}))
    ]
    stored.run("state", "clear", "Counter/a/b", "-y")
    assert stored.sql[-1].endswith("service_name = 'Counter' AND service_key = 'a/b'")


def test_nothing_to_clear_ends_with_1(admin: FakeAdmin) -> None:
    done = admin.run("state", "clear", "Counter", "-y")
    assert (done.exit_code, done.stderr) == (1, "Error: no state was found for 'Counter'\n")


def test_half_a_letter_is_refused(stored: FakeAdmin) -> None:
    done = stored.run(
        "state", "patch", "Counter", "k", "-y", "-p", '[{"op": "add", "path": "/name", "value": "\\ud800"}]'
    )
    assert (done.exit_code, len(stored.asked)) == (1, 2)
    assert "the value of 'name' has text that is no Unicode" in done.stderr


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_a_number_that_json_cannot_have_is_not_stored(stored: FakeAdmin, number: str) -> None:
    patch = f'[{{"op": "add", "path": "/n", "value": [{number}]}}]'
    done = stored.run("-y", "state", "patch", "Counter", "k", "--patch", patch)
    assert done.exit_code == 1
    assert "the value of 'n' has NaN or a number out of range" in done.stderr
    assert stored.changes == []
