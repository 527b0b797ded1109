import pytest

from restate.runtime.model.ids import (
    InvocationId,
    classic_partition_key,
    format_invocation_id,
    partition_key_of_key,
    partition_key_of_service,
)
from restate.runtime.model.target import HandlerType, ServiceType
from restate.runtime.schema.addressing import (
    AddressError,
    AddressFault,
    address,
    idempotent_id,
    workflow_run_id,
)
from restate.runtime.schema.deployment import Handler
from tests.schema.builders import deployment, options, registry, service

DAY_MS = 24 * 3_600_000

MODERN = registry(
    deployment(
        "dp_a",
        service("S", ServiceType.SERVICE, "idem"),
        service("O", ServiceType.VIRTUAL_OBJECT, "add", Handler("get", HandlerType.SHARED)),
        service("W", ServiceType.WORKFLOW, "run", Handler("peek", HandlerType.SHARED)),
    )
)
CLASSIC = registry(
    deployment(
        "dp_c",
        service("u", ServiceType.UNKEYED, "m", "n"),
        service("k", ServiceType.KEYED, "m", "n"),
        service("one", ServiceType.SINGLETON, "m"),
    )
)


class Ids:
    """An IdSource that counts."""

    def __init__(self) -> None:
        self.count = 0

    def ulid(self) -> bytes:
        self.count += 1
        return self.count.to_bytes(16, "big")

    def bucket(self, count: int) -> int:
        return count - 1

    def uuid7_text(self) -> str:
        self.count += 1
        return f"uuid-{self.count}"


def test_a_service_call_gets_a_random_bucket_and_a_new_id() -> None:
    callee = address(MODERN, "S", "idem", None, ids=Ids())
    assert callee.invocation == partition_key_of_service("S", 511) + (1).to_bytes(16, "big")
    assert callee.target is not None
    assert str(callee.target) == "S/idem"


def test_an_idempotency_key_fixes_the_whole_id() -> None:
    callee = address(MODERN, "S", "idem", None, idempotency_key="k1", ids=Ids())
    assert callee.invocation[8:].hex() == "41a6e69d2584428f2f03a165bbd5ae70"
    assert callee == address(MODERN, "S", "idem", "", idempotency_key="k1", ids=Ids())
    assert callee.idempotency_key == "k1"


def test_a_workflow_run_is_identified_by_its_key_alone() -> None:
    callee = address(MODERN, "W", "run", "wf1", idempotency_key="ignored", ids=Ids())
    assert callee.invocation == partition_key_of_key("wf1") + bytes.fromhex(
        "28e3b7190202747dc68f89fe8b53785b"
    )
    assert callee.idempotency_key is None


def test_an_object_call_lives_with_its_key_and_may_have_an_empty_one() -> None:
    assert address(MODERN, "O", "add", "key1", ids=Ids()).invocation[:8].hex() == "f35c8969f46f05de"
    callee = address(MODERN, "O", "get", "", ids=Ids())
    assert callee.target is not None
    assert (callee.target.key, callee.target.handler_type) == ("", HandlerType.SHARED)


def test_classic_keys_follow_the_service_type() -> None:
    keyed = address(CLASSIC, "k", "m", "x", ids=Ids())
    unkeyed = address(CLASSIC, "u", "m", "", ids=Ids())
    singleton = address(CLASSIC, "one", "m", None, ids=Ids())
    assert keyed.invocation[:8] == classic_partition_key(b"x")
    assert unkeyed.target is not None
    assert unkeyed.target.key == "uuid-1"
    assert unkeyed.invocation[:8] == classic_partition_key(b"uuid-1")
    assert singleton.target is not None
    assert singleton.target.key == ""


def test_classic_idempotency_is_scoped_by_the_service_alone() -> None:
    first = address(CLASSIC, "k", "m", "x", idempotency_key="i", ids=Ids())
    other = address(CLASSIC, "k", "n", "y", idempotency_key="i", ids=Ids())
    assert first.invocation == other.invocation
    assert first.invocation[:8] == classic_partition_key(b"ki")


@pytest.mark.parametrize(
    ("service_name", "handler", "key", "fault"),
    [
        ("Nope", "x", None, AddressFault.UNKNOWN_SERVICE),
        ("S", "x", None, AddressFault.UNKNOWN_HANDLER),
        ("S", "idem", "k", AddressFault.KEY_NOT_ALLOWED),
        ("O", "add", None, AddressFault.KEY_REQUIRED),
    ],
)
def test_what_has_no_target_is_refused(
    service_name: str, handler: str, key: str | None, fault: AddressFault
) -> None:
    with pytest.raises(AddressError) as caught:
        address(MODERN, service_name, handler, key, ids=Ids())
    assert caught.value.fault is fault


def test_retention_by_kind_of_call() -> None:
    def kept(
        handler: str,
        own: dict[str, int],
        *,
        idempotent: bool = False,
        kind: ServiceType = ServiceType.SERVICE,
    ) -> tuple[int, int]:
        view = registry(deployment("dp_r", service("R", kind, handler, options=options(**own))))
        key = "k" if kind is ServiceType.WORKFLOW else None
        callee = address(view, "R", handler, key, idempotency_key="i" if idempotent else None, ids=Ids())
        return callee.completion_retention_ms, callee.journal_retention_ms

    assert kept("h", {}) == (DAY_MS, DAY_MS)
    assert kept("h", {"journal_retention_ms": 0}) == (0, 0)
    assert kept("h", {"journal_retention_ms": 5}) == (5, 5)
    assert kept("h", {"idempotency_retention_ms": 7}, idempotent=True) == (7, 7)
    assert kept("h", {"idempotency_retention_ms": 7, "journal_retention_ms": 3}, idempotent=True) == (7, 3)
    assert kept("run", {"workflow_retention_ms": 9}, kind=ServiceType.WORKFLOW) == (9, 9)


def test_classic_keeps_only_idempotent_results_and_no_journals() -> None:
    plain = address(CLASSIC, "k", "m", "x", ids=Ids())
    idempotent = address(CLASSIC, "k", "m", "x", idempotency_key="i", ids=Ids())
    asked = address(CLASSIC, "k", "m", "x", idempotency_key="i", ids=Ids(), retention_ms=5000)
    assert (plain.completion_retention_ms, plain.journal_retention_ms) == (0, 0)
    assert (idempotent.completion_retention_ms, idempotent.journal_retention_ms) == (1_800_000, 0)
    assert (asked.completion_retention_ms, asked.journal_retention_ms) == (5000, 0)


@pytest.mark.parametrize(
    ("found", "seen"),
    [
        (workflow_run_id("Flow", "zz"), "inv_1l1Ow9D3XLyL01tR8pEsPZi3hLuIZl2Ri3"),
        (workflow_run_id("Flow", "zz", scope="a"), "inv_1dceKvwtEc2n4gdO0PegcesotBQNOokZQ3"),
        (idempotent_id("Edge", None, "echo", "a"), "inv_1afOW0446KvR3WeG7aK6eR6ZeZOpzQwhRv"),
        (idempotent_id("Edge", None, "echo", "a", scope="b"), "inv_174rq2A9bm3T6uKNzWf1jSIdBFbRtx28Qf"),
        (idempotent_id("Board", "q", "get", "a"), "inv_12ti0g30oAye3SnGaDw86B9litpslxHLYf"),
        (idempotent_id("Board", "q", "get", "a", scope="b"), "inv_174rq2A9bm3T2nNHdi2wVB1O70j3FKnJto"),
    ],
)
def test_computed_ids_are_those_of_the_official_server(found: InvocationId, seen: str) -> None:
    assert format_invocation_id(found) == seen
