"""Flushes the log of RocksDB without the GIL.

A thread that calls fdatasync needs the GIL before and after. When the loop has work all the time it gets it late: measured,
a flush of 0.2 ms took seconds, because the loop gives the GIL up for a microsecond at each poll and takes it back first.
A process has no such wait (0.2 ms idle, 0.5 ms beside a busy loop). Where it cannot be had, the thread does the work.
"""

import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from restate.runtime.storage.api import Flush, StorageError

log = logging.getLogger("restate.storage")

_PROGRAM = Path(__file__).with_name("log_sync.py")
_MAX_STARTS = 5
_FLUSH_WITH_START = 2
"""The first flush is that of the server's own start. While nothing else is written, the 9 MB of the process are spared."""


@asynccontextmanager
async def log_flusher(
    directory: Path,
    *,
    take_logs: Callable[[], tuple[int, Sequence[int]]],
    flushed: Callable[[int], None],
    flush_in_thread: Callable[[], None],
) -> AsyncIterator[Flush]:
    """Give the function that makes all writes durable that were made before it was called.

    take_logs: number of the last write, and the logs with writes that are not durable yet. flushed: told the number once
    they are. The process starts with the second flush and ends with the context.
    """
    helper: _Helper | None = None
    flushes, starts = 0, 1

    async def flush() -> None:
        nonlocal helper, flushes, starts
        flushes += 1
        if flushes == _FLUSH_WITH_START:
            helper = _Helper.start(directory)
        if helper is not None:
            try:
                # While it starts, the thread is faster.
                if helper.ready():
                    number, logs = take_logs()
                    await helper.sync(logs)
                    flushed(number)
                    return
            except _HelperGone as error:
                log.warning(
                    "the process that flushes the log ended (%s); flushing in a thread instead", error
                )
                helper.close()
                helper = _Helper.start(directory) if starts < _MAX_STARTS else None
                starts += 1
        take_logs()
        await trio.to_thread.run_sync(flush_in_thread)

    try:
        yield flush
    finally:
        if helper is not None:
            helper.close()


class _HelperGone(Exception):
    """The process does not answer any more."""


class _Helper:
    """One `log_sync` process and its two pipes."""

    def __init__(self, process: subprocess.Popen[bytes], requests: int, answers: int) -> None:
        self._process = process
        self._requests = requests
        self._answers = answers
        self._ready = False

    @classmethod
    def start(cls, directory: Path) -> "_Helper | None":
        """None where it is of no use or cannot be had. Blocks for less than a millisecond."""
        if sys.platform != "linux":
            return None
        child_requests, requests = os.pipe()
        answers, child_answers = os.pipe()
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_PROGRAM), str(directory)],
                stdin=child_requests,
                stdout=child_answers,
            )
        except OSError as error:
            log.warning("cannot start the process that flushes the log (%s); flushing in a thread", error)
            os.close(requests)
            os.close(answers)
            return None
        finally:
            os.close(child_requests)
            os.close(child_answers)
        os.set_blocking(answers, False)
        os.write(requests, b"\n")
        return cls(process, requests, answers)

    def ready(self) -> bool:
        """Whether it has started and waits for requests. Raises _HelperGone."""
        if not self._ready:
            try:
                answer = os.read(self._answers, 4096)
            except BlockingIOError:
                return False
            if not answer:
                raise _HelperGone("it did not start")
            self._ready = True
        return True

    async def sync(self, logs: Sequence[int]) -> None:
        """Return once these logs are on disk. Raises _HelperGone; StorageError if the disk refuses."""
        # Cancelled in between, the answer would be taken for that of the next request.
        with trio.CancelScope(shield=True):
            try:
                os.write(self._requests, " ".join(f"{number:06}" for number in logs).encode() + b"\n")
                await trio.lowlevel.wait_readable(self._answers)
                answer = os.read(self._answers, 4096)
            except OSError as error:
                raise _HelperGone(str(error)) from error
        if not answer:
            raise _HelperGone("no answer")
        if answer != b"ok\n":
            raise StorageError(f"flushing the log: {answer.decode(errors='replace').strip()}")

    def close(self) -> None:
        """End the process; it is reaped here."""
        trio.lowlevel.notify_closing(self._answers)
        os.close(self._requests)
        os.close(self._answers)
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
