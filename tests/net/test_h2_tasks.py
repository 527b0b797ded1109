"""Tasks of streams: used again, ended by what cancels their stream, gone when a connection idles."""

import gc
import weakref

import trio
from trio.testing import wait_all_tasks_blocked

from restate.runtime.net.h2_stream import H2Stream
from restate.runtime.net.h2_tasks import StreamTasks


class Rig:
    """Streams are served until `finish` or until they are cancelled."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.tasks = StreamTasks(nursery, self._serve)
        self.served: list[tuple[int, trio.lowlevel.Task]] = []
        self.cancelled: list[int] = []
        self._finished: dict[int, trio.Event] = {}

    async def _serve(self, stream: H2Stream) -> None:
        self.served.append((stream.id, trio.lowlevel.current_task()))
        try:
            await self._finished[stream.id].wait()
        except trio.Cancelled:
            self.cancelled.append(stream.id)
            raise

    async def begin(self, number: int) -> H2Stream:
        stream = H2Stream(None, number)  # type: ignore[arg-type]
        self._finished[number] = trio.Event()
        self.tasks.begin(stream)
        await wait_all_tasks_blocked()
        return stream

    async def finish(self, number: int) -> None:
        self._finished[number].set()
        await wait_all_tasks_blocked()

    @property
    def count(self) -> int:
        return len(self.nursery.child_tasks)


async def test_a_task_serves_the_next_stream(nursery: trio.Nursery) -> None:
    rig = Rig(nursery)
    for number in (1, 3, 5):
        await rig.begin(number)
        await rig.finish(number)
    assert [number for number, _ in rig.served] == [1, 3, 5]
    assert len({task for _, task in rig.served}) == rig.count == 1


async def test_streams_at_the_same_time_have_a_task_each(nursery: trio.Nursery) -> None:
    rig = Rig(nursery)
    await rig.begin(1)
    await rig.begin(3)
    assert len({task for _, task in rig.served}) == rig.count == 2


async def test_to_cancel_a_stream_leaves_those_before_and_after_it_alone(nursery: trio.Nursery) -> None:
    rig = Rig(nursery)
    await rig.begin(1)
    await rig.finish(1)
    second = await rig.begin(3)
    second.scope.cancel()
    await wait_all_tasks_blocked()
    assert rig.cancelled == [3]
    assert rig.count == 0
    await rig.begin(5)
    assert rig.cancelled == [3]
    assert rig.count == 1


async def test_a_stream_cancelled_before_it_runs_ends_its_task(nursery: trio.Nursery) -> None:
    rig = Rig(nursery)
    await rig.begin(1)
    await rig.finish(1)
    stream = H2Stream(None, 3)  # type: ignore[arg-type]
    rig._finished[3] = trio.Event()
    rig.tasks.begin(stream)
    stream.scope.cancel()
    await wait_all_tasks_blocked()
    assert rig.cancelled == [3]
    assert rig.count == 0


async def test_a_stream_cancelled_in_its_last_moment_ends_its_task(nursery: trio.Nursery) -> None:
    rig = Rig(nursery)
    stream = await rig.begin(1)
    rig._finished[1].set()  # its task runs on, and has not yet
    stream.scope.cancel()
    await wait_all_tasks_blocked()
    assert rig.cancelled == []
    assert rig.count == 0
    await rig.begin(3)
    await rig.finish(3)
    assert rig.cancelled == []


async def test_those_that_rest_are_dismissed_and_no_others(nursery: trio.Nursery) -> None:
    rig = Rig(nursery)
    for number in (1, 3, 5):
        await rig.begin(number)
    await rig.finish(1)
    await rig.finish(3)
    assert rig.count == 3
    rig.tasks.dismiss()
    await wait_all_tasks_blocked()
    assert rig.count == 1
    assert rig.cancelled == []
    await rig.finish(5)


async def test_a_burst_leaves_few_tasks(nursery: trio.Nursery) -> None:
    rig = Rig(nursery)
    numbers = range(1, 401, 2)
    for number in numbers:
        await rig.begin(number)
    assert rig.count == 200
    for number in numbers:
        await rig.finish(number)
    assert rig.count == 32


async def test_a_task_that_rests_keeps_nothing_of_its_stream(nursery: trio.Nursery) -> None:
    class Stream(H2Stream):
        """One that can be referred to weakly."""

    rig = Rig(nursery)
    stream = Stream(None, 1)  # type: ignore[arg-type]
    rig._finished[1] = trio.Event()
    rig.tasks.begin(stream)
    await wait_all_tasks_blocked()
    watched = weakref.ref(stream)
    del stream
    await rig.finish(1)
    gc.collect()
    assert watched() is None
