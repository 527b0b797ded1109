"""The tasks of one h2 connection that serve its streams, each of them one stream after another.

To start a task and its cancel scope, and to end both, takes as long as everything else that HTTP/2 does for a small exchange.
"""

from collections.abc import Awaitable, Callable

import trio

from restate.runtime.net.h2_stream import H2Stream

_MOST_RESTING = 32


class _Worker:
    """One task, which may be cancelled together with the stream that it serves."""

    __slots__ = ("scope", "stream", "task")

    def __init__(self, stream: H2Stream) -> None:
        self.scope = trio.CancelScope()
        self.stream = stream
        self.task: trio.lowlevel.Task


class StreamTasks:
    """serve: answers a stream; it leaves nothing behind, in its task either."""

    def __init__(self, nursery: trio.Nursery, serve: Callable[[H2Stream], Awaitable[None]]) -> None:
        self._nursery = nursery
        self._serve = serve
        self._resting: list[_Worker] = []  # without a stream

    def begin(self, stream: H2Stream) -> None:
        """Serve it soon. Its scope is set."""
        if self._resting:
            worker = self._resting.pop()
            worker.stream = stream
            trio.lowlevel.reschedule(worker.task)
        else:
            worker = _Worker(stream)
            self._nursery.start_soon(self._run, worker)
        stream.scope = worker.scope

    def dismiss(self) -> None:
        """End those that rest: most connections are idle for long, and these should take little memory."""
        for worker in self._resting.copy():
            worker.scope.cancel()

    async def _run(self, worker: _Worker) -> None:
        worker.task = trio.lowlevel.current_task()
        with worker.scope:
            while True:
                await self._serve(worker.stream)
                if worker.scope.cancel_called or len(self._resting) >= _MOST_RESTING:
                    return  # a scope cannot be cancelled twice
                await self._rest(worker)

    async def _rest(self, worker: _Worker) -> None:
        """Until `begin` gives it a stream."""
        del worker.stream  # with its request and answer
        self._resting.append(worker)

        def abort(_: object) -> trio.lowlevel.Abort:
            self._resting.remove(worker)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
