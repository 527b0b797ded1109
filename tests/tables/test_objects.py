import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.model.promise import PromiseListener, PromiseRow
from restate.runtime.model.result import Success
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.tables.api import StatePatch, Tables
from tests.tables.builders import ID, OTHER_ID, PARTITION_KEY

OBJECT = (PARTITION_KEY, "Counter", "key")
NEIGHBOURS = [
    (PARTITION_KEY, "Counter", ""),
    (PARTITION_KEY, "Counter", "key\0"),
    (PARTITION_KEY, "Counte", "rkey"),
    (b"\xff" * 8, "Counter", "key"),
]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def tables(store: MemoryStore) -> Tables:
    return Tables(store)


def test_a_lock_belongs_to_one_object(tables: Tables, store: MemoryStore) -> None:
    assert tables.locks.get(*OBJECT) is None
    tables.locks.put(*OBJECT, ID)
    store.write(tables.take_writes())
    assert tables.locks.get(*OBJECT) == ID
    assert [tables.locks.get(*other) for other in NEIGHBOURS] == [None] * len(NEIGHBOURS)
    tables.locks.put(*OBJECT, OTHER_ID)
    assert tables.locks.get(*OBJECT) == OTHER_ID
    tables.locks.delete(*OBJECT)
    assert tables.locks.get(*OBJECT) is None


def test_the_inbox_gives_invocations_and_patches_by_seq(tables: Tables, store: MemoryStore) -> None:
    assert tables.inbox.head(*OBJECT) is None
    for other in NEIGHBOURS:
        tables.inbox.push(*other, 1, OTHER_ID)
    tables.inbox.push(*OBJECT, 255, ID)
    tables.inbox.push(*OBJECT, 256, StatePatch(b"patch"))
    store.write(tables.take_writes())
    assert tables.inbox.head(*OBJECT) == (255, ID)
    tables.inbox.delete(*OBJECT, 255)
    assert tables.inbox.head(*OBJECT) == (256, StatePatch(b"patch"))
    tables.inbox.delete(*OBJECT, 256)
    assert tables.inbox.head(*OBJECT) is None
    assert tables.inbox.head(*NEIGHBOURS[0]) == (1, OTHER_ID)


_INBOX_STEPS = st.lists(
    st.tuples(st.sampled_from(["push", "pop", "remove", "write"]), st.integers(0, 3)), max_size=30
)


@given(_INBOX_STEPS)
def test_the_head_is_always_the_lowest_seq_that_is_left(steps: list[tuple[str, int]]) -> None:
    store = MemoryStore()
    tables = Tables(store)
    left: list[int] = []
    seq = 0
    for step, which in steps:
        if step == "push":
            # Also below the last one: the order of pushes is not what counts.
            seq += 10
            number = seq - which * 11
            if number > 0 and number not in left:
                tables.inbox.push(*OBJECT, number, ID)
                left = sorted([*left, number])
        elif step == "write":
            store.write(tables.take_writes())
        elif left:
            number = left.pop(0 if step == "pop" else which % len(left))
            tables.inbox.delete(*OBJECT, number)
        head = tables.inbox.head(*OBJECT)
        assert (head[0] if head else None) == (left[0] if left else None)


def test_finding_the_head_of_a_busy_object_does_not_pass_the_rows_before_it(
    tables: Tables, store: MemoryStore
) -> None:
    starts: list[bytes] = []
    scan = store.scan

    def watched(table: str, start: bytes, end: bytes | None) -> object:
        starts.append(start)
        return scan(table, start, end)

    store.scan = watched  # type: ignore[assignment, method-assign]
    for seq in range(1, 4):
        tables.inbox.push(*OBJECT, seq, ID)
    for seq in range(1, 4):
        assert tables.inbox.head(*OBJECT) == (seq, ID)
        tables.inbox.delete(*OBJECT, seq)
    assert [start[-1] for start in starts[1:]] == [1, 2]


def test_state_is_listed_in_the_order_of_names(tables: Tables, store: MemoryStore) -> None:
    names = [b"b", b"", b"a\xff", b"a", b"\xff\xff"]
    for name in names[:3]:
        tables.state.put(*OBJECT, name, name)
    store.write(tables.take_writes())
    for name in names[3:]:
        tables.state.put(*OBJECT, name, name)
    for other in NEIGHBOURS:
        tables.state.put(*other, b"a", b"other")
    assert tables.state.all(*OBJECT) == [(name, name) for name in sorted(names)]
    tables.state.delete(*OBJECT, b"a")
    assert tables.state.get(*OBJECT, b"a") is None
    assert tables.state.get(*OBJECT, b"") == b""
    tables.state.put(*OBJECT, b"b", b"changed")
    assert tables.state.get(*OBJECT, b"b") == b"changed"


def test_clearing_state_clears_one_object(tables: Tables, store: MemoryStore) -> None:
    tables.state.put(*OBJECT, b"written", b"x")
    for other in NEIGHBOURS:
        tables.state.put(*other, b"a", b"other")
    store.write(tables.take_writes())
    tables.state.put(*OBJECT, b"pending", b"x")
    tables.state.clear(*OBJECT)
    assert tables.state.all(*OBJECT) == []
    tables.state.put(*OBJECT, b"after", b"x")
    store.write(tables.take_writes())
    assert tables.state.all(*OBJECT) == [(b"after", b"x")]
    assert all(tables.state.all(*other) == [(b"a", b"other")] for other in NEIGHBOURS)


def test_promises_are_kept_by_name_and_deleted_together(tables: Tables, store: MemoryStore) -> None:
    waiting = PromiseRow(None, (PromiseListener(ID, 1, 2),))
    tables.promises.put(*OBJECT, "b", waiting)
    tables.promises.put(*OBJECT, "\u00e9", waiting)
    tables.promises.put(*NEIGHBOURS[0], "b", waiting)
    store.write(tables.take_writes())
    done = PromiseRow(Success(b"x"))
    tables.promises.put(*OBJECT, "b", done)
    assert tables.promises.get(*OBJECT, "b") == done
    assert tables.promises.all(*OBJECT) == [("b", done), ("\u00e9", waiting)]
    assert tables.promises.get(*OBJECT, "c") is None
    tables.promises.delete_all(*OBJECT)
    assert tables.promises.all(*OBJECT) == []
    assert tables.promises.get(*NEIGHBOURS[0], "b") == waiting
