from restate.runtime.model.journal import EventRow
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.tables.api import Tables
from restate.runtime.tables.events import Events
from tests.tables.builders import ID, OTHER_ID


def event(number: int) -> EventRow:
    return EventRow("TransientError", number, 1000 + number, f'{{"n":{number}}}')


def test_events_are_kept_in_order_and_only_the_last_ones() -> None:
    store = MemoryStore()
    tables = Tables(store)
    count = Events.KEPT + 3
    for number in range(count):
        tables.events.append(ID, number, event(number))
    tables.events.append(OTHER_ID, 0, event(0))
    store.write(tables.take_writes())
    assert tables.events.all(ID) == [event(number) for number in range(3, count)]
    tables.events.delete(ID, count)
    store.write(tables.take_writes())
    assert tables.events.all(ID) == []
    assert tables.events.all(OTHER_ID) == [event(0)]
