import gzip
from collections.abc import AsyncIterator

import pytest
from quart import Response

from tests.admin.fakes import Admin


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.5", "*"])
async def test_who_takes_gzip_gets_it(accepted: str) -> None:
    client = Admin().client
    plain = await (await client.get("/version")).get_data()
    response = await client.get("/version", headers={"accept-encoding": accepted})
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["vary"] == "accept-encoding"
    raw = await response.get_data(as_text=False)
    assert gzip.decompress(raw) == plain
    assert int(response.headers["content-length"]) == len(raw)


@pytest.mark.parametrize("accepted", [None, "", "identity", "br", "gzip;q=0"])
async def test_who_does_not_gets_it_plain(accepted: str | None) -> None:
    headers = {} if accepted is None else {"accept-encoding": accepted}
    response = await Admin().client.get("/version", headers=headers)
    assert "content-encoding" not in response.headers
    assert response.headers["vary"] == "accept-encoding"


async def test_what_is_empty_or_short_is_left_alone() -> None:
    client = Admin().client
    health = await client.get("/health", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in health.headers
    assert "vary" not in health.headers
    deployments = await client.get("/deployments", headers={"accept-encoding": "gzip"})
    assert await deployments.get_json() == {"deployments": []}
    assert "content-encoding" not in deployments.headers


async def test_errors_are_compressed_too() -> None:
    response = await Admin().client.get("/services/Nope", headers={"accept-encoding": "gzip"})
    assert response.status_code == 404
    assert b"'Nope'" in gzip.decompress(await response.get_data(as_text=False))


async def test_a_large_answer_is_compressed_beside_the_loop() -> None:
    admin = Admin()

    async def large() -> Response:
        return Response(b"x" * 1_000_000)

    admin.app.add_url_rule("/large", view_func=large)
    response = await admin.client.get("/large", headers={"accept-encoding": "gzip"})
    raw = await response.get_data(as_text=False)
    assert len(raw) < 10_000
    assert gzip.decompress(raw) == b"x" * 1_000_000


async def test_a_stream_is_compressed_chunk_by_chunk() -> None:
    admin = Admin()

    async def stream() -> Response:
        async def chunks() -> AsyncIterator[bytes | str]:
            yield b"one"
            yield "two"
            yield b"x" * 100_000

        return Response(chunks())

    admin.app.add_url_rule("/stream", view_func=stream)
    response = await admin.client.get("/stream", headers={"accept-encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(await response.get_data(as_text=False)) == b"onetwo" + b"x" * 100_000


async def test_an_answer_that_is_encoded_already_stays_so() -> None:
    admin = Admin()

    async def encoded() -> Response:
        return Response(b"x" * 100, headers={"content-encoding": "zstd"})

    admin.app.add_url_rule("/encoded", view_func=encoded)
    response = await admin.client.get("/encoded", headers={"accept-encoding": "gzip"})
    assert (await response.get_data(as_text=False), response.headers["content-encoding"]) == (
        b"x" * 100,
        "zstd",
    )
