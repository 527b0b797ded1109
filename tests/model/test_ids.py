import sys

import pytest
import xxhash

from restate.runtime.model.ids import (
    IdError,
    check_subscription_id,
    check_vqueue_id,
    classic_partition_key,
    format_subscription_id,
    partition_key_of_key,
)


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


def test_subscription_ids_are_27_characters() -> None:
    text = format_subscription_id(bytes(range(16)))
    assert (len(text), text[:5]) == (27, "sub_1")
    check_subscription_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "foo", "sub_1", "sub_2" + "1" * 22, "sub_1" + "1" * 21, "dp_1" + "1" * 22, "sub_1" + "-" * 22],
)
def test_other_texts_are_no_subscription_ids(text: str) -> None:
    with pytest.raises(IdError):
        check_subscription_id(text)


@pytest.mark.parametrize(
    ("text", "good"), [("vq_1" + "1" * 33, True), ("vq_1" + "1" * 32, False), ("inv_1" + "1" * 33, False)]
)
def test_vqueue_ids_are_like_those_of_invocations(text: str, good: bool) -> None:
    if good:
        check_vqueue_id(text)
    else:
        with pytest.raises(IdError):
            check_vqueue_id(text)
