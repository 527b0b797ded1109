import pytest

from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.target import ServiceType
from restate.runtime.schema import registry as registry_module
from restate.runtime.schema.deployment import Deployment
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import SchemaFormatError, decode_deployment, deployment_key, deployment_row
from tests.schema.builders import deployment, names, registry, service


def test_the_empty_registry_has_version_0_and_knows_nothing() -> None:
    assert Registry.EMPTY.version == 0
    assert Registry.EMPTY.service("S") is None
    assert Registry.EMPTY.services() == []


def test_the_highest_revision_takes_new_invocations_in_either_order() -> None:
    old = deployment("dp_old", service("S", ServiceType.SERVICE, "a"), revision=1)
    new = deployment("dp_new", service("S", ServiceType.SERVICE, "b"), revision=2)
    for view in (registry(old, new), registry(new, old)):
        assert view.service("S") == new.services[0]
        assert view.deployment_of("S") == new
        assert view.handler("S", "a") is None
        assert view.handler("S", "b") is not None


def test_a_removed_revision_takes_no_new_invocations_but_its_deployment_stays() -> None:
    gone = deployment("dp_a", service("S", ServiceType.UNKEYED, removed=True), revision=3)
    assert registry(gone).service("S") is None
    assert DeploymentId("dp_a") in registry(gone).deployments


def test_a_change_gives_a_new_registry_and_leaves_the_old_one() -> None:
    first = registry(deployment("dp_a", service("A")))
    second = first.changed(2, (deployment_row(deployment("dp_b", service("B"))),))
    third = second.changed(3, ((deployment_key(DeploymentId("dp_a")), None),))
    assert names(first.services()) == ["A"]
    assert names(second.services()) == ["A", "B"]
    assert names(third.services()) == ["B"]
    assert (first.version, second.version, third.version) == (1, 2, 3)


def test_stored_rows_are_read_back() -> None:
    stored = deployment("dp_a", service("A", ServiceType.WORKFLOW, "run"), service("B"))
    key, value = deployment_row(stored)
    assert value is not None
    view = Registry.load(7, [(key, value), (b"something/x", b"?")])
    assert view.version == 7
    assert dict(view.deployments) == {"dp_a": stored}


@pytest.mark.parametrize("value", [b"", b"\x02\x90", b"\x01\xff"], ids=["empty", "version", "damaged"])
def test_a_row_of_another_format_is_refused_with_its_id(value: bytes) -> None:
    with pytest.raises(SchemaFormatError, match="dp_a") as caught:
        Registry.load(1, [(deployment_key(DeploymentId("dp_a")), value)])
    assert caught.value.code == "META0010"


# Rows of the first release: whatever changes later must still read them.
STORED = bytes.fromhex(
    "019da464705f6101b6687474703a2f2f3132372e302e302e313a393038302faa4269646953747265616da8485454502f"
    "322e30050701919aa153019199a361646401c393a32a2f2ac2c093b06170706c69636174696f6e2f6a736f6ec2c09bc0"
    "c0c0c0c0c0c0c0c0c0c0c090c0a464705f6101c39bc0c0c0c0c0c0c0c0c0c0c0c090c29090c0c400"
)


def test_rows_of_the_first_release_are_read() -> None:
    stored = deployment("dp_a", service("S", ServiceType.VIRTUAL_OBJECT, "add"))
    assert decode_deployment(deployment_key(stored.id), STORED) == stored


def test_a_change_reads_its_own_row_only(monkeypatch: pytest.MonkeyPatch) -> None:
    before = registry(*(deployment(f"dp_{number}", service(f"S{number}")) for number in range(200)))
    read: list[bytes] = []

    def decode(key: bytes, value: bytes) -> Deployment:
        read.append(key)
        return decode_deployment(key, value)

    monkeypatch.setattr(registry_module, "decode_deployment", decode)
    row = deployment_row(deployment("dp_7", service("S7"), revision=2))
    after = before.changed(2, (row,))
    assert read == [row[0]]
    assert all(
        after.deployments[name] is before.deployments[name] for name in before.deployments if name != "dp_7"
    )


def test_names_in_descriptors_are_made_up_for_what_is_not_found_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def legal_name(name: str) -> str:
        asked.append(name)
        return name.replace("-", "_")

    monkeypatch.setattr(registry_module, "legal_name", legal_name)
    view = registry(deployment("dp_a", service("a-b", ServiceType.UNKEYED)))
    assert view.find("a-b") is not None
    assert asked == []
    assert view.find("a_b") == view.service("a-b")
    assert view.find("a_c") is None
    assert asked == ["a-b"]
