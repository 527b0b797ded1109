"""What answers RPC clients. Most starts see none at once, so it is imported for the first one."""

from restate.runtime.config import Ingress as IngressConfig
from restate.runtime.grpc_server.server import RpcServer
from restate.runtime.ingress.answers import json_options
from restate.runtime.ingress.calls import Calls
from restate.runtime.ingress.headers import cors
from restate.runtime.ingress.methods import Methods
from restate.runtime.model.clock import Clock, IdSource
from restate.runtime.partition.handle import Partition
from restate.runtime.schema.options import Defaults
from restate.runtime.telemetry.metrics import IngressMetrics
from restate.runtime.telemetry.tracing import Tracer


def rpc_server(
    partition: Partition,
    config: IngressConfig,
    clock: Clock,
    ids: IdSource,
    defaults: Defaults,
    tracer: Tracer,
    metrics: IngressMetrics,
) -> RpcServer:
    options = json_options(config)
    methods = Methods(partition, Calls(partition, ids, defaults, tracer), clock, options, metrics)
    return RpcServer(
        methods.find,
        size_limit=config.request_size_limit,
        json_options=options,
        unknown_route="classic",
        browser_headers=cors,
    )
