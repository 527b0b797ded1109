"""One worker process, seen from the server: start it, talk to it in frames, end it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import attrs
import msgspec
import trio

from restate.runtime.query import errors, frames
from restate.runtime.query.errors import QueryError

_RECEIVE_BYTES = 256 << 10
_NICENESS = 15
"""With 5, a full scan beside calls on two busy cores raised their median by up to a factor of 2; with 15 by 1.0 to 1.1."""
_MOST_STDERR = 2_000


@attrs.frozen
class WorkerSettings:
    """database: folder of the server's. home: where each worker gets a folder. memory_bytes: for the rows that a query
    has to hold; beyond it goes to disk where it can. address_space_bytes: what the process may allocate after its start.
    cache_bytes: of parts of tables. catalog_timeout_s, catalog_row_limit: of one statement about the catalog, see `Catalog`.
    """

    database: Path
    home: Path
    memory_bytes: int
    address_space_bytes: int
    start_timeout_s: float
    cache_bytes: int = 16 << 20
    catalog_timeout_s: float = 0.5
    catalog_row_limit: int = 100_000


class WorkerGone(Exception):
    """The process has ended, or its socket has."""


class WorkerProcess:
    """One started process. Only one task at a time may talk to it."""

    def __init__(self, process: trio.Process, stream: trio.SocketStream, home: Path) -> None:
        self._process = process
        self._stream = stream
        self._home = home
        self._reader = frames.FrameReader()
        self.broken = False
        """A frame was cut in the middle, or the process was killed: of no use any more."""

    @classmethod
    async def start(cls, settings: WorkerSettings, number: int) -> "WorkerProcess":
        """Return when it is ready, after 0.2 s. Raises QueryError."""
        home = settings.home / str(number)
        ours, theirs = socket.socketpair()
        try:
            home.mkdir(parents=True, exist_ok=True)
            arguments = {
                "socket": theirs.fileno(),
                "database": str(settings.database.absolute()),
                "home": str(home.absolute()),
                "memory_bytes": settings.memory_bytes,
                "address_space_bytes": settings.address_space_bytes,
                "cache_bytes": settings.cache_bytes,
                "catalog_timeout_s": settings.catalog_timeout_s,
                "catalog_row_limit": settings.catalog_row_limit,
                "niceness": _NICENESS,
            }
            with (home / "stderr").open("wb") as stderr:
                process = await trio.lowlevel.open_process(
                    [
                        sys.executable,
                        "-P",
                        "-m",
                        "restate.runtime.query.worker",
                        msgspec.json.encode(arguments).decode(),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                    # A terminal's Ctrl-C is for the server, which then ends its workers.
                    start_new_session=True,
                )
        except OSError as error:
            ours.close()
            raise QueryError(f"cannot start a query worker: {error}", errors.CANNOT_START) from error
        finally:
            theirs.close()
        worker = cls(process, trio.SocketStream(trio.socket.from_stdlib_socket(ours)), home)
        try:
            with trio.fail_after(settings.start_timeout_s):
                await worker.receive()
        except (WorkerGone, trio.TooSlowError) as error:
            reason = worker.last_words()
            await worker.end()
            raise QueryError(f"a query worker did not start: {reason}", errors.CANNOT_START) from error
        except BaseException:
            await worker.end()
            raise
        return worker

    async def send(self, message: frames.Request) -> None:
        """Raises WorkerGone."""
        try:
            await self._stream.send_all(frames.encode(message))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.broken = True
            raise WorkerGone from error
        except BaseException:
            self.broken = True
            raise

    async def receive(self) -> frames.Reply | frames.RowsFrame:
        """The next frame. Raises WorkerGone. Nothing is lost when it is cancelled."""
        while (frame := self._reader.take()) is None:
            try:
                data = await self._stream.receive_some(_RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self.broken = True
                raise WorkerGone from error
            if not data:
                self.broken = True
                raise WorkerGone
            self._reader.feed(data)
        return frame  # type: ignore[return-value]

    async def wait(self) -> None:
        """Return when the process has ended."""
        await self._process.wait()

    def kill(self) -> None:
        self.broken = True
        self._process.kill()

    async def end(self) -> None:
        """Kill it, if it is there, and remove what is left of it. Finishes though cancelled."""
        self.kill()
        with trio.CancelScope(shield=True):
            await self._process.wait()
            await trio.aclose_forcefully(self._stream)
            await trio.to_thread.run_sync(lambda: shutil.rmtree(self._home, ignore_errors=True))

    def last_words(self) -> str:
        """Why it ended, as far as it can be told."""
        code = self._process.poll()
        if code is None:
            how = "it does not answer"
        else:
            how = f"it ended with {signal.Signals(-code).name if code < 0 else f'status {code}'}"
        try:
            text = (self._home / "stderr").read_bytes()[-_MOST_STDERR:].decode(errors="replace").strip()
        except OSError:
            text = ""
        return f"{how}: {text}" if text else how
