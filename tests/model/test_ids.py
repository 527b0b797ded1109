import sys

import pytest
import xxhash

from restate.runtime.model.ids import classic_partition_key, partition_key_of_key


@pytest.mark.parametrize(("length", "held"), [(256, True), (257, False)])
def test_only_short_keys_are_held_after_the_call(length: int, held: bool) -> None:
    key = "".join(["k"] * length)
    before = sys.getrefcount(key)
    assert partition_key_of_key(key) == xxhash.xxh3_64_digest(key.encode() + b"\xff")
    assert (sys.getrefcount(key) > before) == held


@pytest.mark.parametrize(("length", "held"), [(256, True), (257, False)])
def test_only_short_classic_keys_are_held_after_the_call(length: int, held: bool) -> None:
    key = bytes([107] * length)
    before = sys.getrefcount(key)
    assert classic_partition_key(key) == xxhash.xxh3_64_digest(length.to_bytes(8, "little") + key)
    assert (sys.getrefcount(key) > before) == held
