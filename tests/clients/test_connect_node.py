"""Connect's client for node over each of its transports, with code generated from contracts that came by reflection."""

from typing import Any

import pytest

from tests.clients.rpc_reports import check
from tests.support.rpc_bed import RpcBed

TRANSPORTS = (
    *[f"connect {version} {codec} identity" for version in ("1.1", "2") for codec in ("proto", "json")],
    *[f"grpc 2 {codec} identity" for codec in ("proto", "json")],
    *[f"grpc-web {version} proto identity" for version in ("1.1", "2")],
    *("connect 1.1 proto gzip", "connect 2 json gzip", "grpc 2 proto gzip", "grpc-web 1.1 proto gzip"),
)


@pytest.fixture(scope="module")
def reports(rpc_bed: RpcBed) -> dict[str, Any]:
    """Of all transports at the same time."""
    told: dict[str, Any] = rpc_bed.ask("connect_node.mjs", rpc_bed.server.ingress, *TRANSPORTS)
    return told


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_generated_client(reports: dict[str, Any], transport: str) -> None:
    check(reports[transport])
