"""The handler of port 8080: one rule decides which protocol and generation a request speaks (ingress.md §4.2)."""

from restate.runtime.config import Ingress as IngressConfig
from restate.runtime.ingress.classic import ClassicIngress
from restate.runtime.ingress.errors import IngressError
from restate.runtime.ingress.headers import cors, preflight
from restate.runtime.ingress.modern import ModernIngress
from restate.runtime.ingress.paths import normalize, parse
from restate.runtime.model.clock import Clock, IdSource
from restate.runtime.net.http import BodyTooLarge, Request, Response
from restate.runtime.partition.handle import Overloaded, Partition, ShuttingDown
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
        self._permits -= 1
        try:
            await self._admit(request, response)
        except IngressError as error:
            await self._refuse(error, request, response)
        except BodyTooLarge as error:
            await self._too_large(error, request, response)
        except Overloaded:
            await self._refuse(_overloaded(), request, response)
        except ShuttingDown as error:
            await self._refuse(IngressError(503, str(error)), request, response)
        finally:
            self._permits += 1

    async def _admit(self, request: Request, response: Response) -> None:
        path, query = normalize(request.target)
        classic = self._classic.speaks(path, request)
        if self._permits < 0:
            if not classic:
                raise _overloaded()
            await self._classic.overloaded(request, response)
            return
        if not self._partition.ready.is_set():
            await self._partition.ready.wait()
        if classic:
            await self._classic.serve(path, request, response)
        else:
            await self._modern.serve(parse(path), query, request, response)

    async def _refuse(self, error: IngressError, request: Request, response: Response) -> None:
        status, headers, body = error.answer()
        await response.send(status, headers + cors(request), body)

    async def _too_large(self, error: BodyTooLarge, request: Request, response: Response) -> None:
        """Known beforehand, it is the listener's plain refusal; found out while reading, it is an ingress error."""
        if error.declared:
            await response.send(
                413, [(b"content-type", b"text/plain; charset=utf-8")], b"length limit exceeded"
            )
        else:
            await self._refuse(IngressError(413, "cannot read body: LengthLimitError"), request, response)


def _overloaded() -> IngressError:
    return IngressError(429, "too many requests, the ingress is overloaded. Retry later.")
