"""gRPC-Web and Connect in a page of a real browser, which comes from another origin: CORS must let it."""

from typing import Any

import pytest

from tests.clients.rpc_reports import check
from tests.support import environments
from tests.support.rpc_bed import RpcBed

CLIENTS = ("grpc-web text", "grpc-web binary", "connect json", "connect proto", "connect grpc-web")


@pytest.fixture(scope="module")
def told(rpc_bed: RpcBed) -> dict[str, Any]:
    answer: dict[str, Any] = rpc_bed.ask(
        "browser.mjs", environments.chromium(), rpc_bed.server.ingress, *CLIENTS
    )
    return answer


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_in_a_page(told: dict[str, Any], client: str) -> None:
    check(told["reports"][client])


def test_a_page_reads_what_is_exposed_and_nothing_else(told: dict[str, Any], rpc_bed: RpcBed) -> None:
    assert told["origin"] != rpc_bed.server.ingress
    fetched = told["fetched"]
    assert (fetched["status"], fetched["body"]) == (200, "Hello Bob")
    assert fetched["readable"]["x-restate-id"].startswith("inv_1")
    assert "vary" not in fetched["readable"]
