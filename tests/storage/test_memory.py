from restate.runtime.storage.memory import MemoryStore


def test_a_crash_takes_what_was_not_flushed() -> None:
    store = MemoryStore()
    store.write([("inv", b"1", b"a")])
    store.flush()
    store.write([("inv", b"1", b"changed"), ("inv", b"2", b"b")])
    assert store.unflushed == 1
    assert store.crash().dump() == {"inv": [(b"1", b"a")]}
    assert store.get("inv", b"2") == b"b"


def test_a_crash_may_spare_the_first_of_the_unflushed_writes() -> None:
    store = MemoryStore()
    for number in range(3):
        store.write([("inv", bytes([number]), b"")])
    assert [key for key, _ in store.crash(keep=2).scan("inv", b"", None)] == [b"\x00", b"\x01"]


def test_what_survived_a_crash_is_durable() -> None:
    store = MemoryStore()
    store.write([("inv", b"1", b"a")])
    survivor = store.crash(keep=1)
    assert survivor.unflushed == 0
    survivor.write([("inv", b"1", None)])
    assert survivor.crash().dump() == {"inv": [(b"1", b"a")]}
