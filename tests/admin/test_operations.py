import logging
from typing import Any

import msgspec
import pytest

from restate.runtime.admin.operations import NAMES
from restate.runtime.engine.actions import AdminOutcome
from restate.runtime.engine.records import Move
from restate.runtime.model.ids import InvocationId, format_invocation_id, parse_invocation_id
from restate.runtime.model.invocation import Pin
from restate.runtime.model.target import HandlerType, ServiceType, Target
from restate.runtime.partition.handle import Overloaded
from tests.admin.fakes import Admin
from tests.schema.builders import deployment, registry, service
from tests.tables.builders import record

ID = "inv_1j3OsqQPRzR93vCrH1htcSqNNRTZkBtHH7"
RAW = parse_invocation_id(ID)
OTHER = "inv_10000000000001SZwviYzes2mjOamuMJWw"
OLD, NEW = "dp_10000000000000000000001", "dp_10000000000000000000002"
BATCH = "/internal/invocations_batch_operations"


def with_deployments() -> Admin:
    admin = Admin()
    admin.partition.schema = registry(
        deployment(OLD, service("Greeter")), deployment(NEW, service("Greeter"), revision=2, created_ms=2)
    )
    target = Target("Greeter", "greet", None, ServiceType.SERVICE, HandlerType.SHARED)
    admin.records[RAW] = msgspec.structs.replace(record(target=target), pin=Pin(OLD, 6))
    return admin


@pytest.mark.parametrize(
    ("operation", "outcome", "status", "message"),
    [
        ("purge", AdminOutcome.NOT_COMPLETED, 409, f"The invocation '{ID}' is not yet completed."),
        ("purge-journal", AdminOutcome.NOT_COMPLETED, 409, f"The invocation '{ID}' is not yet completed."),
        ("pause", AdminOutcome.NOT_RUNNING, 409, f"The invocation '{ID}' is not running, cannot be paused."),
        (
            "resume",
            AdminOutcome.NOT_STARTED,
            425,
            f"The invocation '{ID}' is either inboxed or scheduled, cannot be resumed.",
        ),
        (
            "resume",
            AdminOutcome.ALREADY_COMPLETED,
            409,
            f"The invocation '{ID}' is completed, cannot be resumed.",
        ),
        (
            "resume",
            AdminOutcome.DEPLOYMENT_FIXED,
            409,
            f"The invocation '{ID}' is still running or the deployment id is not pinned yet, deployment id cannot be"
            " changed.",
        ),
        (
            "resume",
            AdminOutcome.DEPLOYMENT_UNKNOWN,
            400,
            f"The given deployment was not found when trying to resume the invocation '{ID}'.",
        ),
        ("restart-as-new", AdminOutcome.NOT_COMPLETED, 409, f"The invocation '{ID}' is still running."),
        (
            "restart-as-new",
            AdminOutcome.NOT_STARTED,
            425,
            f"The invocation '{ID}' cannot be restarted because it's not running yet.",
        ),
    ],
)
async def test_a_refusal_has_the_status_and_text_of_upstream(
    operation: str, outcome: AdminOutcome, status: int, message: str
) -> None:
    admin = Admin()
    admin.partition.outcome = outcome
    found = await admin.call("PATCH", f"/v4/invocations/{ID}/{operation}")
    assert found == (status, {"message": message, "restate_code": None})


@pytest.mark.parametrize(
    ("operation", "outcome", "status"),
    [
        ("resume", AdminOutcome.DEPLOYMENT_INCOMPATIBLE, 400),
        ("restart-as-new", AdminOutcome.DEPLOYMENT_INCOMPATIBLE, 400),
        ("restart-as-new", AdminOutcome.DEPLOYMENT_UNKNOWN, 400),
        ("restart-as-new", AdminOutcome.DEPLOYMENT_FIXED, 409),
        ("restart-as-new", AdminOutcome.UNSUPPORTED, 422),
        ("restart-as-new", AdminOutcome.JOURNAL_GONE, 410),
        ("restart-as-new", AdminOutcome.JOURNAL_INCOMPLETE, 400),
    ],
)
async def test_other_refusals_name_the_invocation(operation: str, outcome: AdminOutcome, status: int) -> None:
    admin = Admin()
    admin.partition.outcome = outcome
    found, body = await admin.call("PATCH", f"/invocations/{ID}/{operation}")
    assert found == status
    assert ID in body["message"]


@pytest.mark.parametrize("operation", sorted(NAMES))
async def test_an_unknown_invocation_is_404(operation: str) -> None:
    admin = Admin()
    admin.partition.outcome = AdminOutcome.NOT_FOUND
    status, body = await admin.call("PATCH", f"/invocations/{ID}/{operation}")
    assert (status, body["message"]) == (404, f"The requested invocation '{ID}' does not exist")


@pytest.mark.parametrize("operation", ["purge", "purge-journal", "pause"])
async def test_what_is_done_is_200_and_what_will_be_202(operation: str) -> None:
    admin = Admin()
    assert await admin.call("PATCH", f"/invocations/{ID}/{operation}") == (200, None)
    admin.partition.outcome = AdminOutcome.ACCEPTED
    assert await admin.call("PATCH", f"/invocations/{ID}/{operation}") == (202, None)
    assert admin.partition.operated == [(operation, RAW)] * 2


@pytest.mark.parametrize("operation", sorted(NAMES))
async def test_what_an_operator_did_is_logged_with_the_invocation(
    operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    admin = with_deployments()
    with caplog.at_level(logging.INFO):
        await admin.call("PATCH", f"/invocations/{ID}/{operation}")
        await admin.call("PATCH", f"/invocations/{OTHER}/{operation}")
    known, unknown = (line.__dict__ for line in caplog.records if line.name == "restate.admin")
    assert known["msg"] % known["args"] == f"{operation}, asked for on the admin port"
    fields = [known[name] for name in ("invocation", "service", "handler", "deployment")]
    assert fields == [ID, "Greeter", "greet", OLD]
    assert (known["new_invocation"] is not None) == (operation == "restart-as-new")
    assert unknown["invocation"] == OTHER


async def test_what_was_refused_is_not_logged_as_done(caplog: pytest.LogCaptureFixture) -> None:
    admin = with_deployments()
    admin.partition.outcome = AdminOutcome.NOT_FOUND
    with caplog.at_level(logging.INFO):
        await admin.call("PATCH", f"/invocations/{ID}/kill")
    assert [line for line in caplog.records if line.name == "restate.admin"] == []


@pytest.mark.parametrize(
    ("query", "move"),
    [
        ("", None),
        ("?deployment=keep", None),
        ("?deployment=Keep", None),
        ("?deployment=latest", Move(NEW, True, 5, 7)),
        ("?deployment=Latest", Move(NEW, True, 5, 7)),
        (f"?deployment={OLD}", Move(OLD, False, 5, 7)),
        ("?deployment=dp_10000000000000000000009", Move(None, False)),
    ],
)
async def test_resume_names_the_deployment(query: str, move: Move | None) -> None:
    admin = with_deployments()
    assert await admin.call("PATCH", f"/invocations/{ID}/resume{query}") == (200, None)
    assert admin.partition.operated == [("resume", RAW, move)]


async def test_the_latest_deployment_of_an_invocation_that_is_unknown_is_none() -> None:
    admin = with_deployments()
    await admin.call("PATCH", f"/invocations/{OTHER}/resume?deployment=latest")
    assert admin.partition.operated == [("resume", parse_invocation_id(OTHER), Move(None, True))]


@pytest.mark.parametrize(
    ("query", "last_index", "move"),
    [
        ("", 0, Move(NEW, True, 5, 7)),
        ("?from=3&deployment=keep", 3, None),
        (f"?from=0&deployment={OLD}", 0, Move(OLD, False, 5, 7)),
    ],
)
async def test_restart_gives_a_new_id_that_begins_like_the_old_one(
    query: str, last_index: int, move: Move | None
) -> None:
    admin = with_deployments()
    status, body = await admin.call("PATCH", f"/invocations/{ID}/restart-as-new{query}")
    assert status == 200
    new_id = parse_invocation_id(body["new_invocation_id"])
    assert new_id[:8] == RAW[:8]
    assert new_id != RAW
    assert admin.partition.operated == [("restart-as-new", RAW, new_id, last_index, move)]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            f"/invocations/{ID}/resume?deployment=nonsense",
            "The query parameter 'deployment' is invalid. Reason: bad format",
        ),
        (
            f"/invocations/{ID}/restart-as-new?deployment=inv_1x",
            "The query parameter 'deployment' is invalid. Reason: ",
        ),
        (f"/invocations/{ID}/restart-as-new?from=x", "Failed to deserialize query string: from: "),
        (f"/invocations/{ID}/restart-as-new?from=-1", "Failed to deserialize query string: from: "),
        (f"/invocations/{ID}/restart-as-new?from=4294967296", "Failed to deserialize query string: from: "),
        (
            "/invocations/nonsense/pause",
            "The request field 'invocation_id' is invalid. Reason: bad format",
        ),
    ],
)
async def test_what_cannot_be_read_is_400(path: str, message: str) -> None:
    admin = Admin()
    status, body = await admin.call("PATCH", path)
    assert status == 400
    assert body["message"].startswith(message)
    assert admin.partition.operated == []


# -- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", sorted(NAMES - {"restart-as-new"}))
async def test_a_batch_tells_which_succeeded(operation: str) -> None:
    admin = Admin()
    found = await admin.call("POST", f"{BATCH}/{operation}", {"invocation_ids": [ID, OTHER]})
    assert found == (200, {"succeeded": [ID, OTHER], "failed": []})


async def test_a_batch_tells_why_one_failed() -> None:
    admin = Admin()
    purge = admin.partition.purge

    async def purge_one(invocation: InvocationId) -> AdminOutcome:
        return AdminOutcome.NOT_COMPLETED if invocation == RAW else await purge(invocation)

    admin.partition.purge = purge_one  # type: ignore[method-assign]
    found = await admin.call("POST", f"/v3{BATCH}/purge", {"invocation_ids": [ID, OTHER]})
    failed = [{"invocation_id": ID, "error": f"The invocation '{ID}' is not yet completed."}]
    assert found == (200, {"succeeded": [OTHER], "failed": failed})


async def test_what_does_not_fit_into_the_queue_fails_alone() -> None:
    admin = Admin()

    async def refuse(_: InvocationId) -> AdminOutcome:
        raise Overloaded("full")

    admin.partition.pause = refuse  # type: ignore[method-assign,assignment]
    found = await admin.call("POST", f"{BATCH}/pause", {"invocation_ids": [ID]})
    assert found == (200, {"succeeded": [], "failed": [{"invocation_id": ID, "error": "full"}]})


async def test_a_batch_of_restarts_pairs_old_and_new() -> None:
    admin = with_deployments()
    status, body = await admin.call("POST", f"{BATCH}/restart-as-new", {"invocation_ids": [ID]})
    assert status == 200
    (operated,) = admin.partition.operated
    assert operated == ("restart-as-new", RAW, operated[2], 0, Move(NEW, True, 5, 7))
    new_id = operated[2]
    assert isinstance(new_id, bytes)
    pair = {"old_invocation_id": ID, "new_invocation_id": format_invocation_id(InvocationId(new_id))}
    assert body == {"succeeded": [pair], "failed": []}


async def test_a_batch_of_resumes_names_the_deployment() -> None:
    admin = with_deployments()
    await admin.call("POST", f"{BATCH}/resume", {"invocation_ids": [ID], "deployment": "Latest"})
    assert admin.partition.operated == [("resume", RAW, Move(NEW, True, 5, 7))]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"invocation_ids": [ID] * 1001}, 400, "Batch size 1001 exceeds maximum allowed size of 1000"),
        ({"invocation_ids": [ID, "nonsense"]}, 422, "Failed to deserialize the JSON body"),
        ({"invocation_ids": ID}, 422, "Failed to deserialize the JSON body"),
        ({}, 422, "Failed to deserialize the JSON body"),
        (
            {"invocation_ids": [ID], "deployment": "x"},
            400,
            "The request field 'deployment' is invalid. Reason: bad format",
        ),
        (
            {"invocation_ids": [ID], "deployment": ""},
            400,
            "The request field 'deployment' is invalid. Reason: bad length",
        ),
    ],
)
async def test_a_batch_that_cannot_be_read_does_nothing(body: Any, status: int, message: str) -> None:
    admin = Admin()
    found, answer = await admin.call("POST", f"{BATCH}/resume", body)
    assert (found, answer["message"][: len(message)]) == (status, message)
    assert admin.partition.operated == []
