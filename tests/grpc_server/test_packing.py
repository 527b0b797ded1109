"""What is long is compressed beside the loop, with the same outcome."""

from __future__ import annotations

import gzip
import threading

import pytest
import trio

from restate.runtime.grpc_server.packing import packed, unhurried, unpacked
from restate.runtime.rpc.status import Code, RpcError

SIZES = (0, 10, 65_536, 65_537, 300_000)


@pytest.mark.parametrize("size", SIZES)
async def test_messages_survive(size: int) -> None:
    message = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert await unpacked(await packed(message), b"gzip", size or 1) == message
    assert await unpacked(message, None, size) == message
    assert await unpacked(message, b"identity", size) == message


@pytest.mark.parametrize("size", SIZES[1:])
async def test_the_limit_holds_on_either_way(size: int) -> None:
    with pytest.raises(RpcError) as refused:
        await unpacked(gzip.compress(bytes(size)), b"gzip", size - 1)
    assert refused.value.code is Code.RESOURCE_EXHAUSTED
    assert str(size - 1) in refused.value.message


@pytest.mark.parametrize("message", [b"x", b"x" * 100_000, gzip.compress(bytes(10))[:-1]])
async def test_what_is_no_gzip_is_refused(message: bytes) -> None:
    with pytest.raises(RpcError) as refused:
        await unpacked(message, b"gzip", 200_000)
    assert refused.value.code is Code.INVALID_ARGUMENT


async def test_others_go_on_meanwhile() -> None:
    went_on = False

    async def other() -> None:
        nonlocal went_on
        went_on = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await unpacked(gzip.compress(bytes(1_000_000)), b"gzip", 1_000_000)
        assert went_on


@pytest.mark.parametrize(("size", "beside"), [(16_384, False), (16_385, True)])
async def test_long_work_is_done_beside_the_loop(size: int, beside: bool) -> None:
    assert (await unhurried(size, threading.get_ident) != threading.get_ident()) is beside
    with pytest.raises(ValueError, match="invalid literal"):
        await unhurried(size, int, "x")


async def test_a_body_of_many_members_is_refused_before_they_cost_much() -> None:
    member = gzip.compress(b"")
    assert await unpacked(gzip.compress(b"a") + member * 98 + gzip.compress(b"b"), b"gzip", 2) == b"ab"
    with pytest.raises(RpcError, match="at most 100 members") as refused:
        await unpacked(member * 50_000, b"gzip", 200_000)
    assert refused.value.code is Code.INVALID_ARGUMENT
