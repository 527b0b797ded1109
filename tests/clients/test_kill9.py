"""kill -9 at random moments, with every kind of step in flight: nothing accepted is lost, nothing is done twice."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.clients.conftest import INACTIVITY, make_server, start_program
from tests.support.caller import Caller
from tests.support.load import Classic, Load, Modern
from tests.support.programs import Sdk

if TYPE_CHECKING:
    from tests.support.server import Server

_SERVED_SECONDS = (0.05, 1.2)
"""How long a server lives between being ready and being killed."""

_RECOVERING_SECONDS = (0.0, 0.5)
"""How long a server lives that is killed while it is still starting."""

_KILLED_WHILE_STARTING = 0.2


@pytest.mark.parametrize(
    "sdks", [(Sdk.PYTHON,), (Sdk.TYPESCRIPT, Sdk.CLASSIC)], ids=["python", "typescript-and-classic"]
)
@pytest.mark.slow
def test_nothing_is_lost_or_doubled(
    request: pytest.FixtureRequest,
    server_kind: str,
    sdks: tuple[Sdk, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if server_kind == "official":
        sdks = tuple(sdk for sdk in sdks if sdk is not Sdk.CLASSIC)
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    folder = tmp_path_factory.mktemp("kill9")
    server = make_server(server_kind, folder, INACTIVITY)
    programs = [start_program(sdk, folder / sdk.value) for sdk in sdks]
    loads: list[Load] = []
    try:
        with Caller(server) as caller:
            for sdk, program in zip(sdks, programs, strict=True):
                caller.register(program.uri)
                dialect = Classic() if sdk is Sdk.CLASSIC else Modern()
                loads.append(Load(caller, program, dialect, seed, workers=8 // len(sdks)))
            for load in loads:
                load.start()
            kill_repeatedly(server, random.Random(seed), request.config.getoption("--kills", default=20))
            for load in loads:
                load.stop()
            for load in loads:
                load.settle()
                print(f"finished {dict(load.finished)}")
                assert len(load.finished) >= 6, "a kind of operation never finished"
    finally:
        for load in loads:
            load.abandon()
        server.stop()
        for program in programs:
            program.stop()


def kill_repeatedly(server: Server, chance: random.Random, count: int) -> None:
    """Kill a ready server so many times; end with a ready one."""
    for _ in range(count):
        time.sleep(chance.uniform(*_SERVED_SECONDS))
        server.kill()
        while chance.random() < _KILLED_WHILE_STARTING:
            server.spawn()
            time.sleep(chance.uniform(*_RECOVERING_SECONDS))
            server.kill()
        server.start()
