"""Answers in gzip, for clients that take it."""

import gzip
import zlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

import trio
from quart import Response, request
from quart.wrappers.response import DataBody, ResponseBody
from quart_trio import QuartTrio

_MIN_BYTES = 32
"""Below it, compression makes an answer longer."""

_IN_THREAD_BYTES = 64 * 1024
_LEVEL = 5
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


def add_compression(app: QuartTrio) -> None:
    @app.after_request
    async def compress(response: Response) -> Response:
        body: Any = response.response
        data = await response.get_data(as_text=False) if isinstance(body, DataBody) else None
        if data == b"":
            return response
        response.headers.add("vary", "accept-encoding")
        if request.accept_encodings["gzip"] <= 0 or "content-encoding" in response.headers:
            return response
        if data is None:
            response.response = _Stream(body)
            response.headers.pop("content-length", None)
        elif len(data) >= _MIN_BYTES:
            response.set_data(await _compressed(data))
        else:
            return response
        response.headers["content-encoding"] = "gzip"
        return response


async def _compressed(data: bytes) -> bytes:
    """mtime 0: the same answer always has the same bytes."""
    if len(data) < _IN_THREAD_BYTES:
        return gzip.compress(data, _LEVEL, mtime=0)
    return await trio.to_thread.run_sync(lambda: gzip.compress(data, _LEVEL, mtime=0))


class _Stream(ResponseBody):
    """A stream of chunks, each compressed and sent on at once.

    No generator: one that is left behind by a client who goes away would be closed some time later, by anybody.
    """

    def __init__(self, chunks: ResponseBody) -> None:
        self._chunks = chunks
        self._compressor: Any = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        self._iterator: AsyncIterator[Any] | None = None

    async def __aenter__(self) -> "_Stream":
        self._iterator = aiter(await self._chunks.__aenter__())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._chunks.__aexit__(kind, error, traceback)  # type: ignore[arg-type]

    def __aiter__(self) -> "_Stream":
        return self

    async def __anext__(self) -> bytes:
        if self._iterator is None or self._compressor is None:
            raise StopAsyncIteration
        try:
            chunk = await anext(self._iterator)
        except StopAsyncIteration:
            rest: bytes = self._compressor.flush()
            self._compressor = None
            return rest
        raw = chunk.encode() if isinstance(chunk, str) else chunk
        if len(raw) < _IN_THREAD_BYTES:
            return self._compressed(raw)
        return await trio.to_thread.run_sync(self._compressed, raw)

    def _compressed(self, raw: bytes) -> bytes:
        compressed: bytes = self._compressor.compress(raw) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        return compressed
