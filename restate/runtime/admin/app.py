"""The Quart application: every route under every prefix, and what holds for all of them."""

from pathlib import Path

import trio
from quart import Blueprint, Response, g, request
from quart_trio import QuartTrio

from restate.runtime.admin.answer import empty_response, json_response
from restate.runtime.admin.batches import add_batch_routes
from restate.runtime.admin.compression import add_compression
from restate.runtime.admin.deployment_updates import add_deployment_update_routes
from restate.runtime.admin.deployments import add_deployment_routes
from restate.runtime.admin.errors import Refusal, add_error_handlers
from restate.runtime.admin.invocations import add_invocation_routes
from restate.runtime.admin.kafka_clusters import add_kafka_cluster_routes
from restate.runtime.admin.models_replies import ClusterHealth, MetadataClusterHealth, Version
from restate.runtime.admin.openapi import add_openapi_routes
from restate.runtime.admin.parts import Parts
from restate.runtime.admin.paths import add_path_decoding
from restate.runtime.admin.query import add_query_routes
from restate.runtime.admin.rules import add_rule_routes
from restate.runtime.admin.serdes import add_serde_routes
from restate.runtime.admin.services import add_service_routes
from restate.runtime.admin.state import add_state_routes
from restate.runtime.admin.subscriptions import add_subscription_routes
from restate.runtime.admin.ui import add_ui_routes
from restate.runtime.net.access import REALM, REFUSAL, Gate

PREFIXED_VERSIONS = (2, 3, 4)

COMPATIBLE_VERSION = "1.7.12"
"""What clients are told: the version whose interfaces this server has. They choose their SQL and their routes by it."""


def build(parts: Parts, gate: Gate | None = None) -> QuartTrio:
    """The application. Every request waits until the partition is ready. gate: who may call; None: everybody."""
    # Without a path given, Quart searches for the package, which fails for a namespace package installed editable.
    home = str(Path(__file__).parent)
    app = QuartTrio("restate.runtime.admin", static_folder=None, instance_path=home, root_path=home)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.config["MAX_CONTENT_LENGTH"] = parts.settings.request_size_limit
    # A redirect would turn a mistyped path into another one; upstream answers 404.
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    for version in (None, *PREFIXED_VERSIONS):
        prefix = None if version is None else f"/v{version}"
        app.register_blueprint(_blueprint(parts, version), url_prefix=prefix)
    app.add_url_rule("/v1/<path:rest>", view_func=_too_old, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    add_error_handlers(app)
    add_path_decoding(app)
    _guard(app, gate or Gate())
    _limit_concurrency(app, parts)
    add_compression(app)
    return app


def _blueprint(parts: Parts, version: int | None) -> Blueprint:
    blueprint = Blueprint("unversioned" if version is None else f"v{version}", __name__)
    add_deployment_routes(blueprint, parts, version)
    add_deployment_update_routes(blueprint, parts, version)
    add_service_routes(blueprint, parts, version)
    add_serde_routes(blueprint, parts)
    add_state_routes(blueprint, parts, version)
    add_invocation_routes(blueprint, parts)
    add_batch_routes(blueprint, parts)
    add_query_routes(blueprint, parts)
    add_subscription_routes(blueprint, parts, version)
    add_kafka_cluster_routes(blueprint, parts, version)
    add_rule_routes(blueprint, parts)
    add_openapi_routes(blueprint, version, COMPATIBLE_VERSION)
    add_ui_routes(blueprint, version)

    async def version_answer() -> Response:
        first, last = PREFIXED_VERSIONS[0], PREFIXED_VERSIONS[-1]
        return json_response(Version(COMPATIBLE_VERSION, first, last, parts.ingress_url, {}))

    async def health() -> Response:
        return empty_response(200)

    async def cluster_health() -> Response:
        return json_response(ClusterHealth("localcluster", MetadataClusterHealth([1])))

    blueprint.add_url_rule("/version", view_func=version_answer, methods=["GET"])
    blueprint.add_url_rule("/health", view_func=health, methods=["GET"])
    blueprint.add_url_rule("/cluster-health", view_func=cluster_health, methods=["GET"])
    return blueprint


async def _too_old(rest: str) -> Response:
    raise Refusal(400, f"Unsupported Admin API version (in /v1/{rest[:100]})")


def _guard(app: QuartTrio, gate: Gate) -> None:
    @app.before_request
    async def check() -> None:
        header = request.headers.get("authorization")
        if not gate.admits(None if header is None else header.encode("latin-1", "replace")):
            raise Refusal(401, REFUSAL, headers={"www-authenticate": REALM.decode()})


def _limit_concurrency(app: QuartTrio, parts: Parts) -> None:
    limiter = trio.CapacityLimiter(parts.settings.concurrency_limit)

    @app.before_request
    async def enter() -> None:
        # The borrower is the request, not its task: Quart may run several for one request.
        borrower = object()
        try:
            limiter.acquire_on_behalf_of_nowait(borrower)
        except trio.WouldBlock:
            raise Refusal(
                429, "the admin port has more requests in progress than it accepts; retry later"
            ) from None
        g.borrower = borrower
        await parts.partition.ready.wait()

    @app.teardown_request
    async def leave(_: BaseException | None) -> None:
        borrower = g.pop("borrower", None)
        if borrower is not None:
            limiter.release_on_behalf_of(borrower)
