"""/subscriptions: from Kafka topics to handlers (admin.md §3.3, §4.6). They are stored; nothing consumes records."""

import logging

from quart import Blueprint, Response

from restate.runtime.admin import models_kafka as models
from restate.runtime.admin.answer import empty_response, json_response
from restate.runtime.admin.body import parameter, read_body
from restate.runtime.admin.changes import store
from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.models_kafka import CreateSubscription
from restate.runtime.admin.parts import Parts
from restate.runtime.model.ids import IdError, check_subscription_id, format_subscription_id
from restate.runtime.model.kafka import KafkaCluster, masked
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import Row
from restate.runtime.schema.stored import SUBSCRIPTIONS
from restate.runtime.schema.subscription import Subscription, Uri, UriSyntaxError, parse_uri
from restate.runtime.schema.subscription_rules import subscribe

log = logging.getLogger("restate.admin")

NOT_CONSUMED = (
    "This server stores subscriptions but does not consume records from Kafka: nothing is invoked by them."
)


def add_subscription_routes(blueprint: Blueprint, parts: Parts, version: int | None) -> None:
    """version: that of the prefix; None without one."""
    routes = _Routes(parts, version)
    for method, rule, view in (
        ("POST", "/subscriptions", routes.create),
        ("GET", "/subscriptions", routes.list_all),
        ("GET", "/subscriptions/<subscription>", routes.read),
        ("DELETE", "/subscriptions/<subscription>", routes.delete),
    ):
        blueprint.add_url_rule(rule, f"{method} {rule}", view, methods=[method])


def known_clusters(parts: Parts) -> dict[str, KafkaCluster]:
    """{name: cluster}, those of the configuration too; they win over stored ones of the same name."""
    static = {cluster.name: cluster for cluster in parts.kafka_clusters}
    return {**parts.partition.schema.stored.kafka_clusters, **static}


def subscription_view(subscription: Subscription) -> models.Subscription:
    return models.Subscription(
        subscription.id,
        subscription.source,
        subscription.sink,
        masked(subscription.options),
        [models.Remark(NOT_CONSUMED)],
    )


async def warn_of_subscriptions(parts: Parts) -> None:
    """Say in the log that the stored subscriptions are not served, once the schema is there."""
    await parts.partition.ready.wait()
    count = len(parts.partition.schema.stored.subscriptions)
    if count:
        log.warning(
            "subscriptions are stored (%d), but this server does not consume records from Kafka", count
        )


class _Routes:
    def __init__(self, parts: Parts, version: int | None) -> None:
        self._parts = parts
        self._version = version

    async def create(self) -> Response:
        body = await read_body(CreateSubscription)
        source, sink = _uri("source", body.source), _uri("sink", body.sink)
        new_id = format_subscription_id(self._parts.ids.ulid())

        def decide(registry: Registry) -> tuple[Subscription, tuple[Row, ...]]:
            subscription = subscribe(
                registry,
                known_clusters(self._parts),
                source,
                sink,
                body.options or {},
                new_id=new_id,
                classic_status=self._version is None,
            )
            return subscription, (SUBSCRIPTIONS.row(new_id, subscription),)

        made = await store(self._parts, decide)
        log.warning(
            "stored subscription %s from %s to %s; this server does not consume records from Kafka",
            made.id,
            made.source,
            made.sink,
        )
        prefix = "" if self._version is None else f"/v{self._version}"
        location = {"location": f"{prefix}/subscriptions/{made.id}"}
        return json_response(subscription_view(made), 201, location)

    async def list_all(self) -> Response:
        source, sink = parameter("source"), parameter("sink")
        found = [
            subscription_view(entry)
            for _, entry in sorted(self._parts.partition.schema.stored.subscriptions.items())
            if source in (None, entry.source) and sink in (None, entry.sink)
        ]
        return json_response(models.Subscriptions(found))

    async def read(self, subscription: str) -> Response:
        _check_id(subscription)
        found = self._parts.partition.schema.stored.subscriptions.get(subscription)
        if found is None:
            raise Refusal(404, f"The requested subscription '{subscription}' does not exist")
        return json_response(subscription_view(found))

    async def delete(self, subscription: str) -> Response:
        _check_id(subscription)

        def decide(registry: Registry) -> tuple[None, tuple[Row, ...]]:
            if subscription not in registry.stored.subscriptions:
                raise Refusal(404, f"The requested subscription '{subscription}' does not exist")
            return None, ((SUBSCRIPTIONS.key(subscription), None),)

        await store(self._parts, decide)
        log.info("removed subscription %s", subscription)
        return empty_response(202)


def _uri(field: str, text: str) -> Uri:
    try:
        return parse_uri(text)
    except UriSyntaxError as error:
        raise Refusal(
            422, f"Failed to deserialize the JSON body into the target type: {field}: {error}"
        ) from None


def _check_id(text: str) -> None:
    try:
        check_subscription_id(text)
    except IdError as error:
        raise Refusal(
            400, f"Invalid URL: Cannot parse `subscription` with value `{text[:100]}`: {error}"
        ) from None
