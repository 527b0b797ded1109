"""`restate kafka-clusters`, `subscriptions` and `rules`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.fake_admin import FakeAdmin

CLUSTER = {
    "name": "kc",
    "properties": {"bootstrap.servers": "b:9092", "client.id": "me"},
    "created_at": "2026-11-25T02:16:55.000000000Z",
    "subscriptions": [],
}
SUBSCRIPTION = {
    "id": "sub_1",
    "source": "kafka://kc/topic",
    "sink": "service://S/h",
    "options": {"group.id": "g"},
}
RULE = {"pattern": "a/*", "concurrency": 5, "description": "d", "disabled": False, "version": 3}


@pytest.fixture
def kafka(admin: FakeAdmin) -> FakeAdmin:
    admin.answers["GET /kafka-clusters"] = (200, {"clusters": [CLUSTER]})
    admin.answers["GET /kafka-clusters/kc?include_subscriptions=true"] = (200, CLUSTER)
    admin.answers["POST /kafka-clusters"] = (201, CLUSTER)
    admin.answers["PATCH /kafka-clusters/kc"] = (200, CLUSTER)
    admin.answers["DELETE /kafka-clusters/kc"] = (202, None)
    admin.answers["DELETE /kafka-clusters/kc?force=true"] = (202, None)
    admin.answers["GET /subscriptions"] = (200, {"subscriptions": [SUBSCRIPTION]})
    admin.answers["GET /subscriptions?source=kafka%3A%2F%2Fkc%2Ftopic"] = (200, {"subscriptions": []})
    admin.answers["GET /subscriptions/sub_1"] = (200, SUBSCRIPTION)
    admin.answers["POST /subscriptions"] = (201, SUBSCRIPTION)
    admin.answers["DELETE /subscriptions/sub_1"] = (202, None)
    return admin


def test_clusters_are_listed_and_described(kafka: FakeAdmin) -> None:
    assert kafka.run("kc", "ls").stdout.splitlines()[1].startswith("kc    b:9092   2")
    assert "client.id          me" in kafka.run("kc", "get", "kc").stdout
    assert json.loads(kafka.run("kc", "get", "kc", "--json").stdout) == CLUSTER


def test_a_cluster_is_created_changed_and_removed(kafka: FakeAdmin, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "# note\\nbootstrap.servers=c:1\\n" > "$1"\n')
    editor.chmod(0o755)
    for words in (
        "create kc bootstrap.servers=b:9092 x=a=b",
        "patch kc --set x=1 --unset client.id",
        "edit kc",
        "rm kc",
        "rm kc --force",
    ):
        done = kafka.run("kc", *words.split(), "-y", RESTATE_EDITOR=str(editor))
        assert done.exit_code == 0, done.output
    assert kafka.changes == [
        (
            "POST",
            "/kafka-clusters",
            {"name": "kc", "properties": {"bootstrap.servers": "b:9092", "x": "a=b"}},
        ),
        ("PATCH", "/kafka-clusters/kc", {"properties": {"bootstrap.servers": "b:9092", "x": "1"}}),
        ("PATCH", "/kafka-clusters/kc", {"properties": {"bootstrap.servers": "c:1"}}),
        ("DELETE", "/kafka-clusters/kc", None),
        ("DELETE", "/kafka-clusters/kc?force=true", None),
    ]


def test_a_hidden_value_is_never_sent_back(kafka: FakeAdmin) -> None:
    hidden = {**CLUSTER, "properties": {"bootstrap.servers": "b", "sasl.password": "***"}}
    kafka.answers["GET /kafka-clusters/kc?include_subscriptions=true"] = (200, hidden)
    done = kafka.run("kc", "patch", "kc", "--set", "a=b", "-y")
    assert done.exit_code == 1
    assert "does not show the values of sasl.password" in done.stderr
    assert kafka.run("kc", "patch", "kc", "--set", "sasl.password=new", "-y").exit_code == 0
    assert len(kafka.changes) == 1


def test_a_cluster_in_use_is_kept(kafka: FakeAdmin) -> None:
    used = {**CLUSTER, "subscriptions": [SUBSCRIPTION]}
    kafka.answers["GET /kafka-clusters/kc?include_subscriptions=true"] = (200, used)
    assert kafka.run("kc", "rm", "kc", "-y").exit_code == 1
    assert not kafka.changes
    assert kafka.run("kc", "rm", "kc", "-y", "--force").exit_code == 0


def test_subscriptions_are_listed_created_and_removed(kafka: FakeAdmin) -> None:
    assert kafka.run("sub", "ls").stdout.splitlines()[1].startswith("sub_1  kafka://kc/topic  service://S/h")
    assert kafka.run("sub", "ls", "--source", "kafka://kc/topic", "--json").stdout == "[]\n"
    assert "group.id  g" in kafka.run("sub", "get", "sub_1").stdout
    for words in (
        "create kafka://kc/topic service://S/h group.id=g",
        "create kafka://kc/t service://S/h",
        "rm sub_1",
    ):
        assert kafka.run("sub", *words.split(), "-y").exit_code == 0
    first, second, removed = kafka.changes
    assert first[2] == {"source": "kafka://kc/topic", "sink": "service://S/h", "options": {"group.id": "g"}}
    assert second[2]["options"] is None
    assert removed == ("DELETE", "/subscriptions/sub_1", None)


@pytest.fixture
def ruled(admin: FakeAdmin) -> FakeAdmin:
    admin.queries["FROM sys_rules"] = [RULE]
    admin.answers["PUT /limits/rules"] = (200, [])
    admin.answers["POST /limits/rules/bulk-delete"] = (200, ["a/*"])
    return admin


def test_rules_are_listed(ruled: FakeAdmin) -> None:
    assert ruled.run("rules", "ls").stdout.splitlines()[1].split() == ["a/*", "5", "no"]
    assert ruled.run("rules", "ls", "-x").stdout.splitlines()[1].split() == ["a/*", "5", "no", "d", "3", "-"]


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ("set a/* --concurrency 7", {"limits": {"concurrency": 7}, "disabled": False, "description": "d"}),
        ("set a/* --unlimited --description e", {"limits": {}, "disabled": False, "description": "e"}),
        ("disable a/*", {"limits": {"concurrency": 5}, "disabled": True, "description": "d"}),
        ("enable a/*", {"limits": {"concurrency": 5}, "disabled": False, "description": "d"}),
    ],
)
def test_a_rule_is_changed_as_it_was_read(ruled: FakeAdmin, words: str, sent: dict[str, Any]) -> None:
    assert ruled.run("rules", *words.split(), "-y").exit_code == 0
    precondition = {"type": "matches", "version": 3}
    assert ruled.changes == [
        ("PUT", "/limits/rules", [{"pattern": "a/*", **sent, "precondition": precondition}])
    ]


def test_a_new_rule_must_be_new(ruled: FakeAdmin) -> None:
    ruled.queries.clear()
    assert ruled.run("rules", "set", "b", "--concurrency", "1", "--disabled", "-y").exit_code == 0
    ((_, _, (rule,)),) = ruled.changes
    assert rule == {
        "pattern": "b",
        "limits": {"concurrency": 1},
        "disabled": True,
        "precondition": {"type": "does_not_exist"},
    }


def test_removing_a_rule_names_its_version(ruled: FakeAdmin) -> None:
    assert ruled.run("rule", "rm", "a/*", "-y").exit_code == 0
    assert ruled.changes == [
        ("POST", "/limits/rules/bulk-delete", [{"pattern": "a/*", "expected_version": 3}])
    ]


@pytest.mark.parametrize("words", ["rm b", "enable b", "disable b"])
def test_a_rule_that_does_not_exist_ends_with_1(admin: FakeAdmin, words: str) -> None:
    done = admin.run("rules", *words.split(), "-y")
    assert (done.exit_code, done.stderr) == (1, "Error: there is no rule 'b'\n")


@pytest.mark.parametrize("words", ["set a", "set a --unlimited --concurrency 1", "set a --concurrency 0"])
def test_a_rule_has_one_limit_or_none(admin: FakeAdmin, words: str) -> None:
    assert admin.run("rules", *words.split(), "-y").exit_code == 2
