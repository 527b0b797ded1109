"""The official command line cannot tell our server from the official one.

Every command of it that talks to the admin port is run against a server in which invocations are in all statuses.
`command_line/official.json` holds what it has shown with the official server, without ids, times and ports. Renew it,
after a change of the steps, by

    python -m tests.clients.test_official_cli

With `--official` the official server is asked again and must still answer so.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.clients.command_line.differences import DIFFERENCES, assert_shown, missing
from tests.clients.command_line.scene import dump, load, play
from tests.clients.command_line.steps import SCRIPT, STEPS
from tests.support import command_line
from tests.support.command_line import Terminal
from tests.support.server import OurServer

if TYPE_CHECKING:
    from tests.clients.command_line.scene import Observation

_RECORDED = Path(__file__).with_name("command_line") / "official.json"


def record() -> None:
    """Run all steps with the official server and keep what was shown."""
    with tempfile.TemporaryDirectory() as folder:
        dump(play(command_line.official(Path(folder)), SCRIPT, "official", Path(folder)), _RECORDED)


@pytest.fixture(scope="module")
def recorded() -> dict[str, Observation]:
    return load(_RECORDED)


@pytest.fixture(scope="module")
def seen(server_kind: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Observation]:
    folder = tmp_path_factory.mktemp(server_kind)
    return play(command_line.official(folder), SCRIPT, server_kind, folder)


@pytest.mark.parametrize("step", [step.name for step in STEPS])
def test_a_command_shows_what_it_shows_with_the_official_server(
    step: str, server_kind: str, seen: dict[str, Observation], recorded: dict[str, Observation]
) -> None:
    assert_shown(step, server_kind, seen[step], recorded[step], DIFFERENCES)


def test_every_difference_has_its_steps_and_reason(recorded: dict[str, Observation]) -> None:
    assert all(difference.reason for difference in DIFFERENCES)
    assert missing(recorded, DIFFERENCES) == []


def test_watching_draws_again(tmp_path: Path) -> None:
    server = OurServer(tmp_path)
    server.start()
    try:
        line = command_line.official(tmp_path)
        terminal = Terminal(line, ["sql", "SELECT 1 AS watched", "-w", "-n", "0.2"], server)
        terminal.read_until("(?:WATCHED.*){3}")
        terminal.interrupt()
        terminal.end()
    finally:
        server.stop()


if __name__ == "__main__":
    record()
