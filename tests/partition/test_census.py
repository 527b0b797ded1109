"""The numbers of invocations by status, from the store at the start and what is written since."""

from __future__ import annotations

import trio

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import Status
from restate.runtime.partition.census import Census
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.tables.api import Tables
from tests.tables.builders import record


def invocation_id(number: int) -> InvocationId:
    return InvocationId(number.to_bytes(24, "big"))


def numbers(census: Census) -> dict[str, float]:
    return {labels[0]: value for labels, value in census.numbers()}


async def test_what_was_stored_and_what_came_since_are_counted_once(autojump_clock: object) -> None:
    store = MemoryStore()
    before, writer = Tables(store), Tables(store)
    for number in range(1200):
        before.invocations.put(invocation_id(number), record(Status.SUSPENDED), None)
    before.invocations.put(invocation_id(2000), record(Status.SCHEDULED), None)
    store.write(before.take_writes())
    census = Census(Tables(store), writer.invocations.changes)
    assert numbers(census) == {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(census.run)
        await trio.sleep(0.501)
        # One of those that have not been counted yet, and one that has.
        for number in (0, 1199):
            writer.invocations.put(invocation_id(number), record(Status.INVOKED), record(Status.SUSPENDED))
        writer.invocations.delete(invocation_id(2000), record(Status.SCHEDULED))
        writer.invocations.put(invocation_id(3000), record(Status.INBOXED), None)
        store.write(writer.take_writes())
    assert numbers(census) == {
        "scheduled": 0,
        "inboxed": 1,
        "invoked": 2,
        "suspended": 1198,
        "paused": 0,
        "completed": 0,
    }
    writer.invocations.put(invocation_id(0), record(Status.COMPLETED), record(Status.INVOKED))
    assert numbers(census)["completed"] == 1
