import pytest

from restate.runtime.errors import DeploymentError
from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.target import Generation, ServiceType
from restate.runtime.schema.deployment import Deployment, Options, Service
from restate.runtime.schema.modification import (
    Move,
    ServiceChanges,
    UnknownService,
    modify_service,
    update_deployment,
)
from restate.runtime.schema.registration import Announcement, Registration
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import Row
from tests.schema.builders import deployment, names, registry, service

D1, D2 = DeploymentId("dp_1"), DeploymentId("dp_2")


def after(before: Registry, rows: tuple[Row, ...]) -> Registry:
    return before.changed(before.version + 1, rows)


def found(changed: Registry, name: str) -> Service:
    one = changed.service(name)
    assert one is not None
    return one


def announce(*services: Service, low: int = 5, high: int = 7, descriptors: bytes = b"") -> Announcement:
    generation = services[0].type.generation
    return Announcement(generation, "RequestResponse", "HTTP/1.1", low, high, services, "sdk/2", descriptors)


def update(
    before: Registry, announcement: Announcement | None, *, overwrite: bool = False, live: bool = False
) -> Registration:
    made = update_deployment(
        before,
        D1,
        Move("http://new:1/", (("a", "b"),)),
        announcement,
        overwrite=overwrite,
        is_live=lambda _service: live,
    )
    assert made is not None
    return made


def test_many_services_are_replaced_without_a_search_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [service(f"S{number}") for number in range(50)]
    before = registry(deployment("dp_1", *many, revision=3))
    searched: list[str] = []
    monkeypatch.setattr(Deployment, "service", lambda _deployment, name: searched.append(name))
    made = update(before, announce(*many, service("New")), overwrite=True)
    assert [each.revision for each in made.deployment.services] == [3] * 50 + [1]
    assert searched == []


def test_settings_change_in_the_latest_revision_only() -> None:
    options = Options(abort_timeout_ms=1, journal_retention_ms=2)
    before = registry(
        deployment("dp_1", service("S", options=options), revision=1),
        deployment("dp_2", service("S", options=options), service("T"), revision=2),
    )
    rows = modify_service(before, "S", ServiceChanges(public=False, abort_timeout_ms=9))
    changed = after(before, rows)
    assert len(rows) == 1
    assert changed.deployments[D1] == before.deployments[D1]
    latest = found(changed, "S")
    assert (latest.revision, latest.public) == (2, False)
    assert latest.options == Options(abort_timeout_ms=9, journal_retention_ms=2)
    assert found(changed, "T") == found(before, "T")


def test_nothing_to_change_stores_nothing() -> None:
    before = registry(deployment("dp_1", service("S", options=Options(abort_timeout_ms=9))))
    assert modify_service(before, "S", ServiceChanges(public=True, abort_timeout_ms=9)) == ()
    assert modify_service(before, "S", ServiceChanges(inactivity_timeout_ms=0)) != ()


def test_an_unknown_service_is_told_apart() -> None:
    with pytest.raises(UnknownService) as refused:
        modify_service(Registry.EMPTY, "S", ServiceChanges(public=True))
    assert (refused.value.http_status, refused.value.code) == (404, None)


@pytest.mark.parametrize("kind", [ServiceType.SERVICE, ServiceType.VIRTUAL_OBJECT, ServiceType.KEYED])
def test_only_workflows_are_kept_by_their_own_retention(kind: ServiceType) -> None:
    before = registry(deployment("dp_1", service("S", kind)))
    with pytest.raises(DeploymentError) as refused:
        modify_service(before, "S", ServiceChanges(workflow_retention_ms=1))
    assert refused.value.http_status == 400


def test_a_move_leaves_the_services_and_the_time_of_creation() -> None:
    before = registry(deployment("dp_1", service("S"), created_ms=5))
    made = update(before, announce(service("Other")))
    moved = after(before, made.rows).deployments[D1]
    assert moved == made.deployment
    assert (moved.uri, moved.additional_headers) == ("http://new:1/", (("a", "b"),))
    assert (moved.protocol_type, moved.http_version, moved.sdk_version) == (
        "RequestResponse",
        "HTTP/1.1",
        "sdk/2",
    )
    assert (names(moved.services), moved.created_ms) == (["S"], 5)


def test_overwriting_keeps_the_revisions_and_forgets_what_is_gone() -> None:
    before = registry(
        deployment("dp_1", service("S", public=False), service("Gone"), revision=3),
        deployment("dp_2", service("New"), revision=8),
    )
    made = update(before, announce(service("S"), service("New")), overwrite=True)
    changed = after(before, made.rows)
    assert [(one.name, one.revision, one.public) for one in made.deployment.services] == [
        ("S", 3, True),
        ("New", 1, True),
    ]
    assert changed.service("Gone") is None
    assert found(changed, "New").deployment_id == D2


def test_a_type_may_change_when_services_are_replaced() -> None:
    before = registry(deployment("dp_1", service("S")))
    made = update(before, announce(service("S", ServiceType.VIRTUAL_OBJECT)), overwrite=True)
    assert found(after(before, made.rows), "S").type is ServiceType.VIRTUAL_OBJECT


@pytest.mark.parametrize(("low", "high"), [(5, 6), (6, 7), (1, 7)])
@pytest.mark.parametrize("overwrite", [False, True])
def test_the_protocol_versions_may_not_change(low: int, high: int, overwrite: bool) -> None:
    before = registry(deployment("dp_1", service("S")))
    with pytest.raises(DeploymentError) as refused:
        update(before, announce(service("S"), low=low, high=high), overwrite=overwrite)
    assert refused.value.code == "META0016"


def test_the_generation_may_not_change() -> None:
    before = registry(deployment("dp_1", service("S")))
    with pytest.raises(DeploymentError) as refused:
        update(before, announce(service("S", ServiceType.UNKEYED)), overwrite=True)
    assert refused.value.code == "META0016"


def test_a_name_of_the_other_generation_is_refused() -> None:
    before = registry(deployment("dp_1", service("S")), deployment("dp_2", service("c", ServiceType.UNKEYED)))
    with pytest.raises(DeploymentError) as refused:
        update(before, announce(service("c")), overwrite=True)
    assert refused.value.code == "META0006"


def test_a_classic_service_that_is_no_longer_there_is_gone_everywhere() -> None:
    kept, gone = service("kept", ServiceType.UNKEYED), service("gone", ServiceType.UNKEYED)
    before = registry(deployment("dp_2", gone, revision=1), deployment("dp_1", kept, gone, revision=2))
    made = update(before, announce(kept, descriptors=b"new"), overwrite=True)
    changed = after(before, made.rows)
    assert changed.service("gone") is None
    assert changed.deployments[D1].descriptors == b"new"
    assert D2 in changed.deployments


def test_a_deployment_that_is_gone_meanwhile_is_none() -> None:
    move = Move("http://h:1/", ())
    assert update_deployment(Registry.EMPTY, D1, move, None, overwrite=False, is_live=lambda _: False) is None


def test_a_lambda_function_that_moves_to_http_takes_whatever_is_found() -> None:
    arn = "arn:aws:lambda:eu:1:function:f:1"
    before = registry(deployment("dp_1"))
    made = update_deployment(
        before, D1, Move("", (), arn, "role"), None, overwrite=True, is_live=lambda _: False
    )
    assert made is not None
    assert (made.deployment.arn, made.deployment.assume_role_arn, made.deployment.services) == (
        arn,
        "role",
        (),
    )
    moved = update(after(before, made.rows), announce(service("S"), high=5), overwrite=True).deployment
    assert (moved.arn, moved.assume_role_arn, moved.max_protocol_version) == (None, None, 5)
    assert (names(moved.services), moved.generation) == (["S"], Generation.MODERN)
