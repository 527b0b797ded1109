"""From a classic service and method to the callee of a call: visibility, key, idempotency (ingress.md §1.1, §1.4, §1.5)."""

import attrs

from restate.runtime.model.clock import IdSource
from restate.runtime.model.duration import MAX_DURATION_MS
from restate.runtime.model.journal import Callee
from restate.runtime.model.target import Generation
from restate.runtime.net.http import Request
from restate.runtime.partition.handle import Partition
from restate.runtime.rpc.status import Code, RpcError
from restate.runtime.schema.addressing import address
from restate.runtime.schema.messages import ClassicMessages, KeyExtractionError
from restate.runtime.schema.options import Defaults

_MOST_DIGITS = 20


@attrs.frozen
class Idempotency:
    """What the caller asks for. key: any bytes, as Latin-1. retention_ms: None for the service's own."""

    key: str | None = None
    retention_ms: int | None = None


class ClassicCalls:
    """Looks up classic targets. Every method raises RpcError."""

    def __init__(self, partition: Partition, ids: IdSource, defaults: Defaults) -> None:
        self._partition = partition
        self._ids = ids
        self._defaults = defaults

    def generation(self, service: str) -> Generation | None:
        """None: there is no such service."""
        found = self._partition.schema.service(service)
        return None if found is None else found.type.generation

    def check_public(self, service: str) -> None:
        """NOT_FOUND or PERMISSION_DENIED."""
        found = self._partition.schema.service(service)
        if found is None or found.type.generation is not Generation.CLASSIC:
            raise RpcError(
                Code.NOT_FOUND,
                f"Service '{service}' not found. Check whether the deployment containing the service is registered.",
            )
        if not found.public:
            raise RpcError(Code.PERMISSION_DENIED, f"Service {service} is not accessible")

    def messages(self, service: str, method: str) -> ClassicMessages:
        """Of a public method."""
        self.check_public(service)
        messages = self._partition.schema.classic_method(service, method)
        if messages is None:
            raise method_not_found(service, method)
        return messages

    def callee(
        self,
        service: str,
        method: str,
        body: bytes,
        *,
        idempotency: Idempotency | None = None,
        key_fault: Code = Code.INTERNAL,
    ) -> Callee:
        """The invocation that a call with this input message means. key_fault: the status of an unreadable key."""
        try:
            key = self.messages(service, method).key_of(body)
        except KeyExtractionError as error:
            raise RpcError(key_fault, str(error)) from error
        return address(
            self._partition.schema,
            service,
            method,
            key,
            idempotency_key=None if idempotency is None else idempotency.key,
            ids=self._ids,
            defaults=self._defaults,
            retention_ms=None if idempotency is None else idempotency.retention_ms,
        )


def method_not_found(service: str, method: str) -> RpcError:
    return RpcError(
        Code.NOT_FOUND,
        f"Service method '{service}/{method}' not found. Check whether you've registered the correct version of your"
        " service.",
    )


def idempotency_of(request: Request) -> Idempotency:
    """Raises RpcError INVALID_ARGUMENT. A period without a key is ignored, one of 0 counts as none."""
    key = request.header(b"idempotency-key")
    if key is None:
        return Idempotency()
    period = request.header(b"idempotency-retention-period")
    if period is None:
        return Idempotency(key.decode("latin-1"))
    if not period.isdigit() or len(period) > _MOST_DIGITS:
        text = period.decode("latin-1")[:40]
        raise RpcError(Code.INVALID_ARGUMENT, f"bad idempotency id format: expected seconds, got '{text}'")
    return Idempotency(key.decode("latin-1"), min(int(period) * 1000, MAX_DURATION_MS))
