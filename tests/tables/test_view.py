from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.storage.memory import MemoryStore
from restate.runtime.tables.view import Base, View


def _view(stored: dict[bytes, bytes]) -> View:
    store = MemoryStore()
    store.write([("inv", key, value) for key, value in stored.items()])
    return View(Base(store), "inv")


def test_reads_see_pending_writes_and_deletions() -> None:
    view = _view({b"1": b"a", b"2": b"b"})
    view.put(b"1", b"changed")
    view.delete(b"2")
    view.put(b"3", b"c")
    assert [view.get(key) for key in (b"1", b"2", b"3", b"4")] == [b"changed", None, b"c", None]
    assert list(view.scan(b"", None)) == [(b"1", b"changed"), (b"3", b"c")]
    view.put(b"2", b"again")
    assert view.get(b"2") == b"again"


def test_a_scan_does_not_see_what_becomes_pending_after_its_creation() -> None:
    view = _view({b"1": b"a", b"2": b"b", b"3": b"c"})
    view.put(b"0", b"z")
    seen = []
    for key, _ in view.scan(b"", None):
        seen.append(key)
        view.delete(key)
        view.put(key + b"x", b"new")
    assert seen == [b"0", b"1", b"2", b"3"]
    assert [key for key, _ in view.scan(b"", None)] == [b"0x", b"1x", b"2x", b"3x"]


def test_a_deleted_range_hides_what_is_stored_or_pending_but_not_what_comes_later() -> None:
    view = _view({b"1": b"a", b"2": b"b", b"3": b"c"})
    view.put(b"25", b"pending")
    scan = view.scan(b"", None)
    view.delete_range(b"2", b"3")
    view.put(b"21", b"later")
    assert [view.get(key) for key in (b"1", b"2", b"25", b"21", b"3")] == [b"a", None, None, b"later", b"c"]
    assert [key for key, _ in view.scan(b"", None)] == [b"1", b"21", b"3"]
    assert [key for key, _ in scan] == [b"1", b"2", b"25", b"3"]


@given(st.lists(st.tuples(st.sampled_from("pdrst"), st.binary(max_size=2)), max_size=30))
def test_scans_between_changes_see_what_a_dictionary_would_hold(steps: list[tuple[str, bytes]]) -> None:
    stored = {b"": b"0", b"\x01": b"1", b"a": b"2"}
    view = _view(stored)
    model = dict(stored)
    for number, (step, key) in enumerate(steps):
        match step:
            case "p":
                value = b"%d" % number
                view.put(key, value)
                model[key] = value
            case "d":
                view.delete(key)
                model.pop(key, None)
            case "r":
                view.delete_range(key, key + b"\x80")
                model = {one: value for one, value in model.items() if not key <= one < key + b"\x80"}
            case "s":
                assert list(view.scan(key, None)) == sorted(item for item in model.items() if item[0] >= key)
            case "t":
                # As if the store had refused: what it has is still what it had.
                list(view.take())
                model = dict(stored)
    assert list(view.scan(b"", None)) == sorted(model.items())
    assert all(view.get(key) == value for key, value in model.items())


_KEYS = st.binary(max_size=2)
_ROWS = st.dictionaries(_KEYS, st.binary(max_size=1), max_size=8)


@given(_ROWS, st.dictionaries(_KEYS, st.none() | st.binary(max_size=1), max_size=8), _KEYS, st.none() | _KEYS)
def test_a_view_is_the_store_with_the_pending_writes_done(
    stored: dict[bytes, bytes], pending: dict[bytes, bytes | None], start: bytes, end: bytes | None
) -> None:
    view = _view(stored)
    for key, value in pending.items():
        if value is None:
            view.delete(key)
        else:
            view.put(key, value)
    merged = {key: value for key, value in {**stored, **pending}.items() if value is not None}
    inside = sorted(item for item in merged.items() if item[0] >= start and (end is None or item[0] < end))
    assert list(view.scan(start, end)) == inside
    assert list(view.scan_prefix(start)) == sorted(
        item for item in merged.items() if item[0].startswith(start)
    )
    assert all(view.get(key) == merged.get(key) for key in {*stored, *pending})
