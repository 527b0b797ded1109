import pytest

from restate.runtime.engine.actions import AdminOutcome
from restate.runtime.engine.records import TerminateKind
from restate.runtime.model.ids import parse_invocation_id
from restate.runtime.partition.handle import Overloaded
from tests.admin.fakes import Admin

ID = "inv_10000000000001SZwviYzes2mjOamuMJWw"


@pytest.mark.parametrize("operation", ["cancel", "kill"])
@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (AdminOutcome.DONE, 200),
        (AdminOutcome.ACCEPTED, 202),
        (AdminOutcome.NOT_FOUND, 404),
        (AdminOutcome.ALREADY_COMPLETED, 409),
    ],
)
async def test_the_outcome_decides_the_status(operation: str, outcome: AdminOutcome, status: int) -> None:
    admin = Admin()
    admin.partition.outcome = outcome
    found, body = await admin.call("PATCH", f"/v4/invocations/{ID}/{operation}")
    assert found == status
    assert admin.partition.terminated == [(parse_invocation_id(ID), TerminateKind[operation.upper()])]
    messages = {
        404: f"The requested invocation '{ID}' does not exist",
        409: f"The invocation '{ID}' was already completed.",
    }
    assert body == ({"message": messages[status], "restate_code": None} if status in messages else None)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("", TerminateKind.CANCEL),
        ("?mode=cancel", TerminateKind.CANCEL),
        ("?mode=Cancel", TerminateKind.CANCEL),
        ("?mode=kill", TerminateKind.KILL),
        ("?mode=Kill", TerminateKind.KILL),
    ],
)
async def test_delete_is_accepted_whatever_becomes_of_it(query: str, kind: TerminateKind) -> None:
    admin = Admin()
    admin.partition.outcome = AdminOutcome.NOT_FOUND
    assert await admin.call("DELETE", f"/invocations/{ID}{query}") == (202, None)
    assert admin.partition.terminated == [(parse_invocation_id(ID), kind)]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/invocations/nonsense/kill"),
        ("DELETE", "/invocations/nonsense"),
        ("DELETE", f"/invocations/{ID}?mode=other"),
        ("DELETE", f"/invocations/{ID}?mode=KILL"),
    ],
)
async def test_what_cannot_be_read_is_a_bad_request(method: str, path: str) -> None:
    admin = Admin()
    status, body = await admin.call(method, path)
    assert status == 400
    assert body["restate_code"] is None
    assert admin.partition.terminated == []


@pytest.mark.parametrize("mode", ["purge", "Purge"])
async def test_delete_purges_too(mode: str) -> None:
    admin = Admin()
    admin.partition.outcome = AdminOutcome.NOT_COMPLETED
    assert await admin.call("DELETE", f"/invocations/{ID}?mode={mode}") == (202, None)
    assert admin.partition.operated == [("purge", parse_invocation_id(ID))]


async def test_a_malformed_id_has_the_message_of_upstream() -> None:
    _, body = await Admin().call("PATCH", "/invocations/nonsense/kill")
    assert body["message"] == "The request field 'invocation_id' is invalid. Reason: bad format"


async def test_an_overloaded_partition_is_503() -> None:
    admin = Admin()

    async def refuse(*_: object) -> None:
        raise Overloaded("full")

    admin.partition.terminate = refuse  # type: ignore[method-assign,assignment]
    assert (await admin.call("PATCH", f"/invocations/{ID}/kill"))[0] == 503
