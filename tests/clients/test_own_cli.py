"""Our own command line takes the official one's words, and works with both servers.

It goes through the same steps as the official one in `test_official_cli.py`, and must end as often well or badly. What
it shows with our server is what it has shown with the official one, which `command_line/own.json` holds. Renew it, after
a change of the steps or of what the program prints, by

    python -m tests.clients.test_own_cli

With `--official` it is run with the official server again. The last tests give it a terminal.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.clients.command_line.differences import OWN_DIFFERENCES, assert_shown, missing
from tests.clients.command_line.scene import Step, dump, load, play
from tests.clients.command_line.steps import OWN_SCRIPT
from tests.support import command_line
from tests.support.command_line import Terminal
from tests.support.server import OurServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.command_line.scene import Observation
    from tests.support.server import Server

_FOLDER = Path(__file__).with_name("command_line")
_RECORDED = _FOLDER / "own.json"
_STEPS = [each.name for each in OWN_SCRIPT if isinstance(each, Step)]

STATUSES = {
    "-y invocations resume <backing off> --deployment latest": (1, "what the server refuses was not done"),
    "-y invocations resume Steps/fails --deployment nope": (1, "what the server refuses was not done"),
    "-y deployments register arn:aws:lambda:eu-central-1:123456789012:function:f": (
        1,
        "the server reads addresses, and says what is wrong",
    ),
    "-y services config patch Cart --abort-timeout nonsense": (
        1,
        "the server reads durations, and says what is wrong",
    ),
}
"""{step: (our exit status, why it is not the official command line's)}."""


def record() -> None:
    """Run all steps with the official server and keep what was shown."""
    with tempfile.TemporaryDirectory() as folder:
        dump(play(command_line.InProcess(Path(folder)), OWN_SCRIPT, "official", Path(folder)), _RECORDED)


@pytest.fixture(scope="module")
def recorded() -> dict[str, Observation]:
    return load(_RECORDED)


@pytest.fixture(scope="module")
def seen(server_kind: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Observation]:
    folder = tmp_path_factory.mktemp(server_kind)
    return play(command_line.InProcess(folder), OWN_SCRIPT, server_kind, folder)


@pytest.mark.parametrize("step", _STEPS)
def test_a_command_shows_the_same_with_both_servers(
    step: str, server_kind: str, seen: dict[str, Observation], recorded: dict[str, Observation]
) -> None:
    assert_shown(step, server_kind, seen[step], recorded[step], OWN_DIFFERENCES)


def test_it_ends_as_the_official_command_line_does(recorded: dict[str, Observation]) -> None:
    official = load(_FOLDER / "official.json")
    for step in _STEPS:
        expected = STATUSES[step][0] if step in STATUSES else official[step]["status"]
        assert recorded[step]["status"] == expected, step
    assert all(recorded[step]["status"] != official[step]["status"] for step in STATUSES)


def test_tables_of_rows_have_the_columns_that_the_official_command_line_shows(
    recorded: dict[str, Observation],
) -> None:
    official = load(_FOLDER / "official.json")
    shown = {step: seen["lines"][0] for step, seen in recorded.items() if step.startswith("sql SELECT")}
    headers = {step: line for step, line in shown.items() if not line.startswith("!")}
    assert headers == {step: official[step]["lines"][0].strip() for step in headers}
    assert "A  B  C  D  E" in headers.values(), "a column that is NULL in every row"


def test_every_difference_has_its_steps_and_reason(recorded: dict[str, Observation]) -> None:
    assert all(difference.reason for difference in OWN_DIFFERENCES)
    assert missing(recorded, OWN_DIFFERENCES) == []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = OurServer(tmp_path_factory.mktemp("terminal"))
    made.start()
    try:
        yield made
    finally:
        made.stop()


def test_a_terminal_gets_colours_unless_it_wants_none(server: Server) -> None:
    line = command_line.ours(server.base_dir)
    coloured, plain = Terminal(line, ["whoami"], server), Terminal(line, ["whoami"], server, NO_COLOR="1")
    assert (coloured.end(), plain.end()) == (0, 0)
    assert "\x1b[1;32mhealthy" in coloured.shown
    assert "\x1b" not in plain.shown


def test_watching_draws_again_until_it_is_interrupted(server: Server) -> None:
    words = ["sql", "SELECT 1 AS watched", "-w", "-n", "0.1"]
    terminal = Terminal(command_line.ours(server.base_dir), words, server)
    terminal.read_until("(?:\x1b\\[2J.*WATCHED.*){3}")
    terminal.interrupt()
    assert terminal.end() == 0


def test_what_changes_something_is_asked_first(server: Server) -> None:
    line = command_line.ours(server.base_dir)
    words = ["kafka-clusters", "create", "asked", "bootstrap.servers=127.0.0.1:1"]
    for answer, status in (("n", 1), ("y", 0)):
        terminal = Terminal(line, words, server)
        terminal.read_until(r"Create the Kafka cluster asked\? \[y/N\]")
        terminal.type(f"{answer}\n")
        assert terminal.end() == status, terminal.shown
    again = line.run([*words, "--yes"], server)
    assert (again.status, "409 Conflict" in again.err) == (1, True)


if __name__ == "__main__":
    record()
