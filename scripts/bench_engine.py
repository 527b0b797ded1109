"""Measure the engine alone, on RocksDB: does anything grow that should not?

    .venv/bin/python scripts/bench_engine.py                    everything, up to 100,000 rows (about a minute)
    .venv/bin/python scripts/bench_engine.py --sizes 10 1000    a short form
    .venv/bin/python scripts/bench_engine.py --parts timers --timers 1000000

Parts: steps (the time of one step among few and among many rows; the ratio of last to first size is to stay within 1.5),
replay (a journal of 10,000 entries, under 1 s), memory (what suspended invocations add, at most 50 MB per 100,000),
timers (scheduled invocations start in order, with at most 1,024 timers in memory). Exit status 1 if a bound is missed.
Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import trio

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from restate.runtime.engine.actions import (  # noqa: E402
    AbortAttempt,
    AckCommand,
    Action,
    JournalGrew,
    StartAttempt,
)
from restate.runtime.engine.records import AttemptEffect, End, TimerFired  # noqa: E402
from restate.runtime.engine.records import Record as EngineRecord  # noqa: E402
from restate.runtime.model.ids import InvocationId  # noqa: E402
from restate.runtime.model.target import Generation  # noqa: E402
from restate.runtime.partition.actions import Performer  # noqa: E402
from restate.runtime.partition.handle import Partition  # noqa: E402
from restate.runtime.partition.processor import Processor  # noqa: E402
from restate.runtime.partition.timers import Timers  # noqa: E402
from restate.runtime.schema.registry import Registry  # noqa: E402
from restate.runtime.service_protocol.attempt import Attempt, StartInfo  # noqa: E402
from restate.runtime.storage.commit import Committer  # noqa: E402
from restate.runtime.storage.rocksdb import RocksStore  # noqa: E402
from restate.runtime.tables.api import Tables  # noqa: E402
from tests.engine.commands import MODERN, output  # noqa: E402
from tests.engine.loads import (  # noqa: E402
    AROUND,
    STEPS,
    Step,
    add_suspended,
    boot,
    fill_inbox,
    lengthen_journal,
    start_subject,
)
from tests.engine.world import World, invocation_id, invoke, pinned, service  # noqa: E402

RATIO = 1.5
REPLAY_S = 1.0
BYTES_PER_SUSPENDED = 50e6 / 100_000
TIMERS_IN_MEMORY = 1024
REPEATS = 100
ENDS = 16
"""How often a step is taken that ends an invocation with a long journal or inbox."""
PARTS = ("steps", "replay", "memory", "timers")


class Report:
    """Lines for the reader, and whether all bounds were kept."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def say(self, text: str) -> None:
        print(text, flush=True)

    def bound(self, what: str, figure: float, limit: float, unit: str) -> None:
        kept = figure <= limit
        self.say(f"{what}: {figure:,.2f} {unit}, bound {limit:,.2f}: {'kept' if kept else 'MISSED'}")
        if not kept:
            self.missed.append(what)


def main() -> int:
    options = _options()
    report = Report()
    # As the server does once it has started.
    gc.disable()
    if "steps" in options.parts:
        _steps(options.sizes, report)
    if "replay" in options.parts:
        _replay(report)
    if "memory" in options.parts:
        _memory(options.suspended, report)
    if "timers" in options.parts:
        _timers(options.timers, report)
    for what in report.missed:
        print(f"missed: {what}", file=sys.stderr)
    return 1 if report.missed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the engine alone, on RocksDB.")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--sizes", nargs="+", type=int, default=[10, 1_000, 100_000], help="rows for `steps`")
    parser.add_argument("--suspended", type=int, default=100_000, help="invocations for `memory`")
    parser.add_argument("--timers", type=int, default=50_000, help="scheduled invocations for `timers`")
    return parser.parse_args()


# -- steps ---------------------------------------------------------------------------------------------------------


def _steps(sizes: Sequence[int], report: Report) -> None:
    for around, fill in AROUND.items():
        columns = [_among(fill, size) for size in sizes]
        _table(f"{around} around it", sizes, columns, report)
    own = {"journal": _with_long_journal, "inbox": _with_long_inbox}
    for title, measure in own.items():
        _table(f"{title} of its own", sizes, [measure(size) for size in sizes], report)


def _table(title: str, sizes: Sequence[int], columns: list[dict[str, float]], report: Report) -> None:
    """Microseconds of each step, one column for each size."""
    report.say(f"\n{title:28}" + "".join(f"{size:>12,}" for size in sizes) + "       ratio   [us]")
    for step in columns[0]:
        figures = [column[step] for column in columns]
        ratio = figures[-1] / figures[0]
        mark = "" if ratio <= RATIO else "  MISSED"
        report.say(f"{step:28}" + "".join(f"{figure:12.0f}" for figure in figures) + f"{ratio:12.2f}{mark}")
        if mark:
            report.missed.append(f"{title}, {step}: ratio {ratio:.2f}")


def _among(fill: Callable[[World, int], None], size: int) -> dict[str, float]:
    with _Database() as world:
        fill(world, size)
        numbers = itertools.count()

        def subjects(step: Step) -> list[str]:
            names = [f"x{next(numbers)}" for _ in range(REPEATS)]
            for name in names:
                start_subject(world, name)
            return names

        return _time_steps(world, subjects)


def _with_long_journal(size: int) -> dict[str, float]:
    """One subject does for all steps that leave it as it is; the others need one each."""
    with _Database() as world:
        numbers = itertools.count()

        def make() -> str:
            name = f"x{next(numbers)}"
            start_subject(world, name)
            lengthen_journal(world, name, size)
            return name

        shared = make()

        def subjects(step: Step) -> list[str]:
            return [make() for _ in range(ENDS)] if step.ends else [shared] * REPEATS

        return _time_steps(world, subjects)


def _with_long_inbox(size: int) -> dict[str, float]:
    """One object does for all: where a step ends its subject, the next in line is the subject of the next."""
    with _Database() as world:
        start_subject(world, "x")
        fill_inbox(world, "x", size + 2 * ENDS)
        line = itertools.chain(["x"], (f"x.{number}" for number in itertools.count()))
        current = next(line)

        def subjects(step: Step) -> Iterator[str]:
            nonlocal current
            for _ in range(ENDS if step.ends else REPEATS):
                yield current
                if step.ends:
                    current = next(line)

        return _time_steps(world, subjects)


def _time_steps(world: World, subjects: Callable[[Step], Iterable[str]]) -> dict[str, float]:
    """{step: median of its time in microseconds}. A step is repeated at once, so that caches are warm everywhere."""
    numbers = itertools.count()
    medians = {}
    for title, step in STEPS.items():
        times = []
        for name in subjects(step):
            number = next(numbers)
            step.prepare(world, name, number)
            _touch(world, name)
            begin = time.perf_counter()
            step.act(world, name, number)
            times.append(time.perf_counter() - begin)
        medians[title] = statistics.median(times[len(times) // 4 :]) * 1e6
        world.actions.clear()
        _fire_all(world)
    return medians


def _touch(world: World, name: str) -> None:
    """Read something of each of the subject's tables, because the disk's time is not the engine's."""
    subject = invocation_id(name)
    world.tables.journal.waiting(subject)
    world.tables.journal.children(subject)
    world.tables.journal.get(subject, world.stored(name).journal_length - 1)


def _fire_all(world: World) -> None:
    """What a step has left to come due, and is due."""
    while (due := world.tables.timers.read(None, 1)) and due[0][0].due_ms <= world.now_ms:
        world.apply(TimerFired(due[0][0]))


class _Database:
    """A world on a RocksDB of its own, which goes with it."""

    def __enter__(self) -> World:
        self._folder = Path(tempfile.mkdtemp(prefix="bench-engine-"))
        self._store = RocksStore.open(self._folder / "db")
        return World(self._store)

    def __exit__(self, *_error: object) -> None:
        self._store.close()
        shutil.rmtree(self._folder)


# -- replay and memory ---------------------------------------------------------------------------------------------


def _replay(report: Report) -> None:
    """What an attempt of a long invocation begins with: read the journal, make the bytes."""
    length = 10_000
    with _Database() as world:
        start_subject(world, "a")
        lengthen_journal(world, "a", length)
        begin = time.perf_counter()
        rows = world.tables.journal.read(invocation_id("a"), 0, length)
        attempt = Attempt(Generation.MODERN, 6, message_size_limit=1 << 25)
        info = StartInfo(
            id=invocation_id("a"),
            debug_id="a",
            key="a",
            state=(),
            partial_state=False,
            retry_count=0,
            since_last_entry_ms=0,
            random_seed=1,
        )
        size = len(attempt.start(info, rows))
        seconds = time.perf_counter() - begin
    report.say(f"\nreplay of {len(rows):,} entries, {size:,} bytes")
    report.bound("replay", seconds, REPLAY_S, "s")


def _memory(count: int, report: Report) -> None:
    with _Database() as world:
        # What RocksDB and the interpreter take for any work at all is not the invocations'.
        add_suspended(world, 1_000)
        before = _resident_bytes()
        add_suspended(world, count, first=1_000)
        world.token.clear()
        gc.collect()
        grown = _resident_bytes() - before
        begin = time.perf_counter()
        boot(world)
        report.say(
            f"\n{count:,} suspended; a start after them takes {(time.perf_counter() - begin) * 1e3:.1f} ms"
        )
    report.bound("memory added", grown / 1e6, count * BYTES_PER_SUSPENDED / 1e6, "MB")


def _resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("expected /proc/self/status with a line VmRSS; measure on Linux")


# -- timers --------------------------------------------------------------------------------------------------------


class _HandClock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self._now_ms = 1_000
        self._moved = trio.Event()

    def now_ms(self) -> int:
        return self._now_ms

    def move_to(self, now_ms: int) -> None:
        self._now_ms = now_ms
        moved, self._moved = self._moved, trio.Event()
        moved.set()

    async def sleep_until(self, due_ms: int) -> None:
        while self._now_ms < due_ms:
            await self._moved.wait()
        await trio.lowlevel.checkpoint()


class _InstantInvoker:
    """Every attempt ends at once. due: when each invocation should start; started: when those that did should have."""

    def __init__(self, partition: Partition) -> None:
        self._ending: list[EngineRecord] = []
        self._partition = partition
        self.due: dict[InvocationId, int] = {}
        self.started: list[int] = []
        self.ready = trio.Event()
        self.all_started = trio.Event()

    def start(self, action: StartAttempt) -> None:
        self.started.append(self.due[action.id])
        effect = pinned(output(MODERN))
        self._ending += [AttemptEffect(action.id, action.token, one) for one in (effect, End())]
        self.ready.set()
        if len(self.started) == len(self.due):
            self.all_started.set()

    async def run(self) -> None:
        while True:
            await self.ready.wait()
            self.ready = trio.Event()
            ending, self._ending = self._ending, []
            for record in ending:
                await self._partition.propose(record)

    def abort(self, action: AbortAttempt) -> None:
        """Nothing runs."""

    def acknowledge(self, action: AckCommand) -> None:
        """Nobody asks."""

    def grew(self, action: JournalGrew) -> None:
        """Nobody looks."""

    def pause(self, action: object) -> None:
        """Nobody asks."""

    def resume(self, action: object) -> None:
        """Nobody asks."""


def _timers(count: int, report: Report) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bench-engine-"))
    store = RocksStore.open(folder / "db")
    try:
        trio.run(_schedule_and_fire, store, count, report)
    finally:
        store.close()
        shutil.rmtree(folder)


async def _schedule_and_fire(store: RocksStore, count: int, report: Report) -> None:
    clock = _HandClock()
    partition = Partition(queue_limit=2048)
    partition.begin(Registry.load(0, ()), 0)
    reader = Tables(store)
    timers = Timers(partition, reader, clock, in_memory=TIMERS_IN_MEMORY)
    invoker = _InstantInvoker(partition)
    perform = Performer(partition, invoker, timers)
    most = 0

    def watched(actions: Sequence[Action]) -> None:
        nonlocal most
        perform(actions)
        most = max(most, len(timers._keys))

    committer = Committer(store, watched)
    processor = Processor(partition, Tables(store), committer, clock, batch_records=32, batch_bytes=1 << 20)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        await nursery.start(processor.run)
        nursery.start_soon(timers.run)
        nursery.start_soon(invoker.run)
        begin, before = time.perf_counter(), _resident_bytes()
        for number in range(count):
            # Neither in order nor all at different times.
            due_ms = 1_000_000 + (number * 7919) % count // 2
            name = f"t{number}"
            invoker.due[invocation_id(name)] = due_ms
            await partition.propose(invoke(name, service(), execution_time_ms=due_ms))
        await partition.settle()
        stored_s, grown = time.perf_counter() - begin, _resident_bytes() - before
        begin = time.perf_counter()
        clock.move_to(1_000_000 + count)
        await invoker.all_started.wait()
        await partition.settle()
        fired_s = time.perf_counter() - begin
        nursery.cancel_scope.cancel()
    in_order = invoker.started == sorted(invoker.started)
    report.say(
        f"\n{count:,} scheduled in {stored_s:.1f} s (+{grown / 1e6:.0f} MB, the test's own list included), "
        f"fired and ended in {fired_s:.1f} s, {'in order' if in_order else 'NOT IN ORDER'}"
    )
    report.bound("timers in memory", most, TIMERS_IN_MEMORY, "timers")
    if not in_order:
        report.missed.append("order of timers")


if __name__ == "__main__":
    sys.exit(main())
