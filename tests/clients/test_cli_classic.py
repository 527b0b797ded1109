"""Both command lines work with services of the classic generation, which they do not know of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import command_line
from tests.support.caller import eventually
from tests.support.programs import Sdk
from tests.support.server import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.conftest import Bed
    from tests.support.command_line import Done


READS = {
    "services list": "counter",
    "services list --extra": "slowAdd",
    "services describe counter": "VirtualObject",
    "services status": "slowAdd",
    "services status counter": "<sleeping>",
    "services config view counter": "30m",
    "deployments list --extra": "Active",
    "deployments describe <deployment>": "RpcRequest",
    "deployments describe <deployment> --extra": "Active",
    "invocations list": "counter/k/slowAdd",
    "invocations list --service counter --status suspended": "<sleeping>",
    "invocations describe <sleeping>": "Sleep",
    "state get counter j": "41",
    "sql 'SELECT id FROM sys_invocation'": "<waiting>",
}
"""{command: what it shows}."""


@pytest.fixture(scope="module")
def sdk(server_kind: str) -> Sdk:
    if server_kind == "official":
        pytest.skip("the official server has no classic generation")
    return Sdk.CLASSIC


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(inactivity_timeout="400ms")


@pytest.fixture(scope="module")
def names(bed: Bed) -> dict[str, str]:
    """An object that sleeps, a call that waits for it, and another one with state."""

    def send(method: str, key: str, request: object) -> str:
        argument = {"key": key, "request": request}
        body = {"service": "counter", "method": method, "argument": argument}
        return str(bed.caller.call("dev.restate.Ingress/Invoke", body).ok()["id"])

    deployment = bed.caller.admin("GET", "/deployments").ok()["deployments"][0]["id"]
    found = {
        "sleeping": send("slowAdd", "k", {"n": 1, "ms": 3_600_000}),
        "waiting": send("add", "k", 1),
        "deployment": deployment,
    }
    send("add", "j", 41)
    return found


@pytest.fixture(scope="module", params=["official", "ours"])
def run(
    request: pytest.FixtureRequest, bed: Bed, names: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Done]:
    """Runs one command line or the other; `<name>` stands for the id of that name."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    line = command_line.official(folder) if request.param == "official" else command_line.ours(folder)

    def call(text: str) -> Done:
        for name, value in names.items():
            text = text.replace(f"<{name}>", value)
        head, quote, tail = text.partition("'")
        words = [*head.split(), tail.rstrip("'")] if quote else head.split()
        return line.run(words, bed.server)

    return call


@pytest.mark.parametrize("command", READS)
def test_what_is_there_is_shown(run: Callable[[str], Done], names: dict[str, str], command: str) -> None:
    expected = READS[command]
    text = names[expected.strip("<>")] if expected.startswith("<") else expected

    def shown() -> bool:
        done = run(command)
        assert done.status == 0, done.err
        return text in done.out

    # The sleep takes a moment to suspend, the state to be stored.
    eventually(shown, what=f"'{text}' in the output of {command}")


def test_state_and_configuration_are_changed(run: Callable[[str], Done], bed: Bed) -> None:
    for n in (50, 41):
        patch = f'[{{"op":"replace","path":"/n","value":{n}}}]'
        assert run(f"-y state patch counter j --patch '{patch}'").status == 0
        eventually(
            lambda n=n: bed.caller.call("counter/get", {"key": "j"}).ok()["response"] == n,  # type: ignore[misc]
            what=f"a count of {n}",
        )
    for public in (False, True):
        assert run(f"-y services config patch counter --public {str(public).lower()}").status == 0
        assert bed.caller.admin("GET", "/services/counter").ok()["public"] is public


def test_invocations_are_paused_resumed_and_killed(run: Callable[[str], Done], bed: Bed) -> None:
    argument = {"key": "operated", "request": {"n": 1, "ms": 3_600_000}}
    body = {"service": "counter", "method": "slowAdd", "argument": argument}
    bed.caller.call("dev.restate.Ingress/Invoke", body).ok()
    eventually(lambda: "suspended" in run("invocations list --key operated").out, what="the sleep")
    assert run("-y invocations pause counter/operated").status == 0
    assert run("-y invocations resume counter/operated").status == 0
    assert run("-y invocations kill counter/operated/slowAdd").status == 0
    eventually(lambda: "operated" not in run("invocations list").out, what="the end")


def test_a_deployment_is_registered_again(run: Callable[[str], Done], bed: Bed) -> None:
    known = run(f"-y deployments register {bed.program.uri}")
    assert known.status == 0
    assert "already" in known.out
    before = bed.caller.admin("GET", "/services/greeter").ok()["revision"]
    assert run(f"-y deployments register {bed.program.uri} --force").status == 0
    assert bed.caller.admin("GET", "/services/greeter").ok()["revision"] == before + 1
