"""The server where things run out: disk, descriptors, memory, and time that jumps. No acknowledged work is lost."""

from __future__ import annotations

import contextlib
import resource
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import httpx
import pytest

from tests.clients.conftest import INACTIVITY, start_program
from tests.support import environments
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk, ServiceProgram
from tests.support.server import OurServer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

MIB = 1 << 20
HOUR_S = 3600


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProgram]:
    program = start_program(Sdk.PYTHON, tmp_path_factory.mktemp("places") / "bed")
    yield program
    program.stop()


class Place(OurServer):
    """Ours, with a command before its own."""

    before: tuple[str, ...] = ()

    def _command(self) -> tuple[list[str], dict[str, str]]:
        command, environment = super()._command()
        return [*self.before, *command], environment


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    server = Place(tmp_path, INACTIVITY)
    yield server
    server.stop()


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A filesystem of its own at `folder`, in memory."""
    folder.mkdir(parents=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise environments.MissingToolError(f"mount: {done.stderr.strip()}")


def end_line(server: Place) -> str:
    """The one line that a server says at its end."""
    lines = [line for line in server.log_text().splitlines() if line.startswith("restate-server: ")]
    assert lines, server.log_text()[-2000:]
    return lines[-1]


def wait_for_end(server: Place) -> None:
    deadline = time.monotonic() + 60
    while server.process.is_running():
        assert time.monotonic() < deadline, server.log_text()[-2000:]
        time.sleep(0.02)


def send_until_refused(caller: Caller, size: int, most: int) -> int:
    """How many increments of one counter were acknowledged, each with a large idempotency key's worth of input."""
    acknowledged = 0
    for _ in range(most):
        try:
            reply = caller.call("Store/filler/set", {"name": "x", "value": "y" * size})
            if reply.status != 200:
                break
            if caller.call("Counter/acked/add", 1).status != 200:
                break
        except httpx.HTTPError:
            break
        acknowledged += 1
    return acknowledged


def test_a_full_disk_ends_it_and_nothing_acknowledged_is_lost(program: ServiceProgram, place: Place) -> None:
    with small_disk(place.base_dir, "14m"):
        place.start()
        with Caller(place) as caller:
            caller.register(program.uri)
            acknowledged = send_until_refused(caller, 200_000, 400)
        assert 0 < acknowledged < 400
        wait_for_end(place)
        assert "No space left on device" in end_line(place)
        assert place.process.stop() == 1
        _mount("-o", "remount,size=400m", str(place.base_dir))
        place.start()
        with Caller(place) as caller:
            # One more may have been done whose answer did not come.
            assert caller.call("Counter/acked/get").ok() in (acknowledged, acknowledged + 1)
        place.stop()


def test_a_disk_that_turns_read_only_ends_it_and_nothing_acknowledged_is_lost(
    program: ServiceProgram, place: Place
) -> None:
    with small_disk(place.base_dir, "200m"):
        place.start()
        with Caller(place) as caller:
            caller.register(program.uri)
            assert [caller.call("Counter/acked/add", 1).ok() for _ in range(5)] == [1, 2, 3, 4, 5]
            place.kill()
            (place.base_dir / "ports.json").unlink()
            _mount("-o", "remount,ro", str(place.base_dir))
            place.spawn()
            wait_for_end(place)
            assert "Read-only file system" in end_line(place)
            assert "Traceback" not in place.log_text()
        _mount("-o", "remount,rw", str(place.base_dir))
        place.start()
        with Caller(place) as caller:
            assert caller.call("Counter/acked/get").ok() == 5
        place.stop()


def test_without_descriptors_new_clients_wait_and_old_ones_are_served(
    program: ServiceProgram, place: Place
) -> None:
    place.start()
    with Caller(place) as caller:
        caller.register(program.uri)
        assert caller.call("Counter/acked/add", 1).ok() == 1
        limit = place.process.open_files() + 10
        resource.prlimit(place.process.pid, resource.RLIMIT_NOFILE, (limit, 20_000))
        crowd = [socket.create_connection(("127.0.0.1", place.ports["ingress"])) for _ in range(40)]
        try:
            place.process.wait_for(
                lambda: "cannot accept a connection, trying again" in place.log_text(), what="the shortage"
            )
            assert caller.call("Counter/acked/add", 1).ok() == 2
        finally:
            for client in crowd:
                client.close()
        with Caller(place) as newcomer:
            eventually(lambda: newcomer.call("Counter/acked/get").ok() == 2, what="an answer")


LOAD_S = 4.0


def test_it_runs_in_256_megabytes(program: ServiceProgram, place: Place) -> None:
    prlimit = shutil.which("prlimit")
    if prlimit is None:
        raise environments.MissingToolError("prlimit is not installed")
    place.before = (prlimit, f"--data={256 * MIB}")
    place.start()
    with Caller(place) as caller:
        caller.register(program.uri)
        done = [0] * 16
        deadline = time.monotonic() + LOAD_S

        def work(number: int) -> None:
            while time.monotonic() < deadline:
                caller.call(f"Counter/m{number}/add", 1).ok()
                done[number] += 1

        threads = [threading.Thread(target=work, args=(number,)) for number in range(len(done))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [caller.call(f"Counter/m{number}/get").ok() for number in range(len(done))] == done
        assert min(done) > 0
        assert place.process.rss_bytes() < 256 * MIB


def move_clock(shift: Path, seconds: str) -> None:
    """In one go: the server reads the file all the time."""
    beside = shift.with_suffix(".new")
    beside.write_text(f"{seconds}\n")
    beside.rename(shift)


@pytest.fixture
def shifted(place: Place, tmp_path: Path) -> tuple[Place, Path]:
    """A server whose wall clock is moved by what the file says, in seconds."""
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
    if library is None:
        raise environments.MissingToolError("faketime is not installed")
    shift = tmp_path / "shift"
    move_clock(shift, "+0")
    variables = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(shift),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    place.settings = attrs.evolve(place.settings, variables=variables)
    place.start()
    return place, shift


def test_a_clock_that_jumps_forward_makes_timers_due(
    program: ServiceProgram, shifted: tuple[Place, Path]
) -> None:
    place, shift = shifted
    with Caller(place) as caller:
        caller.register(program.uri)
        sent = caller.call("Counter/late/add/send?delay=50m", 7).ok()["invocationId"]
        asleep = caller.send("Steps/sleep", {"name": "jump", "ms": 20 * 60_000})
        move_clock(shift, f"+{HOUR_S}")
        assert caller.attach(sent).ok() == 7
        assert caller.attach(asleep).status == 200


def test_a_clock_that_jumps_back_delays_timers_until_it_has_caught_up(
    program: ServiceProgram, shifted: tuple[Place, Path]
) -> None:
    place, shift = shifted
    with Caller(place) as caller:
        caller.register(program.uri)
        sent = caller.call("Counter/late/add/send?delay=1500ms", 7).ok()["invocationId"]
        move_clock(shift, f"-{HOUR_S}")
        time.sleep(2.5)
        assert caller.output(sent).status == 470
        # Everything that waits for no timer goes on.
        assert caller.call("Counter/now/add", 1).ok() == 1
        move_clock(shift, "+0")
        assert caller.attach(sent).ok() == 7
