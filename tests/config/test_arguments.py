from pathlib import Path

import pytest

from restate.runtime import __version__
from restate.runtime.config.arguments import Arguments, parse_arguments


def test_without_arguments_nothing_is_overridden() -> None:
    assert parse_arguments([]) == Arguments({}, None, "run")


def test_options_become_overrides_of_settings() -> None:
    arguments = parse_arguments(
        ["--base-dir", "d", "--bind-ip", "::", "--log-filter", "debug", "--log-format", "json", "--config-file", "f.toml",
         "--set", "partitions=3", "--set", "a=b=c", "--print-config"]
    )  # fmt: skip
    assert arguments.overrides["observability.log.format"].lower() == "json"
    assert arguments.overrides | {"observability.log.format": ""} == {
        "base_dir": "d",
        "bind_ip": "::",
        "observability.log.filter": "debug",
        "observability.log.format": "",
        "partitions": "3",
        "a": "b=c",
    }
    assert arguments.config_file == Path("f.toml")
    assert arguments.command == "print-config"


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--set", "x"], "expected KEY=VALUE"),
        (["--sett", "x"], "No such option"),
        (["extra"], "expected nothing, 'doctor' or 'backup DIR', got 'extra'"),
        (["backup"], "expected nothing, 'doctor' or 'backup DIR', got 'backup'"),
        (["doctor", "--print-config"], "got 'doctor'"),
    ],
)
def test_wrong_usage_is_explained_and_ends_with_status_2(
    argv: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_arguments(argv)
    assert caught.value.code == 2
    assert part in capsys.readouterr().err


def test_version_and_help_are_printed_and_end_with_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    for argv, part in ((["--version"], f"restate-server {__version__}"), (["--help"], "--config-file")):
        with pytest.raises(SystemExit) as caught:
            parse_arguments(argv)
        assert caught.value.code == 0
        assert part in capsys.readouterr().out


def test_a_command_stands_before_or_after_options() -> None:
    assert parse_arguments(["backup", "copy", "--base-dir", "d"]) == Arguments(
        {"base_dir": "d"}, None, "backup", Path("copy")
    )
    assert parse_arguments(["--base-dir", "d", "doctor"]).command == "doctor"
