"""How services and handlers are shown, field by field, as the official server shows them.

`service_views.json` is what it answered; `--official` proves that it still does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients.conftest import INACTIVITY, make_server
from tests.support.caller import Caller
from tests.support.manifest_service import ManifestService, manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTEGER = {"type": "integer"}
_SERVICES: list[dict[str, Any]] = [
    {
        "name": "Plain",
        "ty": "SERVICE",
        "inactivityTimeout": 5000,
        "documentation": "Says what it does.",
        "metadata": {"team": "a"},
        "retryPolicyMaxAttempts": 3,
        "retryPolicyOnMaxAttempts": "KILL",
        "retryPolicyInitialInterval": 100,
        "retryPolicyMaxInterval": 2000,
        "retryPolicyExponentiationFactor": 1.5,
        "handlers": [
            {
                "name": "a",
                "idempotencyRetention": 7000,
                "journalRetention": 0,
                "inactivityTimeout": 9000,
                "abortTimeout": 1,
                "enableLazyState": True,
                "documentation": "So does this.",
                "metadata": {"x": "y"},
                "retryPolicyMaxAttempts": 0,
                "retryPolicyOnMaxAttempts": "PAUSE",
            },
            {"name": "b", "ingressPrivate": True},
            {"name": "c", "ingressPrivate": False},
        ],
    },
    {
        "name": "Object",
        "ty": "VIRTUAL_OBJECT",
        "journalRetention": 0,
        "enableLazyState": True,
        "idempotencyRetention": 0,
        "handlers": [
            {
                "name": "x",
                "journalRetention": 864_000_001,
                "input": {"required": True, "contentType": "application/json", "jsonSchema": _INTEGER},
                "output": {"contentType": "text/plain", "setContentTypeIfEmpty": True},
            },
            {"name": "y", "ty": "SHARED", "input": {}, "output": {}},
            {"name": "z", "output": {"contentType": "application/json", "jsonSchema": {"title": "T"}}},
        ],
    },
    {"name": "Hidden", "ty": "SERVICE", "ingressPrivate": True, "metadata": {}, "handlers": [{"name": "h"}]},
    {
        "name": "Flow",
        "ty": "WORKFLOW",
        "handlers": [
            {"name": "run", "ty": "WORKFLOW", "workflowCompletionRetention": 3000},
            {"name": "query", "ty": "SHARED", "idempotencyRetention": 5},
        ],
    },
    {"name": "Usual", "ty": "WORKFLOW", "handlers": [{"name": "run", "ty": "WORKFLOW"}]},
]
_PATCHES: list[tuple[str, dict[str, object]]] = [
    ("Plain", {"public": False, "journal_retention": "0s"}),
    ("Object", {"idempotency_retention": "90s", "inactivity_timeout": "PT1M", "abort_timeout": "1.5s"}),
    ("Hidden", {"public": True, "journal_retention": "100d 1ms"}),
    ("Flow", {"workflow_completion_retention": "3w"}),
    ("Usual", {"workflow_completion_retention": "0s", "public": None}),
]
RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("service_views.json").read_text())


@pytest.fixture(scope="module")
def shown(server_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the server answered to each step."""
    server = make_server(server_kind, tmp_path_factory.mktemp(f"views-{server_kind}"), INACTIVITY)
    try:
        with Caller(server) as caller, ManifestService({"": manifest(services=_SERVICES)}) as service:
            answers: dict[str, Any] = {
                "registered": caller.register(service.uri(), use_http_11=True)["services"]
            }
            for name, changes in _PATCHES:
                answers[f"patched {name}"] = caller.admin("PATCH", f"/v3/services/{name}", changes).ok()
            answers["listed"] = caller.admin("GET", "/v4/services").ok()["services"]
            answers["handlers"] = caller.admin("GET", "/v2/services/Object/handlers").ok()["handlers"]
            answers["handler"] = caller.admin("GET", "/v4/services/Flow/handlers/run").ok()
            yield {step: _comparable(answer) for step, answer in answers.items()}
    finally:
        server.stop()


def _comparable(answer: Any) -> Any:
    """In one order, without what differs from run to run, the words of notes, and the fields for classic clients."""
    if isinstance(answer, list):
        return sorted(map(_comparable, answer), key=lambda entry: entry.get("name", entry.get("code", "")))
    if not isinstance(answer, dict):
        return answer
    left_out = {"deployment_id", "methods", "instance_type"}
    if answer.keys() == {"code", "message"}:
        left_out.add("message")
    return {name: _comparable(value) for name, value in answer.items() if name not in left_out}


@pytest.mark.parametrize("step", RECORDED)
def test_services_are_shown_as_by_the_official_server(shown: dict[str, Any], step: str) -> None:
    assert shown[step] == RECORDED[step]


def test_every_step_is_recorded(shown: dict[str, Any]) -> None:
    assert shown.keys() == RECORDED.keys()
