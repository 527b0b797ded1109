"""/kafka-clusters: what subscriptions may name (admin.md §4.6). Nobody connects to them."""

import logging
import re
from urllib.parse import quote

from msgspec import UNSET, UnsetType
from quart import Blueprint, Response

from restate.runtime.admin import models_kafka as models
from restate.runtime.admin.answer import empty_response, json_response
from restate.runtime.admin.body import bool_parameter, read_body
from restate.runtime.admin.changes import store
from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.models_kafka import CreateKafkaCluster, UpdateKafkaCluster
from restate.runtime.admin.parts import Parts
from restate.runtime.admin.subscriptions import known_clusters, subscription_view
from restate.runtime.admin.views import format_time
from restate.runtime.model.kafka import BROKERS, MASK, KafkaCluster, has_brokers, is_secret, masked
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import Row
from restate.runtime.schema.stored import KAFKA_CLUSTERS

log = logging.getLogger("restate.admin")

_NAME = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%\[\]-]+")
"""What may stand between `kafka://` and the topic."""

_FROM_CONFIGURATION = (
    "This cluster is from the server's configuration and can only be changed there (ingress.kafka_clusters)."
)


def add_kafka_cluster_routes(blueprint: Blueprint, parts: Parts, version: int | None) -> None:
    """version: that of the prefix; None without one."""
    routes = _Routes(parts, version)
    for method, rule, view in (
        ("POST", "/kafka-clusters", routes.create),
        ("GET", "/kafka-clusters", routes.list_all),
        ("GET", "/kafka-clusters/<cluster_name>", routes.read),
        ("PATCH", "/kafka-clusters/<cluster_name>", routes.update),
        ("DELETE", "/kafka-clusters/<cluster_name>", routes.delete),
    ):
        blueprint.add_url_rule(rule, f"{method} {rule}", view, methods=[method])


class _Routes:
    def __init__(self, parts: Parts, version: int | None) -> None:
        self._parts = parts
        self._prefix = "" if version is None else f"/v{version}"
        self._static = {cluster.name for cluster in parts.kafka_clusters}

    async def create(self) -> Response:
        body = await read_body(CreateKafkaCluster)
        fault = _name_fault(body.name)
        if fault is not None:
            raise Refusal(422, f"Failed to deserialize the JSON body into the target type: name: {fault}")
        made = KafkaCluster(body.name, tuple(sorted(body.properties.items())), self._parts.clock.now_ms())
        _check_brokers(made)

        def decide(registry: Registry) -> tuple[None, tuple[Row, ...]]:
            if made.name in self._static:
                raise Refusal(
                    409,
                    f"kafka cluster '{made.name}' conflicts with static configuration. Cluster names in schema registry"
                    " cannot override statically configured clusters.",
                )
            if made.name in registry.stored.kafka_clusters:
                raise Refusal(409, f"kafka cluster '{made.name}' already exists in schema registry")
            return None, (KAFKA_CLUSTERS.row(made.name, made),)

        await store(self._parts, decide)
        log.info("stored Kafka cluster %s", made.name)
        location = {"location": f"{self._prefix}/kafka-clusters/{quote(made.name)}"}
        return json_response(self._view(made), 201, location)

    async def list_all(self) -> Response:
        found = [self._view(cluster) for _, cluster in sorted(known_clusters(self._parts).items())]
        return json_response(models.KafkaClusters(found))

    async def read(self, cluster_name: str) -> Response:
        with_subscriptions = bool_parameter("include_subscriptions")
        found = known_clusters(self._parts).get(cluster_name)
        if found is None:
            raise Refusal(404, f"The requested Kafka cluster '{cluster_name}' does not exist")
        return json_response(self._view(found, with_subscriptions=with_subscriptions))

    async def update(self, cluster_name: str) -> Response:
        body = await read_body(UpdateKafkaCluster)

        def decide(registry: Registry) -> tuple[KafkaCluster, tuple[Row, ...]]:
            old = self._changeable(registry, cluster_name)
            made = KafkaCluster(old.name, _kept_secrets(body.properties, old), old.created_ms)
            _check_brokers(made)
            return made, (KAFKA_CLUSTERS.row(made.name, made),)

        made = await store(self._parts, decide)
        log.info("changed the properties of Kafka cluster %s", made.name)
        return json_response(self._view(made))

    async def delete(self, cluster_name: str) -> Response:
        force = bool_parameter("force")

        def decide(registry: Registry) -> tuple[None, tuple[Row, ...]]:
            self._changeable(registry, cluster_name)
            using = [
                entry.id for entry in registry.stored.subscriptions.values() if entry.cluster == cluster_name
            ]
            if using and not force:
                raise Refusal(
                    409,
                    f"Removing the kafka cluster '{cluster_name}' leads to subscription '{min(using)}' being orphan."
                    " Remove the subscription first, or use the 'force' flag.",
                )
            return None, ((KAFKA_CLUSTERS.key(cluster_name), None),)

        await store(self._parts, decide)
        log.info("removed Kafka cluster %s", cluster_name)
        return empty_response(202)

    def _changeable(self, registry: Registry, name: str) -> KafkaCluster:
        """Raises Refusal."""
        fault = _name_fault(name)
        if fault is not None:
            raise Refusal(400, f"The request field 'cluster_name' is invalid. Reason: {fault}")
        if name in self._static:
            raise Refusal(
                409,
                f"kafka cluster '{name}' cannot be updated, because it was defined in the restate configuration file."
                " Update the configuration file directly, or remove the configuration file",
            )
        found = registry.stored.kafka_clusters.get(name)
        if found is None:
            raise Refusal(404, f"not found in the schema registry: kafka cluster '{name}'")
        return found

    def _view(self, cluster: KafkaCluster, *, with_subscriptions: bool | None = None) -> models.KafkaCluster:
        """with_subscriptions: None in lists, which do not have the field."""
        subscriptions: list[models.Subscription] | UnsetType = UNSET
        if with_subscriptions is not None:
            stored = self._parts.partition.schema.stored.subscriptions.values()
            subscriptions = [
                subscription_view(entry)
                for entry in sorted(stored, key=lambda entry: entry.id)
                if with_subscriptions and entry.cluster == cluster.name
            ]
        info = [models.Remark(_FROM_CONFIGURATION)] if cluster.name in self._static else UNSET
        return models.KafkaCluster(
            cluster.name, masked(cluster.properties), format_time(cluster.created_ms), subscriptions, info
        )


def _name_fault(name: str) -> str | None:
    if not name:
        return "empty string"
    return None if _NAME.fullmatch(name) else "invalid uri character"


def _check_brokers(cluster: KafkaCluster) -> None:
    if not has_brokers(cluster.properties):
        raise Refusal(
            400,
            f"kafka cluster '{cluster.name}' properties must contain either '{BROKERS[0]}' or '{BROKERS[1]}'",
        )


def _kept_secrets(properties: dict[str, str], old: KafkaCluster) -> tuple[tuple[str, str], ...]:
    """Clients that edit what they were shown send the mask back; it stands for what was behind it."""
    former = dict(old.properties)
    return tuple(
        (name, former.get(name, value) if value == MASK and is_secret(name) else value)
        for name, value in sorted(properties.items())
    )
