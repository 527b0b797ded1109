"""The handler of port 8080: one rule decides which protocol and generation a request speaks (ingress.md §4.2)."""

from restate.runtime.config import Ingress as IngressConfig
from restate.runtime.ingress.classic import ClassicIngress, overloaded, speaks_rpc
from restate.runtime.ingress.errors import IngressError
from restate.runtime.ingress.headers import cors, preflight
from restate.runtime.ingress.modern import ModernIngress
from restate.runtime.ingress.paths import normalize, parse
from restate.runtime.model.clock import Clock, IdSource
from restate.runtime.net.http import BodyTooLarge, Request, Response
from restate.runtime.partition.handle import Overloaded, Partition, ShuttingDown
from restate.runtime.rpc.compression import too_large
from restate.runtime.schema.options import Defaults


class Ingress:
    """Admits requests up to the concurrency limit and hands each to the part that speaks its protocol."""

    def __init__(
        self, partition: Partition, config: IngressConfig, clock: Clock, ids: IdSource, defaults: Defaults
    ) -> None:
        self._partition = partition
        self._permits = config.concurrency_limit
        self._size_limit = config.request_size_limit
        self._modern = ModernIngress(partition, config, clock, ids, defaults)
        self._classic = ClassicIngress(partition, config, clock, ids, defaults)

    async def __call__(self, request: Request, response: Response) -> None:
        if request.method == "OPTIONS":
            await response.send(200, preflight(request))
            return
        path, query = normalize(request.target)
        if request.content_length is not None and request.content_length > self._size_limit:
            await self._too_large(path, query, request, response)
            return
        self._permits -= 1
        try:
            await self._serve(path, query, request, response)
        except IngressError as error:
            await self._refuse(error, request, response)
        except BodyTooLarge:
            await self._refuse(IngressError(413, "cannot read body: LengthLimitError"), request, response)
        except Overloaded:
            await self._refuse(_overloaded(), request, response)
        except ShuttingDown as error:
            await self._refuse(IngressError(503, str(error)), request, response)
        finally:
            self._permits += 1

    async def _serve(self, path: str, query: str, request: Request, response: Response) -> None:
        if self._permits < 0:
            if not speaks_rpc(query, request):
                raise _overloaded()
            await self._classic.refuse(overloaded(), query, request, response)
            return
        if not self._partition.ready.is_set():
            await self._partition.ready.wait()
        if self._classic.speaks(path, query, request):
            await self._classic.serve(path, query, request, response)
        else:
            await self._modern.serve(parse(path), query, request, response)

    async def _refuse(self, error: IngressError, request: Request, response: Response) -> None:
        status, headers, body = error.answer()
        await response.send(status, headers + cors(request), body)

    async def _too_large(self, path: str, query: str, request: Request, response: Response) -> None:
        """The client has said so beforehand; nothing was read. Plain text without the usual headers, like upstream."""
        if speaks_rpc(query, request) and self._classic.speaks(path, query, request):
            await self._classic.refuse(too_large(self._size_limit), query, request, response)
        else:
            plain = [(b"content-type", b"text/plain; charset=utf-8")]
            await response.send(413, plain, b"length limit exceeded")


def _overloaded() -> IngressError:
    return IngressError(429, "too many requests, the ingress is overloaded. Retry later.")
