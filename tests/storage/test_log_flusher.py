import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from restate.runtime.storage import log_flusher, log_sync
from restate.runtime.storage.api import Flush, StorageError
from restate.runtime.storage.rocksdb import RocksStore

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the process is used on Linux only")


class Calls:
    """What the flusher asked for and reported."""

    def __init__(self) -> None:
        self.logs = [1]
        self.flushed: list[int] = []
        self.in_thread = 0

    def take_logs(self) -> tuple[int, list[int]]:
        return 7, self.logs

    def flush_in_thread(self) -> None:
        self.in_thread += 1


async def _until_started(flush: Flush, calls: Calls) -> None:
    """The first flushes are done by the thread, while the process starts."""
    while not calls.flushed:
        await flush()
    calls.in_thread = 0
    calls.flushed.clear()


def _children() -> set[int]:
    return {
        int(pid)
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
    }


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@linux_only
async def test_the_process_syncs_the_logs_and_ends_with_the_context(tmp_path: Path) -> None:
    calls = Calls()
    (tmp_path / "000001.log").write_bytes(b"x")
    before = _children()
    async with log_flusher.log_flusher(
        tmp_path,
        take_logs=calls.take_logs,
        flushed=calls.flushed.append,
        flush_in_thread=calls.flush_in_thread,
    ) as flush:
        with trio.fail_after(30):
            await _until_started(flush, calls)
            await flush()
            (tmp_path / "000002.log").write_bytes(b"x")
            calls.logs = [1, 2]
            await flush()
            (tmp_path / "000001.log").unlink()
            await flush()
        assert len(_children() - before) == 1
    assert (calls.flushed, calls.in_thread) == ([7, 7, 7], 0)
    assert _children() == before


@linux_only
async def test_a_server_that_writes_no_more_than_its_own_start_has_no_process(tmp_path: Path) -> None:
    store = RocksStore.open(tmp_path / "db")
    before = _children()
    async with store.flusher() as flush:
        processes = []
        for number in range(3):
            store.write([("inv", b"%d" % number, b"x")])
            await flush()
            processes.append(len(_children() - before))
    store.close()
    assert processes == [0, 1, 1]


@linux_only
async def test_a_killed_process_is_replaced_and_nothing_is_left_unflushed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = RocksStore.open(tmp_path / "db")
    before = _children()
    async with store.flusher() as flush:
        await flush()
        for number in range(7):
            store.write([("inv", b"%d" % number, b"x")])
            with caplog.at_level(logging.WARNING, "restate.storage"), trio.fail_after(30):
                await flush()
            assert int.from_bytes((tmp_path / "db" / "COMMITTED").read_bytes()[:8], "big") == number + 2
            # In the end it gives up, and the thread does it all.
            processes = _children() - before
            assert len(processes) == (number < 5)
            for pid in processes:
                _kill(pid)
    store.close()
    assert "flushing in a thread instead" in caplog.text
    assert _children() == before


@linux_only
async def test_a_disk_that_refuses_is_an_error(tmp_path: Path) -> None:
    calls = Calls()
    async with log_flusher.log_flusher(
        tmp_path,
        take_logs=calls.take_logs,
        flushed=calls.flushed.append,
        flush_in_thread=calls.flush_in_thread,
    ) as flush:
        with trio.fail_after(30):
            await _until_started(flush, calls)
            (tmp_path / "000001.log").mkdir()
            with pytest.raises(StorageError, match=r"flushing the log: .*directory"):
                await flush()
    assert (calls.flushed, calls.in_thread) == ([], 0)


async def test_without_a_process_the_thread_flushes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    calls = Calls()
    async with log_flusher.log_flusher(
        tmp_path,
        take_logs=calls.take_logs,
        flushed=calls.flushed.append,
        flush_in_thread=calls.flush_in_thread,
    ) as flush:
        await flush()
        await flush()
    assert (calls.flushed, calls.in_thread) == ([], 2)
    assert "cannot start the process that flushes the log" in caplog.text


@linux_only
def test_the_process_goes_on_after_the_signals_that_make_the_server_drain(tmp_path: Path) -> None:
    program = [sys.executable, "-I", "-S", str(log_sync.__file__), str(tmp_path)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            process.stdin.write(b"000001\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"ok\n"
            process.send_signal(number)
        assert process.communicate(b"000001\n", timeout=30)[0] == b"ok\n"
    assert process.returncode == 0


@linux_only
def test_the_process_ends_when_the_server_dies(tmp_path: Path) -> None:
    program = [sys.executable, "-I", "-S", str(log_sync.__file__), str(tmp_path)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        answer, _ = process.communicate(b"000001\n", timeout=30)
    assert (answer, process.returncode) == (b"ok\n", 0)
