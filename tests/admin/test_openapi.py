import json
from collections.abc import Iterator
from typing import Any

import pytest

from restate.runtime.admin.openapi import rule_path
from restate.runtime.admin.openapi_operations import OPERATIONS
from tests.admin.fakes import Admin

HIDDEN = {("/", "GET"), ("/ui", "GET"), ("/ui/", "GET"), ("/ui/{rest}", "GET")}
"""For people."""
PREFIXES = ["", "/v2", "/v3", "/v4"]


async def document(prefix: str = "") -> Any:
    status, body = await Admin().get(f"{prefix}/openapi")
    assert status == 200
    return body


def values(tree: Any, name: str) -> Iterator[Any]:
    """All values of this key, however deep."""
    if isinstance(tree, dict):
        if name in tree:
            yield tree[name]
        for entry in tree.values():
            yield from values(entry, name)
    elif isinstance(tree, list):
        for entry in tree:
            yield from values(entry, name)


def described(body: Any) -> set[tuple[str, str]]:
    return {(path, method.upper()) for path, entry in body["paths"].items() for method in entry}


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_every_route_is_described(prefix: str) -> None:
    routes = {
        (rule_path(rule.rule).removeprefix(prefix), method)
        for rule in Admin().app.url_map.iter_rules()
        for method in rule.methods or ()
        if method != "HEAD" and rule.rule.startswith(f"{prefix}/")
    }
    others = {route for route in routes if route[0].startswith(("/v1/", "/v2/", "/v3/", "/v4/"))}
    # Only the oldest version has it; the others answer 405, as they do to every method that is not there.
    if prefix != "/v2":
        others.add(("/deployments/{deployment}", "PUT"))
    # The proxy to the SDK's own helper has no shape of ours.
    others |= {route for route in routes if "/serdes/" in route[0]}
    assert described(await document(prefix)) == routes - others - HIDDEN


def test_what_is_described_is_named_once() -> None:
    names = [operation.name for operation in OPERATIONS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("prefix", "url"), [("", "/"), ("/v2", "/v2"), ("/v4", "/v4")])
async def test_the_prefix_is_part_of_the_server(prefix: str, url: str) -> None:
    assert (await document(prefix))["servers"] == [{"url": url}]


async def test_references_lead_to_schemas() -> None:
    body = await document()
    schemas = body["components"]["schemas"]
    for reference in values(body, "$ref"):
        assert reference.removeprefix("#/components/schemas/") in schemas
    assert schemas["Error"]["required"] == ["message", "restate_code"]
    assert schemas["Error"]["properties"]["restate_code"] == {"type": ["string", "null"]}


async def test_parameters_of_the_path_are_those_in_it() -> None:
    for path, entry in (await document())["paths"].items():
        for operation in entry.values():
            named = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
            assert [f"{{{name}}}" for name in named] == [part for part in path.split("/") if part[:1] == "{"]


async def test_errors_have_the_common_body() -> None:
    for path, entry in (await document())["paths"].items():
        model = "QueryError" if path == "/query" else "Error"
        for operation in entry.values():
            for status, reply in operation["responses"].items():
                if int(status) >= 400:
                    assert reply["content"]["application/json"]["schema"] == {
                        "$ref": f"#/components/schemas/{model}"
                    }


async def test_a_body_is_described_by_the_model_that_reads_it() -> None:
    body = await document()
    operation = body["paths"]["/limits/rules"]["put"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"type": "array", "items": {"$ref": "#/components/schemas/UpsertRule"}}
    rule = body["components"]["schemas"]["UpsertRule"]
    assert rule["required"] == ["pattern"]
    assert rule["properties"]["disabled"] == {"type": "boolean", "default": False}
    limits = body["components"]["schemas"]["Limits"]["properties"]["concurrency"]
    assert limits == {"type": ["integer", "null"], "minimum": 1, "maximum": 2**32 - 1}
    assert {"400", "401", "409", "413", "415", "422", "429", "503"} <= operation["responses"].keys()


async def test_the_document_is_the_same_each_time() -> None:
    admin = Admin()
    first, second = await admin.get("/openapi"), await admin.get("/openapi")
    assert json.dumps(first) == json.dumps(second)
