"""Where the server is."""

from pathlib import Path

import pytest

from restate.runtime.cli.problems import CommandError
from restate.runtime.cli.settings import load

FILE = """
[local]
admin_base_url = "http://from-file:1/"

[cloud]
admin_base_url = "https://admin.example.com:9070/base/"
ingress_base_url = "https://ingress.example.com:8080"
bearer_token = "secret"
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "config.toml").write_text(FILE)
    return {"RESTATE_CLI_CONFIG_HOME": str(tmp_path)}


def test_without_anything_the_server_is_on_this_machine(tmp_path: Path) -> None:
    found = load(None, {"RESTATE_CLI_CONFIG_HOME": str(tmp_path)})
    assert (found.admin_url, found.ingress_url) == ("http://localhost:9070", "http://localhost:8080")
    assert (found.environment, found.token) == ("local", None)


def test_a_host_moves_both_ports() -> None:
    found = load(None, {"RESTATE_CLI_CONFIG_HOME": "/nowhere", "RESTATE_HOST": "box"})
    assert (found.admin_url, found.ingress_url) == ("http://box:9070", "http://box:8080")


def test_variables_count_more_than_the_file(home: dict[str, str]) -> None:
    assert load(None, home).admin_url == "http://from-file:1"
    assert load(None, {**home, "RESTATE_HOST": "box"}).admin_url == "http://from-file:1"
    assert load(None, {**home, "RESTATE_ADMIN_URL": "http://here:2"}).admin_url == "http://here:2"
    assert load("cloud", {**home, "RESTATE_AUTH_TOKEN": "mine"}).token == "mine"


def test_an_environment_is_chosen_by_option_then_variable_then_file(home: dict[str, str]) -> None:
    Path(home["RESTATE_CLI_CONFIG_HOME"], "environment").write_text("cloud\n")
    cloud = load(None, home)
    assert cloud.admin_url == "https://admin.example.com:9070/base"
    assert (cloud.environment, cloud.token) == ("cloud", "secret")
    assert load("local", home).environment == "local"
    assert load("local", {**home, "RESTATE_ENVIRONMENT": "cloud"}).environment == "local"
    assert load(None, {**home, "RESTATE_ENVIRONMENT": "local"}).environment == "local"


def test_an_unknown_environment_names_the_known_ones(home: dict[str, str]) -> None:
    with pytest.raises(CommandError, match=r"'prod' is not in .*; known are: local, cloud"):
        load("prod", home)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[local")
    with pytest.raises(CommandError, match=r"config\.toml cannot be read"):
        load(None, {"RESTATE_CLI_CONFIG_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x",
        "http://",
        "http://h:x",
        "http://h:99999",
        "http://[::1",
        "http://a b",
        "http://ü",
        "http://a/\x1b",
    ],
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(CommandError, match="RESTATE_ADMIN_URL: expected an http"):
        load(None, {"RESTATE_CLI_CONFIG_HOME": "/nowhere", "RESTATE_ADMIN_URL": url})


def test_a_url_may_lack_its_scheme() -> None:
    assert load(None, {"RESTATE_ADMIN_URL": "box:9070/"}).admin_url == "http://box:9070"


@pytest.mark.parametrize("token", ["a\nb", "ü", "\udcff"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(CommandError, match="RESTATE_AUTH_TOKEN: expected a token of printable"):
        load(None, {"RESTATE_CLI_CONFIG_HOME": "/nowhere", "RESTATE_AUTH_TOKEN": token})


@pytest.mark.parametrize(
    ("line", "named"),
    [("admin_base_url = 3", "RESTATE_ADMIN_URL"), ("bearer_token = [1]", "RESTATE_AUTH_TOKEN")],
)
def test_a_file_with_another_type_than_text_is_refused(tmp_path: Path, line: str, named: str) -> None:
    (tmp_path / "config.toml").write_text(f"[local]\n{line}\n")
    with pytest.raises(CommandError, match=named):
        load(None, {"RESTATE_CLI_CONFIG_HOME": str(tmp_path)})
