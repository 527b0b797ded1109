"""The header compression of requests, read back by an independent decoder."""

import random

import hpack
import pytest

from restate.runtime.net import _h2
from restate.runtime.net.exchange import ClientLimits
from restate.runtime.net.h2_machine import H2Machine

pytestmark = pytest.mark.skipif(_h2.connection.__name__.startswith("jh2"), reason="jh2 has its own encoder")

FIXED = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":authority", b"service:9080"),
    (b":path", b"/invoke/Greeter/greet"),
    (b"content-type", b"application/vnd.restate.invocation.v6"),
]


def test_every_block_decodes_to_its_headers() -> None:
    chance = random.Random(1)
    encoder, decoder = H2Machine(ClientLimits()).encoder, hpack.Decoder()
    for number in range(2000):
        headers = [
            *FIXED,
            (b"x-restate-invocation-id", b"inv_%d" % number),
            (
                b"x-%d" % chance.randrange(60),
                bytes(chance.randrange(256) for _ in range(chance.randrange(200))),
            ),
        ]
        if number % 500 == 400:
            encoder.header_table_size = chance.choice((0, 300, 4096))
        assert list(decoder.decode(encoder.encode(headers), raw=True)) == headers


def test_requests_that_differ_in_a_single_value_stay_small() -> None:
    encoder = H2Machine(ClientLimits()).encoder
    blocks = [encoder.encode([*FIXED, (b"x-restate-invocation-id", b"inv_%03d" % n)]) for n in range(1000)]
    assert len(blocks[-1]) == len(FIXED) + len(b"..x-restate-invocation-id.inv_999")
    assert len(encoder.header_table.dynamic_entries) == 3
