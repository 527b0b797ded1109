"""What a subscription may connect, and which options it gets."""

from collections.abc import Mapping

from restate.runtime.errors import RestateError
from restate.runtime.model.kafka import KafkaCluster
from restate.runtime.model.target import Generation
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.subscription import Subscription, Uri

_CLIENT_ID = "restate"


class SubscriptionError(RestateError):
    """Source or sink cannot be used."""

    default_code = "META0009"


class UnknownCluster(RestateError):
    """The source names a cluster that is not there."""


def subscribe(
    registry: Registry,
    clusters: Mapping[str, KafkaCluster],
    source: Uri,
    sink: Uri,
    options: Mapping[str, str],
    *,
    new_id: str,
    classic_status: bool,
) -> Subscription:
    """Raises SubscriptionError, UnknownCluster.

    clusters: those of the configuration too. classic_status: whether what is wrong with a classic sink is 500 instead
    of 400, as on the routes of that generation.
    """
    target = sink.path[1:].partition("/")
    service = registry.service(sink.authority)
    status = (
        500
        if classic_status and service is not None and service.type.generation is Generation.CLASSIC
        else 400
    )
    if source.scheme != "kafka":
        raise SubscriptionError(
            f"invalid source URI '{source}': must have a scheme segment, with supported schemes: [kafka].",
            http_status=status,
        )
    cluster = clusters.get(source.authority)
    if cluster is None:
        known = ", ".join(f'"{name}"' for name in sorted(clusters))
        raise UnknownCluster(
            f"Kafka cluster '{source.authority}' not found. Available clusters: [{known}]", http_status=status
        )
    if sink.scheme != "service":
        raise SubscriptionError(
            f"invalid sink URI '{sink}': must have a scheme segment, with supported schemes: [service].",
            http_status=status,
        )
    if service is None or target[1] or service.handler(target[0]) is None:
        raise SubscriptionError(
            f"invalid sink URI '{sink}': cannot find service/handler specified in the sink URI.",
            http_status=status,
        )
    return Subscription(new_id, str(source), str(sink), _options(cluster, options, new_id))


def _options(cluster: KafkaCluster, given: Mapping[str, str], new_id: str) -> tuple[tuple[str, str], ...]:
    """What is given wins; the group is always named, so that it stays the same whatever becomes of the cluster."""
    properties = dict(cluster.properties)
    options = dict(given)
    options.setdefault("group.id", properties.get("group.id", new_id))
    if "client.id" not in properties:
        options.setdefault("client.id", _CLIENT_ID)
    return tuple(sorted(options.items()))
