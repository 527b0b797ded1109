import pytest

from restate.runtime.errors import DeploymentError
from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.target import Generation, ServiceType
from restate.runtime.schema.deployment import Service
from restate.runtime.schema.registration import (
    Announcement,
    Registration,
    Request,
    check_name,
    find_by_address,
    register,
    remove,
)
from restate.runtime.schema.registry import Registry
from tests.schema.builders import names, service

KEYED, UNKEYED, OBJECT = ServiceType.KEYED, ServiceType.UNKEYED, ServiceType.VIRTUAL_OBJECT


class World:
    """A registry that grows by registrations; each one is a millisecond later."""

    def __init__(self, *, live: tuple[str, ...] = ()) -> None:
        self.registry = Registry.EMPTY
        self.now_ms = 0
        self._live = live

    def decide(
        self, uri: str, *services: Service, generation: Generation | None = None, **request: object
    ) -> Registration:
        mode = str(request.pop("mode", "BidiStream"))
        if generation is None:
            generation = services[0].type.generation if services else Generation.MODERN
        self.now_ms += 1
        announced = Announcement(generation, mode, "HTTP/2.0", 5, 7, services)  # type: ignore[arg-type]
        return register(
            self.registry,
            Request(uri, **request),  # type: ignore[arg-type]
            announced,
            new_id=DeploymentId(f"dp_{self.now_ms}"),
            now_ms=self.now_ms,
            is_live=self._live.__contains__,
        )

    def add(self, uri: str, *services: Service, **request: object) -> Registration:
        found = self.decide(uri, *services, **request)  # type: ignore[arg-type]
        self.registry = self.registry.changed(self.registry.version + 1, found.rows)
        return found

    def remove(self, deployment_id: DeploymentId) -> None:
        rows = remove(self.registry, deployment_id)
        assert rows is not None
        self.registry = self.registry.changed(self.registry.version + 1, rows)

    def revision(self, name: str) -> int:
        found = self.registry.service(name)
        assert found is not None
        return found.revision


def refusal(world: World, uri: str, *services: Service, **request: object) -> DeploymentError:
    with pytest.raises(DeploymentError) as caught:
        world.decide(uri, *services, **request)  # type: ignore[arg-type]
    return caught.value


def test_revisions_count_per_name() -> None:
    world = World()
    world.add("http://a/", service("S"))
    world.add("http://b/", service("S"), service("T"))
    assert (world.revision("S"), world.revision("T")) == (2, 1)
    assert world.registry.deployment_of("S") is world.registry.deployment_of("T")


def test_a_known_modern_address_is_kept_without_force() -> None:
    world = World()
    first = world.add("http://a/", service("S"))
    again = world.decide("https://a/?x=1", service("T"))
    assert (again.deployment, again.rows, again.is_new) == (first.deployment, (), False)


def test_force_keeps_the_id_and_drops_what_is_no_longer_announced() -> None:
    world = World()
    first = world.add("http://a/", service("S"), service("T"))
    world.add("http://a/", service("S"), force=True)
    assert names(world.registry.services()) == ["S"]
    assert world.revision("S") == 2
    assert list(world.registry.deployments) == [first.deployment.id]
    assert world.registry.deployments[first.deployment.id].created_ms == 2


def test_forcing_an_old_deployment_makes_it_the_latest() -> None:
    world = World()
    old = world.add("http://a/", service("S"))
    world.add("http://b/", service("S"))
    world.add("http://a/", service("S"), force=True)
    assert world.registry.deployment_of("S") == world.registry.deployments[old.deployment.id]
    assert world.revision("S") == 3


def test_a_modern_service_falls_back_when_the_latest_deployment_goes() -> None:
    world = World()
    old = world.add("http://a/", service("S"))
    new = world.add("http://b/", service("S"))
    world.remove(new.deployment.id)
    assert world.registry.deployment_of("S") == old.deployment
    world.remove(old.deployment.id)
    assert world.registry.services() == []
    assert remove(world.registry, old.deployment.id) is None


def test_a_classic_service_goes_with_its_latest_deployment() -> None:
    world = World()
    old = world.add("http://a/", service("S", KEYED), service("T", KEYED))
    new = world.add("http://b/", service("S", KEYED))
    world.remove(new.deployment.id)
    assert names(world.registry.services()) == ["T"]
    pinned = world.registry.deployments[old.deployment.id].service("S")
    assert pinned is not None
    world.add("http://c/", service("S", KEYED))
    assert world.revision("S") == 1


def test_an_old_classic_deployment_goes_without_taking_the_service() -> None:
    world = World()
    old = world.add("http://a/", service("S", KEYED))
    world.add("http://b/", service("S", KEYED))
    world.remove(old.deployment.id)
    assert world.revision("S") == 2


def test_classic_keeps_what_the_operator_made_private_until_it_is_overwritten() -> None:
    world = World()
    world.add("http://a/", service("S", KEYED, public=False))
    world.add("http://b/", service("S", KEYED))
    kept = world.registry.service("S")
    assert kept is not None
    assert not kept.public
    world.add("http://b/", service("S", KEYED), force=True)
    reset = world.registry.service("S")
    assert reset is not None
    assert reset.public


def test_modern_takes_what_is_announced() -> None:
    world = World()
    world.add("http://a/", service("S", public=False))
    world.add("http://b/", service("S"))
    found = world.registry.service("S")
    assert found is not None
    assert found.public


def test_a_known_classic_address_needs_force_which_is_its_default() -> None:
    world = World()
    first = world.add("http://a/", service("S", KEYED))
    assert refusal(world, "http://a/", service("S", KEYED), force=False).code == "META0004"
    assert world.decide("http://a/", service("S", KEYED)).deployment.id == first.deployment.id


def test_classic_deployments_may_differ_in_nothing_but_their_mode() -> None:
    world = World()
    first = world.add("http://a/", service("S", KEYED))
    second = world.add("http://a/", service("T", KEYED), mode="RequestResponse", force=False)
    assert second.is_new
    assert find_by_address(world.registry, Request("http://a"), "BidiStream") == first.deployment
    assert find_by_address(world.registry, Request("http://A"), "RequestResponse") == second.deployment
    assert find_by_address(world.registry, Request("http://a")) == second.deployment


@pytest.mark.parametrize("pass_by", [{"force": True}, {"breaking": True, "force": False}])
def test_a_changed_type_is_refused_unless_wanted(pass_by: dict[str, bool]) -> None:
    world = World()
    world.add("http://a/", service("S"))
    error = refusal(world, "http://b/", service("S", OBJECT))
    assert (error.code, error.http_status) == ("META0006", 409)
    assert world.decide("http://b/", service("S", OBJECT), **pass_by).is_new  # type: ignore[arg-type]


def test_lost_methods_matter_to_classic_only() -> None:
    world = World()
    world.add("http://a/", service("S", KEYED, "a", "b"), service("U", UNKEYED))
    error = refusal(world, "http://b/", service("S", KEYED, "b"), force=False)
    assert (error.code, "a" in error.message) == ("META0006", True)
    assert world.decide("http://b/", service("S", KEYED, "b", "c", "a"), force=False).is_new
    modern = World()
    modern.add("http://a/", service("S", ServiceType.SERVICE, "a", "b"))
    assert modern.decide("http://b/", service("S", ServiceType.SERVICE, "b")).is_new


@pytest.mark.parametrize("uri", ["http://a/", "http://b/"])
def test_a_name_belongs_to_one_generation(uri: str) -> None:
    world = World(live=("S",))
    world.add("http://a/", service("S"))
    assert refusal(world, uri, service("S", KEYED), force=True).code == "META0006"
    assert refusal(world, uri, service("S", KEYED), breaking=True, force=True).code == "META0006"


def test_the_sole_owner_may_switch_when_nothing_runs() -> None:
    world = World()
    world.add("http://a/", service("S"))
    assert refusal(world, "http://b/", service("S", KEYED), force=True).code == "META0006"
    world.add("http://a/", service("S", KEYED), force=True)
    found = world.registry.service("S")
    assert found is not None
    assert found.type is KEYED


def test_a_deployment_whose_other_services_run_may_not_switch() -> None:
    world = World(live=("T",))
    world.add("http://a/", service("S"), service("T"))
    assert refusal(world, "http://a/", service("S", KEYED), force=True).code == "META0006"


@pytest.mark.parametrize(
    ("name", "generation", "status"),
    [
        ("dev.restate.Ingress", Generation.CLASSIC, 403),
        ("grpc.health.v1.Health", Generation.CLASSIC, 403),
        ("restate", Generation.CLASSIC, 403),
        ("openapi", Generation.CLASSIC, 403),
        ("restateful", Generation.CLASSIC, None),
        ("Greeter", Generation.CLASSIC, None),
        ("RESTATEful", Generation.MODERN, 400),
        ("OpenAPI", Generation.MODERN, 400),
        ("dev.restate.X", Generation.MODERN, 400),
        ("grpc.X", Generation.MODERN, 400),
        ("openapis", Generation.MODERN, None),
    ],
)
def test_names_that_the_server_keeps(name: str, generation: Generation, status: int | None) -> None:
    if status is None:
        check_name(name, generation)
        return
    with pytest.raises(DeploymentError) as caught:
        check_name(name, generation)
    assert (caught.value.code, caught.value.http_status) == ("META0005", status)


def test_no_services_and_repeated_names_are_accepted() -> None:
    world = World()
    assert world.add("http://a/").deployment.services == ()
    found = world.add("http://b/", service("S"), service("S", OBJECT))
    assert [entry.type for entry in found.deployment.services] == [OBJECT]


@pytest.mark.parametrize(
    ("uri", "same"),
    [
        ("http://h:1/", True),
        ("https://h:1/", True),
        ("http://H:1/?x=1", True),
        ("http://h:1/p", False),
        ("http://127.0.0.1:1/", False),
        ("http://u:p@h:1/", False),
        ("http://h:2/", False),
    ],
)
def test_what_makes_an_address(uri: str, same: bool) -> None:
    world = World()
    first = world.add("http://h:1/", service("S")).deployment
    again = world.add(uri, service("S"), force=True)
    assert (again.deployment.id == first.id, again.is_new) == (same, not same)


def test_a_trailing_slash_belongs_to_the_path() -> None:
    world = World()
    world.add("http://h:1/p", service("S"))
    assert world.add("http://h:1/p/", service("S"), force=True).is_new


def test_routing_headers_join_the_address_and_others_do_not() -> None:
    world = World()
    routing = frozenset(("b",))
    bare = world.add("http://h:1/", service("S"), routing_headers=routing).deployment
    for headers, is_new in ((("a", "1"), False), (("b", "1"), True), (("b", "1"), False), (("b", "2"), True)):
        found = world.add(
            "http://h:1/", service("S"), additional_headers=(headers,), routing_headers=routing, force=True
        )
        assert found.is_new is is_new
    assert world.registry.deployments[bare.id].additional_headers == (("a", "1"),)


def test_force_takes_the_newest_of_several_that_are_the_same() -> None:
    world = World()
    world.add("http://h:1/", service("S"))
    second = world.add(
        "http://h:1/",
        service("S"),
        arn=None,
        additional_headers=(("b", "1"),),
        routing_headers=frozenset("b"),
    )
    assert second.is_new
    assert world.add("http://h:1/", service("S"), force=True).deployment.id == second.deployment.id
