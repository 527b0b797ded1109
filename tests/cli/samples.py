"""Answers of an admin port, as small as commands allow."""

from typing import Any

DEPLOYMENT_ID = "dp_17gsLc2IdRmr3aGBXsNij61"
INVOCATION_ID = "inv_13XkzU60MSfr210aodUJ85sv7jcUjrXIrq"
OTHER_ID = "inv_1fNv3Uf4oakR0h7KATZuOGKIztycYv81cK"


def handler(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "input_description": "JSON", "output_description": "none", **fields}


def service(name: str = "Counter", **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "ty": "VirtualObject",
        "handlers": [handler("add", ty="Exclusive")],
        "deployment_id": DEPLOYMENT_ID,
        "revision": 1,
        "public": True,
        "idempotency_retention": "1d",
        "inactivity_timeout": "1m",
        "abort_timeout": "10m",
        "retry_policy": {"max_attempts": None, "on_max_attempts": "Pause"},
        **fields,
    }


def deployment(**fields: Any) -> dict[str, Any]:
    return {
        "id": DEPLOYMENT_ID,
        "uri": "http://localhost:9080/",
        "created_at": "2026-11-25T02:16:55.000000000Z",
        "min_protocol_version": 5,
        "max_protocol_version": 7,
        "services": [service()],
        **fields,
    }


def invocation(**fields: Any) -> dict[str, Any]:
    return {
        "id": INVOCATION_ID,
        "target": "Counter/a/add",
        "target_service_ty": "virtual_object",
        "status": "running",
        "created_at": "2026-11-25T02:16:55.000Z",
        "pinned_deployment_exists": False,
        **fields,
    }
