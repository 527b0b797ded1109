"""What holds for each setting, whoever adds it."""

from operator import attrgetter
from pathlib import Path

import pytest

from restate.runtime.config import load
from restate.runtime.config.tree import SETTINGS
from restate.runtime.config.values import Count, Millis, PositiveMillis, Threads, WholeWindow, Window
from restate.runtime.errors import ConfigError


@pytest.mark.parametrize("name", SETTINGS)
def test_a_value_that_cannot_be_used_is_refused_with_the_setting_its_source_and_what_was_expected(
    tmp_path: Path, name: str
) -> None:
    """Empty text is no value of any kind."""
    variable = f"RESTATE_{name.upper().replace('.', '__')}"
    sources: list[tuple[dict[str, str], dict[str, str], str]] = [
        ({name: ""}, {}, "command line"),
        ({}, {variable: ""}, f"environment {variable}"),
    ]
    for overrides, environment, source in sources:
        with pytest.raises(ConfigError) as caught:
            load(overrides, environment, tmp_path)
        assert caught.value.code == "RT0002"
        assert f"({source}): " in caught.value.message
        assert name in caught.value.message.lower().replace("__", ".")
        assert "expected" in caught.value.message
    (tmp_path / "restate.yaml").write_text(f"{name}: [[1]]\n")
    with pytest.raises(ConfigError, match=r"\(restate.yaml\): .*expected"):
        load({}, {}, tmp_path)


@pytest.mark.parametrize("name", [name for name, each in SETTINGS.items() if each.kind is bool])
def test_a_switch_takes_two_words(tmp_path: Path, name: str) -> None:
    get = attrgetter(".".join(SETTINGS[name].attributes))
    assert [get(load({name: text}, {}, tmp_path)) for text in ("true", "false", "False")] == [
        True,
        False,
        False,
    ]
    with pytest.raises(ConfigError, match="expected true or false, got 'no'"):
        load({name: "no"}, {}, tmp_path)


@pytest.mark.parametrize(
    ("alias", "name", "text"),
    [
        ("connect-timeout", "net.client_connect_timeout", "3s"),
        ("worker.invoker.connect-timeout", "net.client_connect_timeout", "3s"),
        ("http-keep-alive-options.interval", "net.client_ping_interval", "3s"),
        ("http-keep-alive-options.timeout", "net.client_ping_timeout", "3s"),
        ("worker.invoker.http2-keep-alive-interval", "net.client_ping_interval", "3s"),
        ("worker.invoker.http2-keep-alive-timeout", "net.client_ping_timeout", "3s"),
        ("worker.invoker.http2-idle-connection-timeout", "net.client_idle_timeout", "3s"),
        ("worker.invoker.http2-streams-per-connection-limit", "net.client_stream_limit", "3000"),
        ("worker.invoker.http2-initial-stream-window-size", "net.client_stream_window_bytes", "3.0 kB"),
        ("default-idempotency-retention", "retention.idempotency", "3s"),
        ("default-workflow-completion-retention", "retention.workflow", "3s"),
        ("default-journal-retention", "retention.journal", "3s"),
        ("max-journal-retention", "retention.max_journal", "3s"),
        ("worker.max-command-batch-bytes", "engine.batch_bytes", "3.0 kB"),
    ],
)
def test_upstream_names_are_taken(tmp_path: Path, alias: str, name: str, text: str) -> None:
    config = load({alias: text}, {}, tmp_path)
    assert attrgetter(".".join(SETTINGS[name].attributes))(config) == 3_000
    assert config.sources[name] == f"command line as {alias}"


def test_the_window_of_a_connection_has_its_upstream_name(tmp_path: Path) -> None:
    config = load({"worker.invoker.http2-initial-connection-window-size": "5.0 MiB"}, {}, tmp_path)
    assert config.net.client_connection_window_bytes == 5 << 20


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            (name, text)
            for name, setting in SETTINGS.items()
            for kind, text in (
                (Count, "2147483648"),
                (Threads, "1025"),
                (Window, "2GiB"),
                (WholeWindow, "2GiB"),
                (WholeWindow, "65535"),
            )
            if setting.kind in (kind, kind | None)
        )
    ],
)
def test_a_number_that_a_library_or_a_protocol_cannot_take_is_refused(
    tmp_path: Path, name: str, text: str
) -> None:
    with pytest.raises(ConfigError, match=r"expected a (whole number|size) of at (most|least)"):
        load({name: text}, {}, tmp_path)


@pytest.mark.parametrize(
    "name", [name for name, each in SETTINGS.items() if each.kind in (PositiveMillis, PositiveMillis | None)]
)
def test_a_time_in_which_nothing_can_be_done_is_refused(tmp_path: Path, name: str) -> None:
    for text in ("0s", "0", "PT0S"):
        with pytest.raises(ConfigError, match="expected a duration of more than 0"):
            load({name: text}, {}, tmp_path)
    get = attrgetter(".".join(SETTINGS[name].attributes))
    assert get(load({name: "1ms"}, {}, tmp_path)) == 1


@pytest.mark.parametrize(
    "name", [name for name, each in SETTINGS.items() if each.kind in (Millis, Millis | None)]
)
def test_no_time_at_all_is_taken_where_it_means_something(tmp_path: Path, name: str) -> None:
    assert attrgetter(".".join(SETTINGS[name].attributes))(load({name: "0s"}, {}, tmp_path)) == 0
