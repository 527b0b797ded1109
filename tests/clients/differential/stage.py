"""Plays all scenarios on one server, several at a time."""

from __future__ import annotations

import concurrent.futures
import contextlib
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import httpx

from tests.clients.differential import calls, endings, objects, values
from tests.clients.differential.catalog import SCENARIOS, Scenario
from tests.clients.differential.play import Observation, Play, Stage
from tests.support.caller import Caller
from tests.support.inspect_official import OfficialInspector
from tests.support.inspect_ours import OurInspector
from tests.support.programs import Sdk, ServiceProgram
from tests.support.server import SERVERS, Server, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.inspection import Inspector

# Their import has filled the catalog.
_ = (calls, endings, objects, values)

# Short, so that waits suspend.
_SERVER = Settings(inactivity_timeout="500ms", retry_initial_interval="50ms", retry_max_interval="300ms")
_AT_A_TIME = 10
_SERVICES = Path(__file__).parents[2] / "support" / "services"
_SCRIPTS = {
    Sdk.PYTHON: _SERVICES / "differential.py",
    Sdk.TYPESCRIPT: _SERVICES / "differential.mjs",
}


@attrs.frozen
class Setting:
    """What plays the services' part. protocol: `bidi` or `request_response`. protocol_v7: the server offers it."""

    name: str
    sdk: Sdk
    protocol: str = "bidi"
    protocol_v7: bool = False

    @property
    def scenarios(self) -> list[Scenario]:
        return [each for each in SCENARIOS.values() if self.protocol == "bidi" or each.replayed]


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("python", Sdk.PYTHON),
        Setting("typescript", Sdk.TYPESCRIPT),
        Setting("python-v7", Sdk.PYTHON, protocol_v7=True),
        Setting("typescript-v7", Sdk.TYPESCRIPT, protocol_v7=True),
        Setting("python-request-response", Sdk.PYTHON, "request_response"),
        Setting("typescript-request-response", Sdk.TYPESCRIPT, "request_response"),
    )
}


def play_all(
    kind: str, setting: Setting, folder: Path, names: Sequence[str] = ()
) -> dict[str, Observation | str]:
    """{scenario: what was observed, or the traceback of its failure}. kind: `ours` or `official`. names: only these."""
    with contextlib.ExitStack() as stack:
        stage = stack.enter_context(_stage(kind, setting, folder))
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(_AT_A_TIME))
        chosen = [each for each in setting.scenarios if not names or each.name in names]
        played = {each.name: pool.submit(_play, each, stage) for each in chosen}
        return {name: future.result() for name, future in played.items()}


def _play(scenario: Scenario, stage: Stage) -> Observation | str:
    play = Play(scenario.name, stage)
    try:
        scenario.act(play)
        return play.observe()
    except Exception:
        return traceback.format_exc()


@contextlib.contextmanager
def _stage(kind: str, setting: Setting, folder: Path) -> Iterator[Stage]:
    program = ServiceProgram(
        setting.sdk, folder / "bed", protocol=setting.protocol, script=_SCRIPTS[setting.sdk]
    )
    try:
        server = SERVERS[kind](folder, attrs.evolve(_SERVER, protocol_v7=setting.protocol_v7))
        try:
            server.start()
            with Caller(server) as caller:
                caller.register(program.uri)
            inspector = _inspector(kind, server)
            try:
                with httpx.Client(timeout=60, trust_env=False) as http:
                    yield Stage(server, program, inspector, http)
            finally:
                inspector.close()
        finally:
            server.stop()
    finally:
        program.stop()


def _inspector(kind: str, server: Server) -> Inspector:
    return OurInspector(server) if kind == "ours" else OfficialInspector(server)
