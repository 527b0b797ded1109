"""What the routes of the admin port take and answer, as data for its OpenAPI document.

Models are those the routes are served by; a test compares the table with the routes. What follows from parameters, from a
body, or holds for all operations is added by `openapi`; 500 is only declared where it has a meaning of its own.
"""

from typing import Any

from restate.runtime.admin import models, models_kafka, models_rules
from restate.runtime.admin.batches import Batch
from restate.runtime.admin.deployment_updates import UpdateDeployment
from restate.runtime.admin.deployments import CreateDeployment
from restate.runtime.admin.models_replies import (
    BatchOutcome,
    ClusterHealth,
    QueryError,
    QueryRows,
    RestartBatchOutcome,
    RestartedInvocation,
    Version,
)
from restate.runtime.admin.openapi_operation import JSON, PROTOBUF, Operation, Parameter
from restate.runtime.admin.operations import refusal_statuses
from restate.runtime.admin.query import SqlQuery
from restate.runtime.admin.services import ModifyService
from restate.runtime.admin.state import ModifyState

_DEPLOYMENT_ID = Parameter(
    "deployment",
    "id of a deployment",
    schema={"pattern": "^dp_1[0-9a-zA-Z]{22}$", "examples": ["dp_11o8wgbAEdVdcPGlFW1vgVF"]},
)
_SERVICE = Parameter("service", "name of a service")
_INVOCATION_ID = Parameter("invocation", "id of an invocation", schema={"pattern": "^inv_1[0-9a-zA-Z]{33}$"})
_SUBSCRIPTION_ID = Parameter(
    "subscription", "id of a subscription", schema={"pattern": "^sub_1[0-9a-zA-Z]{22}$"}
)
_CLUSTER = Parameter("cluster_name", "name of a Kafka cluster")
_FORCE = Parameter("force", "must be true: removal after draining is not there", bool, {"default": False})
_MOVE = Parameter(
    "deployment",
    "keep, latest, or the id of a deployment",
    schema={"pattern": "^([kK]eep|[lL]atest|dp_1[0-9a-zA-Z]{22})$"},
)
_STORES = (503,)
"""Of everything that changes something: the server has too much to do, or stops."""

_DEPLOYMENTS = (
    Operation(
        "GET",
        "/deployments",
        "list_deployments",
        "deployment",
        "All deployments",
        {200: models.DeploymentList},
    ),
    Operation(
        "POST",
        "/deployments",
        "create_deployment",
        "deployment",
        "Discover what a deployment serves, and register it",
        {200: models.RegisteredDeployment, 201: models.RegisteredDeployment},
        (400, 403, 409, 500, *_STORES),
        body=CreateDeployment,
    ),
    Operation(
        "GET",
        "/deployments/{deployment}",
        "get_deployment",
        "deployment",
        "One deployment with its services",
        {200: models.DeploymentDetail},
        parameters=(_DEPLOYMENT_ID,),
    ),
    Operation(
        "PATCH",
        "/deployments/{deployment}",
        "update_deployment",
        "deployment",
        "Change where a deployment is reached, or register its services anew",
        {200: models.DeploymentDetail},
        (400, 403, 409, 500, *_STORES),
        (_DEPLOYMENT_ID,),
        UpdateDeployment,
    ),
    Operation(
        "PUT",
        "/deployments/{deployment}",
        "replace_deployment",
        "deployment",
        "The same as PATCH, under its old name",
        {200: models.DeploymentDetail},
        (400, 403, 409, 500, *_STORES),
        (_DEPLOYMENT_ID,),
        UpdateDeployment,
        versions=(2,),
    ),
    Operation(
        "DELETE",
        "/deployments/{deployment}",
        "delete_deployment",
        "deployment",
        "Remove a deployment at once",
        {202: None},
        (501, *_STORES),
        (_DEPLOYMENT_ID, _FORCE),
    ),
    Operation(
        "GET",
        "/deployments/{deployment}/descriptors",
        "get_deployment_descriptors",
        "deployment",
        "The contracts of a deployment, a google.protobuf.FileDescriptorSet",
        {200: {PROTOBUF: bytes}},
        parameters=(_DEPLOYMENT_ID,),
    ),
)

_SERVICES = (
    Operation("GET", "/services", "list_services", "service", "All services", {200: models.ServiceList}),
    Operation(
        "GET",
        "/services/{service}",
        "get_service",
        "service",
        "The latest revision of a service",
        {200: models.ServiceMetadata},
        parameters=(_SERVICE,),
    ),
    Operation(
        "PATCH",
        "/services/{service}",
        "modify_service",
        "service",
        "Change settings until the next registration",
        {200: models.ServiceMetadata},
        (400, 403, *_STORES),
        (_SERVICE,),
        ModifyService,
    ),
    Operation(
        "GET",
        "/services/{service}/handlers",
        "list_service_handlers",
        "service",
        "The handlers of a service",
        {200: models.HandlerList},
        parameters=(_SERVICE,),
    ),
    Operation(
        "GET",
        "/services/{service}/handlers/{handler}",
        "get_service_handler",
        "service",
        "One handler",
        {200: models.HandlerMetadata},
        parameters=(_SERVICE, Parameter("handler", "name of a handler")),
    ),
    Operation(
        "GET",
        "/services/{service}/methods",
        "list_service_methods",
        "service",
        "The methods of a contract",
        {200: models.MethodList},
        parameters=(_SERVICE,),
    ),
    Operation(
        "GET",
        "/services/{service}/methods/{method}",
        "get_service_method",
        "service",
        "One method",
        {200: models.MethodMetadata},
        parameters=(_SERVICE, Parameter("method", "name of a method")),
    ),
    Operation(
        "GET",
        "/services/{service}/descriptors",
        "get_service_descriptors",
        "service",
        "The files of a contract, a grpc.reflection.v1.FileDescriptorResponse",
        {200: {PROTOBUF: bytes}},
        parameters=(_SERVICE,),
    ),
    Operation(
        "GET",
        "/services/{service}/openapi",
        "get_service_openapi",
        "service",
        "How a service is called over HTTP, as an OpenAPI document",
        {200: dict[str, Any]},
        parameters=(_SERVICE,),
    ),
    Operation(
        "POST",
        "/services/{service}/state",
        "modify_service_state",
        "service",
        "Replace the state of an object",
        {202: None},
        (400, 500, *_STORES),
        (_SERVICE,),
        ModifyState,
    ),
)

_SUMMARIES = {
    "cancel": "Let an invocation end, compensating what it has done",
    "kill": "End an invocation at once",
    "pause": "Let an invocation rest until it is resumed",
    "purge": "Forget a completed invocation",
    "purge-journal": "Forget the journal of a completed invocation",
    "restart-as-new": "Run a completed invocation again, with a new id",
    "resume": "Let an invocation go on, or try again now",
}
_DONE: dict[str, dict[int, Any]] = {
    "cancel": {200: None, 202: None},
    "pause": {200: None, 202: None},
    "restart-as-new": {200: RestartedInvocation},
}
_OPTIONS = {
    "restart-as-new": (
        Parameter(
            "from", "index of the last journal entry that is kept", int, {"minimum": 0, "maximum": 2**32 - 1}
        ),
        _MOVE,
    ),
    "resume": (_MOVE,),
}


def _operations_on_invocations() -> tuple[Operation, ...]:
    single = [
        Operation(
            "PATCH",
            f"/invocations/{{invocation}}/{name}",
            f"{name.replace('-', '_')}_invocation",
            "invocation",
            summary,
            _DONE.get(name, {200: None}),
            (*sorted(refusal_statuses(name)), *_STORES),
            (_INVOCATION_ID, *_OPTIONS.get(name, ())),
        )
        for name, summary in _SUMMARIES.items()
    ]
    batches = [
        Operation(
            "POST",
            f"/internal/invocations_batch_operations/{name}",
            f"batch_{name.replace('-', '_')}",
            "invocation",
            f"{summary}: up to 1000 at a time",
            {200: RestartBatchOutcome if name == "restart-as-new" else BatchOutcome},
            (400,),
            body=Batch,
        )
        for name, summary in _SUMMARIES.items()
    ]
    delete = Operation(
        "DELETE",
        "/invocations/{invocation}",
        "delete_invocation",
        "invocation",
        "Cancel, kill or purge; what became of it is not told",
        {202: None},
        (400, *_STORES),
        (
            _INVOCATION_ID,
            Parameter(
                "mode",
                "cancel, kill or purge",
                schema={"enum": ["cancel", "kill", "purge"], "default": "cancel"},
            ),
        ),
    )
    return (*single, delete, *batches)


_SUBSCRIPTIONS = (
    Operation(
        "GET",
        "/subscriptions",
        "list_subscriptions",
        "subscription",
        "All subscriptions, or those with exactly this source and sink",
        {200: models_kafka.Subscriptions},
        parameters=(
            Parameter("source", "kafka://cluster/topic"),
            Parameter("sink", "service://Service/handler"),
        ),
    ),
    Operation(
        "POST",
        "/subscriptions",
        "create_subscription",
        "subscription",
        "Store a subscription",
        {201: models_kafka.Subscription},
        (400, 500, *_STORES),
        body=models_kafka.CreateSubscription,
    ),
    Operation(
        "GET",
        "/subscriptions/{subscription}",
        "get_subscription",
        "subscription",
        "One subscription",
        {200: models_kafka.Subscription},
        parameters=(_SUBSCRIPTION_ID,),
    ),
    Operation(
        "DELETE",
        "/subscriptions/{subscription}",
        "delete_subscription",
        "subscription",
        "Remove a subscription",
        {202: None},
        _STORES,
        (_SUBSCRIPTION_ID,),
    ),
)

_KAFKA_CLUSTERS = (
    Operation(
        "GET",
        "/kafka-clusters",
        "list_kafka_clusters",
        "kafka_cluster",
        "All clusters, those of the configuration too",
        {200: models_kafka.KafkaClusters},
    ),
    Operation(
        "POST",
        "/kafka-clusters",
        "create_kafka_cluster",
        "kafka_cluster",
        "Store a cluster",
        {201: models_kafka.KafkaCluster},
        (400, 409, *_STORES),
        body=models_kafka.CreateKafkaCluster,
    ),
    Operation(
        "GET",
        "/kafka-clusters/{cluster_name}",
        "get_kafka_cluster",
        "kafka_cluster",
        "One cluster",
        {200: models_kafka.KafkaCluster},
        parameters=(
            _CLUSTER,
            Parameter("include_subscriptions", "with those that name it", bool, {"default": False}),
        ),
    ),
    Operation(
        "PATCH",
        "/kafka-clusters/{cluster_name}",
        "update_kafka_cluster",
        "kafka_cluster",
        "Replace the properties of a cluster",
        {200: models_kafka.KafkaCluster},
        (400, 409, *_STORES),
        (_CLUSTER,),
        models_kafka.UpdateKafkaCluster,
    ),
    Operation(
        "DELETE",
        "/kafka-clusters/{cluster_name}",
        "delete_kafka_cluster",
        "kafka_cluster",
        "Remove a cluster",
        {202: None},
        (400, 409, *_STORES),
        (_CLUSTER, Parameter("force", "also if subscriptions name it", bool, {"default": False})),
    ),
)

_RULES = (
    Operation(
        "PUT",
        "/limits/rules",
        "upsert_rules",
        "rule",
        "Store rules, all of them or none",
        {200: list[models_rules.Rule]},
        (409, *_STORES),
        body=list[models_rules.UpsertRule],
    ),
    Operation(
        "POST",
        "/limits/rules/bulk-delete",
        "bulk_delete_rules",
        "rule",
        "Remove rules, all of them or none; the reply has the patterns that were there",
        {200: list[str]},
        (409, *_STORES),
        body=list[models_rules.DeleteRule],
    ),
    *(
        Operation(
            "POST",
            f"/vqueues/{{vqueue_id}}/{name}",
            f"{name}_vqueue",
            "rule",
            "This server has no vqueues",
            {},
            parameters=(
                Parameter("vqueue_id", "id of a vqueue", schema={"pattern": "^vq_1[0-9a-zA-Z]{33}$"}),
            ),
        )
        for name in ("pause", "resume")
    ),
)

_QUERY = Operation(
    "POST",
    "/query",
    "query",
    "introspection",
    "Read what is stored, in SQL; JSON if `accept` is exactly application/json, else Arrow",
    {200: {"application/vnd.apache.arrow.stream": bytes, JSON: QueryRows}},
    (400, 500, 503),
    body=SqlQuery,
    error=QueryError,
)

_SERVER = (
    Operation("GET", "/health", "health", "server", "Whether the server is up", {200: None}),
    Operation("GET", "/version", "version", "server", "Versions and features", {200: Version}),
    Operation("GET", "/cluster-health", "cluster_health", "server", "The one node", {200: ClusterHealth}),
    Operation("GET", "/openapi", "openapi", "server", "This document", {200: dict[str, Any]}),
)

OPERATIONS: tuple[Operation, ...] = (
    *_DEPLOYMENTS,
    *_SERVICES,
    *_operations_on_invocations(),
    *_SUBSCRIPTIONS,
    *_KAFKA_CLUSTERS,
    *_RULES,
    _QUERY,
    *_SERVER,
)
