"""A process that commits is killed at random moments: what it acknowledged is there."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from restate.runtime.storage.rocksdb import RocksStore

ROUNDS = int(os.environ.get("STORAGE_KILL_ROUNDS", "4"))

_ROOT = Path(__file__).parents[2]

_PROGRAM = """
import sys
from pathlib import Path
import trio
from restate.runtime.storage.commit import Committer
from restate.runtime.storage.rocksdb import RocksOptions, RocksStore

def acknowledge(numbers):
    sys.stdout.write("".join(f"{number}\\n" for number in numbers))
    sys.stdout.flush()

async def main(path, first):
    store = RocksStore.open(path, RocksOptions(table_write_buffer_size=64 << 10, wal_size=128 << 10))
    committer = Committer(store, acknowledge)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        number = first
        while True:
            for _ in range(number % 5 + 1):
                key = number.to_bytes(8, "big")
                committer.write([("inv", key, bytes(200)), ("run", key, key)], [number])
                number += 1
            await trio.lowlevel.checkpoint()

trio.run(main, Path(sys.argv[1]), int(sys.argv[2]))
"""


def _commit_until_killed(path: Path, first: int, acknowledgements: int) -> int:
    """Returns the last number that was acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(path), str(first)], stdout=subprocess.PIPE, text=True, cwd=_ROOT
    ) as process:
        assert process.stdout is not None
        for _ in range(acknowledgements):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        # The last line may be cut.
        rest = [line for line in process.stdout if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL
    return int(rest[-1]) if rest else first + acknowledgements - 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_every_acknowledged_commit_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "db"
    choose = random.Random(7)
    first = 0
    for _ in range(ROUNDS):
        acknowledged = _commit_until_killed(path, first, choose.randrange(1, 400))
        store = RocksStore.open(path)
        numbers = [int.from_bytes(key, "big") for key, _ in store.scan("inv", b"", None)]
        # Writes that were not acknowledged may be there too, but never without those before them.
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > acknowledged
        assert [key for key, _ in store.scan("run", b"", None)] == [
            key for key, _ in store.scan("inv", b"", None)
        ]
        store.close()
        first = len(numbers)


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from restate.runtime.storage.api import StorageError
from restate.runtime.storage.rocksdb import RocksStore

store = RocksStore.open(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
flushed = 0
try:
    for number in range(1, 100):
        store.write([("inv", number.to_bytes(8, "big"), bytes(10_000))])
        store.flush()
        flushed = number
except StorageError as error:
    print(flushed, error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit on file sizes")
def test_a_full_disk_is_an_error_in_one_line_and_what_was_flushed_stays(tmp_path: Path) -> None:
    path = tmp_path / "db"
    program = [sys.executable, "-c", _FULL_DISK, str(path)]
    done = subprocess.run(program, capture_output=True, text=True, cwd=_ROOT, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    flushed, _, message = done.stdout.partition(" ")
    assert message.startswith(f"writing 1 rows in '{path}': IO error")
    assert message.endswith("File too large\n")
    assert message.count("\n") == 1
    store = RocksStore.open(path)
    keys = [int.from_bytes(key, "big") for key, _ in store.scan("inv", b"", None)]
    assert keys == list(range(1, int(flushed) + 1))
    assert int(flushed) > 10
    store.close()
