"""The fault points that concern the disk, with real processes over a real database (see `life`)."""

import subprocess
import sys
from pathlib import Path

import pytest

from restate.runtime.engine.turn import object_of
from restate.runtime.model.invocation import Status
from restate.runtime.storage.rocksdb import RocksStore
from restate.runtime.tables.api import Tables
from tests.engine import invariants
from tests.engine.world import exclusive
from tests.faults.life import client_id

ROOT = Path(__file__).parents[2]
CLIENTS = 12

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there are no limits on the size of files"),
]


def live(path: Path, point: str = "none", at: int = 0) -> tuple[int, set[int]]:
    """One process; its exit status, and the clients that got an answer."""
    command = [sys.executable, "-m", "tests.faults.life", str(path), point, str(at), str(CLIENTS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 3, 9), done.stderr
    return done.returncode, {int(line) for line in done.stdout.split()}


def check(path: Path, answered: set[int], *, finished: bool = False) -> None:
    """Between two processes: the rows are whole, and whoever has an answer will get it again."""
    store = RocksStore.open(path)
    try:
        invariants.check(store)
        tables = Tables(store)
        for client in answered:
            record = tables.invocations.get(client_id(client))
            assert record is not None, "an answer that was given is on disk"
            assert record.status is Status.COMPLETED, "an answer that was given is on disk"
        if finished:
            assert answered == set(range(CLIENTS))
            last = tables.state.get(*object_of(exclusive()), b"n")
            assert last == f"c{CLIENTS - 1}".encode(), "each handler has run, in order"
    finally:
        store.close()


def cut_and_finish(path: Path, *cuts: tuple[str, int]) -> None:
    answered: set[int] = set()
    for point, at in cuts:
        status, told = live(path, point, at)
        assert status == 9, f"expected to pass '{point}' {at} times"
        answered |= told
        check(path, answered)
    status, told = live(path)
    assert status == 0
    check(path, answered | told, finished=True)


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("before write", id="F1"),
        pytest.param("before flush", id="F2"),
        pytest.param("after flush", id="F3"),
        pytest.param("after action", id="F4"),
    ],
)
def test_a_process_that_ends_around_a_write(tmp_path: Path, point: str) -> None:
    cut_and_finish(tmp_path / "db", (point, 1), (point, 9), (point, 14))


def test_F19_a_process_that_ends_inside_its_start_again_and_again(tmp_path: Path) -> None:
    starts = ("opened", "committer started", "boot applied", "recovered")
    cut_and_finish(
        tmp_path / "db", ("after write", 8), *((point, 1) for point in starts), ("before flush", 1)
    )


def test_F20_a_full_disk_ends_the_process_and_what_was_answered_stays(tmp_path: Path) -> None:
    path = tmp_path / "db"
    status, answered = live(path, "disk full")
    assert status == 3
    assert 0 < len(answered) < CLIENTS
    check(path, answered)
    status, told = live(path)
    assert status == 0
    check(path, answered | told, finished=True)
