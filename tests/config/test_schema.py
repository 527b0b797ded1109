import json
from pathlib import Path

import pytest

from restate.runtime.config import load
from restate.runtime.config.documentation import descriptions
from restate.runtime.config.schema import example, json_schema, print_schema
from restate.runtime.config.tree import SETTINGS


def test_every_setting_and_section_says_what_it_is_for() -> None:
    texts = descriptions()
    assert [name for name in SETTINGS if not texts.get(name)] == []
    sections = {name.rpartition(".")[0] for name in SETTINGS} - {""}
    assert [section for section in sections if not texts.get(section)] == []


def test_the_example_changes_nothing(tmp_path: Path) -> None:
    before = load({}, {}, tmp_path)
    (tmp_path / "restate.toml").write_text(example())
    after = load({}, {}, tmp_path)
    assert after == before
    assert after.sources == {}


def test_each_line_of_the_example_with_a_value_can_be_used_as_it_stands(tmp_path: Path) -> None:
    # Uncommented: the defaults, by name.
    text = "\n".join(
        line[2:] if line.startswith("# ") and " = " in line and " = ..." not in line else line
        for line in example().splitlines()
    )
    before = load({}, {}, tmp_path)
    (tmp_path / "restate.toml").write_text(text)
    config = load({}, {}, tmp_path)
    assert config == before
    assert set(config.sources) == {name for name, setting in SETTINGS.items() if setting.default is not None}


def test_the_schema_has_every_name_and_its_text() -> None:
    schema = json_schema()
    for name, setting in SETTINGS.items():
        node = schema
        for part in name.split("."):
            node = node["properties"][part]
        assert descriptions()[name] in node["description"], setting
    assert json.loads(print_schema()) == schema


@pytest.mark.parametrize(
    ("alias", "name"),
    [("worker.ingress_grpc.bind_address", "ingress.bind_address"), ("default_num_partitions", "partitions")],
)
def test_names_of_upstream_are_in_the_schema_as_deprecated(alias: str, name: str) -> None:
    node = json_schema()
    for part in alias.split("."):
        node = node["properties"][part]
    assert node["deprecated"]
    assert node["description"] == f"The same as {name}."


def test_an_unknown_key_does_not_fit_the_schema() -> None:
    assert json_schema()["additionalProperties"] is False
