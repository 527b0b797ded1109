"""Our server does what the official server 1.7.12 does: the same answers, journals, statuses and states in each of the
scenarios of `tests/clients/differential`, with services on both SDKs.

`differential/recorded.json` holds what the official server has shown. Renew it, after a change of the scenarios or
their services, by

    python -m tests.clients.test_differential

With `--official` the official server plays them again and must still do so. The differences that are intended are in
`differential/differences.py`.
"""

from __future__ import annotations

import difflib
import functools
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import pytest

from tests.clients.differential.differences import DIFFERENCES, expected_of_ours
from tests.clients.differential.stage import SETTINGS, Setting, play_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.differential.play import Observation

_RECORDED = Path(__file__).with_name("differential") / "recorded.json"


class Recorded(TypedDict):
    """One observation, and the settings in which it was made."""

    settings: list[str]
    lines: Observation


def record() -> None:
    """Play all scenarios on the official server and keep what was observed."""
    recorded: dict[str, list[Recorded]] = {}
    for setting in SETTINGS.values():
        with tempfile.TemporaryDirectory() as folder:
            played = play_all("official", setting, Path(folder))
        for scenario, lines in played.items():
            if isinstance(lines, str):
                sys.exit(f"{setting.name}: {scenario}: {lines}")
            known = recorded.setdefault(scenario, [])
            same = next((each for each in known if each["lines"] == lines), None)
            if same is None:
                known.append(Recorded(settings=[setting.name], lines=lines))
            else:
                same["settings"].append(setting.name)
    _RECORDED.write_text(json.dumps(recorded, indent=0, ensure_ascii=False) + "\n")


@pytest.fixture(scope="module")
def recorded() -> dict[str, list[Recorded]]:
    known: dict[str, list[Recorded]] = json.loads(_RECORDED.read_text())
    return known


Played = dict[str, "Observation | str"]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Setting], Played]:
    """All scenarios of a setting on a kind of server, played once: they are played together, and tested one by one."""

    @functools.cache
    def once(kind: str, setting: Setting) -> Played:
        return play_all(kind, setting, tmp_path_factory.mktemp(f"{kind}-{setting.name}"))

    return once


@pytest.mark.parametrize(
    ("setting", "scenario"),
    [
        pytest.param(setting, scenario.name, id=f"{setting.name}-{scenario.name}")
        for setting in SETTINGS.values()
        for scenario in setting.scenarios
    ],
)
def test_the_scenario_goes_as_on_the_official_server(
    scenario: str,
    setting: Setting,
    server_kind: str,
    play: Callable[[str, Setting], Played],
    recorded: dict[str, list[Recorded]],
) -> None:
    official = next(each["lines"] for each in recorded[scenario] if setting.name in each["settings"])
    expected = expected_of_ours(scenario, official) if server_kind == "ours" else official
    seen = play(server_kind, setting)[scenario]
    assert isinstance(seen, list), seen
    difference = difflib.unified_diff(expected, seen, "expected", server_kind, lineterm="", n=1)
    assert seen == expected, "\n".join(difference)


def test_every_difference_has_its_scenario_and_reason(recorded: dict[str, list[Recorded]]) -> None:
    for difference in DIFFERENCES:
        assert difference.reason
        assert set(difference.scenarios) <= set(recorded)


if __name__ == "__main__":
    record()
