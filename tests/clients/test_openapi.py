"""OpenAPI documents under a public validator, and a running server under requests that are made from them."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.clients.conftest import INACTIVITY, make_server, start_program
from tests.support import environments
from tests.support.caller import Caller
from tests.support.programs import Sdk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Server

PREFIXES = ("", "/v2", "/v4")
CLUSTER = {"name": "c1", "properties": {"bootstrap.servers": "127.0.0.1:1", "sasl.password": "hunter2"}}
SUBSCRIPTION = {"source": "kafka://c1/topic", "sink": "service://Greeter/greet"}

LEAST_REQUESTS = 1_000
"""Of each of the two runs."""

# A declared 500 is nothing that a check should report, so there is no check against server errors as such.
_CHECKS = (
    "status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection,"
    "unsupported_method"
)


@attrs.frozen
class Bed:
    """A server with a service of each generation, a cluster, a subscription, and an invocation that sleeps."""

    server: Server
    caller: Caller
    deployment: str
    subscription: str
    invocation: str


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    folder = tmp_path_factory.mktemp("openapi")
    programs = [start_program(sdk, folder / sdk.value) for sdk in (Sdk.PYTHON, Sdk.CLASSIC_PROTOBUF)]
    server = make_server("ours", folder, INACTIVITY)
    try:
        with Caller(server) as caller:
            deployment, _ = [caller.register(program.uri)["id"] for program in programs]
            caller.admin("POST", "/kafka-clusters", CLUSTER).ok()
            subscription = caller.admin("POST", "/subscriptions", SUBSCRIPTION).ok()["id"]
            invocation = caller.send("Counter/busy/slowAdd", {"ms": 3_600_000, "n": 1})
            yield Bed(server, caller, deployment, subscription, invocation)
    finally:
        server.stop()
        for program in programs:
            program.stop()


def run(program: str, *arguments: str, folder: Path, timeout_seconds: float = 120) -> str:
    """What a program of the tools' environment prints. AssertionError with it if it fails. folder: what it leaves there."""
    command = [str(environments.openapi_tools() / program), *arguments]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_seconds,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    return done.stdout


def validate(document: Any, folder: Path) -> None:
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    run("openapi-spec-validator", str(path), folder=folder)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_document_of_the_port_is_valid(bed: Bed, prefix: str, tmp_path: Path) -> None:
    validate(bed.caller.admin("GET", f"{prefix}/openapi").ok(), tmp_path)


@pytest.mark.parametrize(
    "service", ["Greeter", "Counter", "Signup", "acme.shop.v1.Mirror", "acme.shop.v1.Carts"]
)
def test_the_document_of_a_service_is_valid(bed: Bed, service: str, tmp_path: Path) -> None:
    document = bed.caller.admin("GET", f"/services/{service}/openapi").ok()
    assert document["info"]["title"] == service
    assert document["paths"]
    validate(document, tmp_path)


def test_the_document_of_a_service_says_how_to_call_it(bed: Bed) -> None:
    document = bed.caller.admin("GET", "/services/Greeter/openapi").ok()
    operation = document["paths"]["/restate/call/Greeter/greet"]["post"]
    assert list(operation["requestBody"]["content"]) == ["application/json"]
    assert bed.caller.call("restate/call/Greeter/greet", "openapi").ok() == "Hello openapi"


def test_the_document_of_a_contract_has_its_messages(bed: Bed) -> None:
    document = bed.caller.admin("GET", "/services/acme.shop.v1.Carts/openapi").ok()
    operation = document["paths"]["/acme.shop.v1.Carts/Add"]["post"]
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    properties = document["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
    assert properties["customerId"] == {"type": "string"}


def attack(bed: Bed, folder: Path, settings: str, *arguments: str) -> Counter[int | None]:
    """Send what schemathesis makes of the document; {status: how many}, None for a request without answer."""
    report, config = folder / "requests.ndjson", folder / "schemathesis.toml"
    config.write_text(settings)
    run(
        "schemathesis",
        *("--config-file", str(config), "run", f"{bed.server.admin}/v4/openapi"),
        *("--phases", "coverage,fuzzing", "--max-time", "25", "--seed", "1", "--checks", _CHECKS),
        *("--generation-database", "none", "--request-timeout", "20", "--no-color", "--warnings", "off"),
        *("--report", "ndjson", "--report-ndjson-path", str(report), *arguments),
        folder=folder,
    )
    counted: Counter[int | None] = Counter()
    for line in report.read_text().splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for interaction in (recorder.get("interactions") or {}).values():
            response = interaction.get("response")
            counted[None if response is None else response["status_code"]] += 1
    return counted


def check(bed: Bed, counted: Counter[int | None]) -> None:
    assert counted[None] == 0
    assert counted.total() >= LEAST_REQUESTS
    assert bed.caller.admin("GET", "/health").status == 200
    log = bed.server.log_text()
    assert "by a fault of the server" not in log
    assert "a connection failed" not in log
    assert "hunter2" not in log


def test_generated_requests_get_answers_that_the_document_declares(bed: Bed, tmp_path: Path) -> None:
    counted = attack(bed, tmp_path, "")
    check(bed, counted)
    assert counted[404] > 100


def test_generated_requests_about_what_is_there(bed: Bed, tmp_path: Path) -> None:
    settings = f"""
[parameters]
"path.deployment" = "{bed.deployment}"
"path.service" = "Counter"
"path.handler" = "add"
"path.method" = "add"
"path.invocation" = "{bed.invocation}"
"path.subscription" = "{bed.subscription}"
"path.cluster_name" = "c1"
"""
    # These would take away what the others are about.
    kept = ("delete_deployment", "delete_kafka_cluster", "delete_subscription")
    counted = attack(
        bed, tmp_path, settings, *(part for name in kept for part in ("--exclude-operation-id", name))
    )
    check(bed, counted)
    assert counted[200] > 100
