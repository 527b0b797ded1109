"""Where an attempt goes and what its request looks like, decided from the registry and the invocation record."""

from collections.abc import Callable, Sequence
from urllib.parse import quote

import attrs

from restate.runtime.invoker.failure import AttemptFailure
from restate.runtime.model.ids import DeploymentId, InvocationId, format_invocation_id
from restate.runtime.model.invocation import InvocationRecord
from restate.runtime.model.retry import RetryPolicy
from restate.runtime.model.target import Generation, Target
from restate.runtime.schema.address import join_path
from restate.runtime.schema.deployment import Deployment, Service
from restate.runtime.schema.options import Defaults, Effective, effective
from restate.runtime.schema.registry import Registry
from restate.runtime.service_protocol.identity import Identity

CLASSIC_VERSION = 1
_NEWEST_VERSION = 7
_PREFERRED_VERSION = 6
_OLDEST_VERSION = 5


@attrs.frozen
class Route:
    """One deployment, the protocol version to speak to it, and what holds for the handler there. path: of the request."""

    deployment: Deployment
    version: int
    path: bytes
    options: Effective

    @property
    def bidirectional(self) -> bool:
        return self.deployment.protocol_type == "BidiStream"


class Routes:
    """Chooses routes from the published schema; keeps what it computed until the schema changes."""

    def __init__(
        self, schema: Callable[[], Registry], defaults: Defaults, *, protocol_v7: bool = False
    ) -> None:
        """protocol_v7: pick version 7 wherever an SDK offers it."""
        self._schema = schema
        self._defaults = defaults
        self._preferred_version = _NEWEST_VERSION if protocol_v7 else _PREFERRED_VERSION
        self._registry = schema()
        self._known: dict[tuple[str, int, str, str], Route] = {}

    def choose(self, record: InvocationRecord) -> Route:
        """The pinned deployment, else the newest one of the service. Raises AttemptFailure RT0011 or RT0010.

        Only deployments of the invocation's generation are chosen, since the journal is in that generation's form.
        """
        registry = self._schema()
        if registry is not self._registry:
            self._registry = registry
            self._known.clear()
        deployment, version = (
            _pinned(registry, record)
            if record.pin is not None
            else _latest(registry, record, self._preferred_version)
        )
        if deployment.arn is not None:
            raise AttemptFailure(
                code="RT0010",
                message=f"the deployment {deployment.id} is the AWS Lambda function {deployment.arn}, and this server does"
                " not call AWS Lambda; resume the invocation on a deployment that is reached over HTTP",
            )
        target = record.target
        key = (deployment.id, version, target.service, target.handler)
        route = self._known.get(key)
        if route is None:
            path = join_path(deployment.uri, f"/invoke/{target.service}/{target.handler}")
            route = self._known[key] = Route(deployment, version, path, self._options(deployment, target))
        return route

    def retry_policy(self, target: Target) -> RetryPolicy:
        """What holds while there is no deployment to ask."""
        return self._defaults.of(target.generation).retry

    def _options(self, deployment: Deployment, target: Target) -> Effective:
        service = deployment.service(target.service)
        if service is None:
            # The deployment was overwritten without the service; it answers 404, which is the clearer error.
            service = Service(name=target.service, type=target.service_type, handlers=())
        return effective(service, service.handler(target.handler), self._defaults)


def _pinned(registry: Registry, record: InvocationRecord) -> tuple[Deployment, int]:
    assert record.pin is not None
    deployment = registry.deployments.get(DeploymentId(record.pin.deployment_id))
    if deployment is None:
        raise AttemptFailure(
            code="RT0011",
            message=f"the invocation is pinned to deployment {record.pin.deployment_id}, which is not registered any"
            " more; kill the invocation, or resume it on another deployment",
        )
    return deployment, record.pin.protocol_version


def _latest(registry: Registry, record: InvocationRecord, preferred_version: int) -> tuple[Deployment, int]:
    latest = registry.deployment_of(record.target.service)
    if latest is None or latest.generation is not record.target.generation:
        raise AttemptFailure(
            code="RT0011",
            message=f"no deployment of service '{record.target.service}' is registered; register one, and the"
            " invocation goes on",
        )
    return latest, _version(latest, preferred_version)


def _version(deployment: Deployment, preferred: int) -> int:
    """The highest common version up to the preferred one; a newer one only for an SDK that speaks nothing older.

    Registration has made sure that there is a common version (settled.md #23).
    """
    if deployment.generation is Generation.CLASSIC:
        return CLASSIC_VERSION
    highest = min(deployment.max_protocol_version, preferred)
    return min(max(highest, deployment.min_protocol_version, _OLDEST_VERSION), _NEWEST_VERSION)


def request_headers(
    deployment: Deployment,
    invocation: InvocationId,
    record: InvocationRecord,
    content_type: str,
    identity: Identity,
    trace: Sequence[tuple[bytes, bytes]] = (),
) -> list[tuple[bytes, bytes]]:
    """In the order the official server sends them (service-protocol.md §4.2); the deployment's own are appended."""
    encoded_type = content_type.encode()
    headers = [(b"content-type", encoded_type), (b"accept", encoded_type)]
    target = record.target
    modern = deployment.generation is Generation.MODERN
    if modern:
        headers.append((b"x-restate-invocation-id", format_invocation_id(invocation).encode()))
        if target.key is not None:
            headers.append((b"x-restate-service-key", quote(target.key, safe="").encode()))
    headers += trace
    headers += [(name.encode(), value.encode()) for name, value in deployment.additional_headers]
    if modern:
        headers += identity.headers(f"/invoke/{target.service}/{target.handler}", target.key)
    return headers
