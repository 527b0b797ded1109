"""Bodies of requests and replies about subscriptions and Kafka clusters (admin.md §4.6).

`metadata` of a field goes into its JSON schema.
"""

import attrs
from msgspec import UNSET, UnsetType


@attrs.frozen
class Remark:
    """Something an operator should know."""

    message: str


@attrs.frozen
class CreateSubscription:
    """Which topic goes to which handler. options: properties of the consumer."""

    source: str = attrs.field(metadata={"description": "kafka://cluster/topic"})
    sink: str = attrs.field(metadata={"description": "service://Service/handler"})
    options: dict[str, str] | None = None


@attrs.frozen
class Subscription:
    """A stored subscription. Values of options that may be secrets are shown as `***`."""

    id: str
    source: str
    sink: str
    options: dict[str, str]
    info: list[Remark] | UnsetType = UNSET


@attrs.frozen
class Subscriptions:
    subscriptions: list[Subscription]


@attrs.frozen
class CreateKafkaCluster:
    """A cluster that subscriptions may name. properties: those of Kafka's clients, bootstrap.servers among them."""

    name: str
    properties: dict[str, str]


@attrs.frozen
class UpdateKafkaCluster:
    """The properties that replace all former ones; `***` for a secret keeps the former value."""

    properties: dict[str, str]


@attrs.frozen
class KafkaCluster:
    """A known cluster. Values of properties that may be secrets are shown as `***`."""

    name: str
    properties: dict[str, str]
    created_at: str = attrs.field(metadata={"format": "date-time"})
    subscriptions: list[Subscription] | UnsetType = attrs.field(
        default=UNSET, metadata={"description": "only in the reply for one cluster, empty unless asked for"}
    )
    info: list[Remark] | UnsetType = UNSET


@attrs.frozen
class KafkaClusters:
    clusters: list[KafkaCluster]
