"""gRPC's own client for node, with contracts that came by reflection and are loaded at run time."""

from tests.clients.rpc_reports import check
from tests.support.rpc_bed import RpcBed


def test_the_client_of_node(rpc_bed: RpcBed) -> None:
    check(rpc_bed.ask("grpc_js.mjs", rpc_bed.address, str(rpc_bed.contracts())))
