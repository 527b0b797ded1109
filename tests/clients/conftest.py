"""Fixtures of the client tests: real SDK services behind a real server process.

`ours` is always tested; `--official` runs each test on the official server as well (choose with `-k`), which is how
a new test is proved right.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.support.caller import Caller
from tests.support.environments import MissingToolError
from tests.support.programs import Sdk, ServiceProgram
from tests.support.rpc_bed import RpcBed, running_rpc_bed
from tests.support.server import SERVERS, Server, Settings
from tests.support.sql_bed import SqlBed, fill

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

# Short, so that a sleep of a second suspends; long enough that a busy machine does not suspend a step in work.
INACTIVITY = Settings(inactivity_timeout="400ms", retry_initial_interval="100ms", retry_max_interval="2s")

MODERN = (Sdk.PYTHON, Sdk.TYPESCRIPT)


@attrs.frozen
class Bed:
    """A server with one service program registered, and a client of it."""

    server: Server
    program: ServiceProgram
    caller: Caller


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--official", action="store_true", help="run client tests on the official server too")
    parser.addoption(
        "--every-crash", action="store_true", help="crash every SDK at each message in every way"
    )
    parser.addoption("--kills", type=int, default=20, help="how often the kill -9 test kills the server")
    parser.addoption(
        "--scrape-seconds", type=float, default=10.0, help="how long Prometheus scrapes a server under load"
    )
    parser.addoption("--soak-minutes", type=float, default=2.0, help="how long the server runs at half load")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "clients" in item.path.parts:
            item.add_marker(pytest.mark.clients)


def _skipping_without_tools() -> Generator[None]:
    """A test that needs a program which this machine lacks is skipped by its name."""
    try:
        return (yield)
    except MissingToolError as missing:
        pytest.skip(str(missing))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None]:
    return (yield from _skipping_without_tools())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    return (yield from _skipping_without_tools())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server_kind" in metafunc.fixturenames:
        official = metafunc.config.getoption("--official", default=False)
        ours_only = metafunc.definition.get_closest_marker("ours_only")
        kinds = list(SERVERS) if official and not ours_only else ["ours"]
        metafunc.parametrize("server_kind", kinds, scope="module")


def start_program(sdk: Sdk, bed: Path, *, protocol: str = "bidi", port: int = 0) -> ServiceProgram:
    """A running service program."""
    return ServiceProgram(sdk, bed, protocol=protocol, port=port)


def make_server(kind: str, folder: Path, settings: Settings) -> Server:
    """A server that has been started."""
    server = SERVERS[kind](folder, settings)
    server.start()
    return server


@pytest.fixture(scope="module")
def bed(
    server_kind: str, sdk: Sdk, settings: Settings, protocol: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bed]:
    """Shared by the tests of a module, so each of them uses keys and names of its own."""
    folder = tmp_path_factory.mktemp(f"{server_kind}-{sdk.value}")
    program = start_program(sdk, folder / "bed", protocol=protocol)
    try:
        server = make_server(server_kind, folder, settings)
        try:
            with Caller(server) as caller:
                caller.register(program.uri)
                yield Bed(server, program, caller)
        finally:
            server.stop()
    finally:
        program.stop()


@contextlib.contextmanager
def filled_bed(kind: str, folder: Path) -> Iterator[SqlBed]:
    """A server of this kind with the data that tests of SQL know."""
    program = start_program(Sdk.PYTHON, folder / "bed")
    try:
        server = make_server(kind, folder, INACTIVITY)
        try:
            yield fill(server, program)
        finally:
            server.stop()
    finally:
        program.stop()


@pytest.fixture(scope="session")
def sql_bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlBed]:
    """Our server with known data. Shared by all tests of SQL clients, which only read."""
    with filled_bed("ours", tmp_path_factory.mktemp("sql")) as bed:
        yield bed


@pytest.fixture(scope="session")
def rpc_bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RpcBed]:
    """Our server with services of both generations. Shared by all tests of RPC clients, each with keys of its own."""
    with running_rpc_bed(tmp_path_factory.mktemp("rpc"), INACTIVITY) as bed:
        yield bed


@pytest.fixture(scope="module")
def settings() -> Settings:
    return INACTIVITY


@pytest.fixture(scope="module")
def protocol() -> str:
    return "bidi"
