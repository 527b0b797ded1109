import io
import json
import logging
from collections.abc import Iterator

import pytest

from restate.runtime.errors import CODES, ConfigError
from restate.runtime.telemetry import log


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, source_file = root.handlers[:], root.level, logging._srcfile
    flags = (logging.logThreads, logging.logProcesses, logging.logMultiprocessing)
    yield
    log.configure("warn")
    root.handlers[:] = handlers
    root.setLevel(level)
    logging._srcfile = source_file
    logging.logThreads, logging.logProcesses, logging.logMultiprocessing = flags


def lines_of(
    log_format: log.LogFormat, *, ansi: bool = False, filter_text: str = "warn,restate=info"
) -> io.StringIO:
    stream = io.StringIO()
    log.configure(filter_text, log_format, ansi=ansi, stream=stream)
    return stream


@pytest.mark.parametrize(
    ("text", "level", "targets"),
    [
        ("warn,restate=info", logging.WARNING, {"restate": logging.INFO}),
        ("debug", logging.DEBUG, {}),
        (" OFF , restate.runtime.net = TRACE ", log.OFF, {"restate.runtime.net": log.TRACE}),
        ("restate::net=debug", logging.ERROR, {"restate.net": logging.DEBUG}),
    ],
)
def test_a_filter_has_a_level_for_all_and_for_targets(text: str, level: int, targets: dict[str, int]) -> None:
    assert log.parse_filter(text) == log.Filter(level, targets)


@pytest.mark.parametrize(
    "text", ["", "loud", "restate=", "=info", "a b=info", "warn,,info", "restate=info=debug"]
)
def test_a_bad_filter_says_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected a log filter such as"):
        log.parse_filter(text)


def test_the_filter_decides_per_target_and_can_be_replaced() -> None:
    stream = lines_of("compact")
    logging.getLogger("restate.runtime.net").info("ours")
    logging.getLogger("restate.runtime.net").debug("ours, too fine")
    logging.getLogger("hypercorn").info("theirs")
    assert [line.split(": ")[1] for line in stream.getvalue().splitlines()] == ["ours"]

    second = lines_of("compact", filter_text="error")
    logging.getLogger("restate.runtime.net").warning("now below the level")
    assert stream.getvalue().count("\n") == 1
    assert second.getvalue() == ""


@pytest.mark.parametrize("filter_text", ["trace", "debug,hpack=debug", "warn,hpack.hpack=debug"])
def test_libraries_never_debug_what_headers_hold(filter_text: str) -> None:
    stream = lines_of("pretty", filter_text=filter_text)
    for name in ("hpack.hpack", "h2"):
        logging.getLogger(name).debug("authorization: secret")
    assert stream.getvalue() == ""


def test_a_pretty_line_has_time_level_logger_message_fields_and_hint() -> None:
    stream = lines_of("pretty")
    extra = {"code": "RT0010", "deployment": "dp_1", "invocation": "inv_1", "attempt": 3, "handler": None}
    logging.getLogger("restate.runtime.invoker").warning("attempt failed: %s", "refused", extra=extra)
    (line,) = stream.getvalue().splitlines()
    time, rest = line.split(" ", 1)
    assert len(time) == len("2026-11-24T23:25:13.123Z")
    assert rest == (
        " WARN restate.runtime.invoker: attempt failed: refused"
        f" invocation=inv_1 deployment=dp_1 code=RT0010 attempt=3 ({CODES['RT0010'].hint})"
    )


@pytest.mark.parametrize("log_format", ["pretty", "compact", "json"])
def test_what_a_service_sends_cannot_break_the_line_or_the_terminal(log_format: log.LogFormat) -> None:
    stream = lines_of(log_format)
    logging.getLogger("restate.x").error("a\nb\x1b[2J\x9b1m\x85", extra={"service": "c\rd"})
    assert stream.getvalue().count("\n") == 1
    for control in "\x1b\r\x9b\x85":
        assert control not in stream.getvalue()
    try:
        raise ValueError("e\x1b[2J\x9b\r")
    except ValueError:
        logging.getLogger("restate.x").exception("f")
    for control in "\x1b\r\x9b":
        assert control not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["pretty", "compact", "json"])
def test_passwords_of_addresses_are_left_out(log_format: log.LogFormat) -> None:
    stream = lines_of(log_format)
    logging.getLogger("restate.x").error("calling 'http://me:hunter2@host:1/a@b' of a@b")
    try:
        raise ValueError("https://hunter2@host/")
    except ValueError:
        logging.getLogger("restate.x").exception("failed")
    assert "hunter2" not in stream.getvalue()
    assert "http://***@host:1/a@b' of a@b" in stream.getvalue()


def test_a_compact_line_has_the_hint_of_its_code() -> None:
    stream = lines_of("compact")
    logging.getLogger("restate.invoker").warning("attempt failed", extra={"code": "RT0010"})
    assert stream.getvalue().endswith(f" WARN invoker: attempt failed code=RT0010 ({CODES['RT0010'].hint})\n")


def test_escaped_json_reads_as_what_was_logged() -> None:
    stream = lines_of("json")
    logging.getLogger("restate.x").error("é\u2028\x9b\x7f")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["fields"]["message"] == "é\u2028\x9b\x7f"


def test_colours_appear_only_when_asked_for() -> None:
    stream = lines_of("pretty", ansi=True)
    logging.getLogger("restate.x").error("red")
    assert "\x1b[31mERROR\x1b[0m" in stream.getvalue()


def test_a_json_line_is_an_object_with_code_hint_and_traceback_of_the_error() -> None:
    stream = lines_of("json")
    try:
        raise ConfigError("partitions: expected a number")
    except ConfigError:
        logging.getLogger("restate.x").exception("cannot start", extra={"invocation": "inv_1"})
    line = json.loads(stream.getvalue())
    assert (line["level"], line["target"]) == ("ERROR", "restate.x")
    assert line["timestamp"].endswith("Z")
    fields = line["fields"]
    assert (fields["message"], fields["invocation"], fields["code"]) == ("cannot start", "inv_1", "RT0002")
    assert fields["hint"] == CODES["RT0002"].hint
    assert "partitions: expected a number" in fields["traceback"]


@pytest.mark.parametrize(("log_format", "one_line"), [("compact", True), ("pretty", False)])
def test_compact_keeps_the_last_line_of_an_exception_pretty_keeps_all(
    log_format: log.LogFormat, one_line: bool
) -> None:
    stream = lines_of(log_format)
    try:
        raise OSError("disk full")
    except OSError:
        logging.getLogger("restate.x").exception("flush failed")
    lines = stream.getvalue().splitlines()
    assert lines[-1].endswith("OSError: disk full")
    assert (len(lines) == 1) == one_line
