"""The log: what passes the filter, and how a line looks.

Fields are passed as `extra={"invocation": ..., "code": ...}` and look the same everywhere. A record with an error code,
in `extra` or in the exception it carries, is printed with the hint of that code.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal, TextIO

import attrs

from restate.runtime.errors import CODES, RestateError

LogFormat = Literal["pretty", "compact", "json"]

TRACE = 5
OFF = logging.CRITICAL + 10

_LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": OFF,
}
_LEVEL_NAMES = {TRACE: "TRACE", 10: "DEBUG", 20: "INFO", 30: "WARN", 40: "ERROR", 50: "ERROR"}
_COLOURS = {"TRACE": "35", "DEBUG": "34", "INFO": "32", "WARN": "33", "ERROR": "31"}
_TARGET = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")

_FIRST_FIELDS = ("invocation", "service", "handler", "deployment", "code")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# A line must stay one line, and must not move the cursor of the terminal, whatever a service put into its message.
_CONTROL = {c: f"\\x{c:02x}" for c in (*range(0x20), *range(0x7F, 0xA0))} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
}
_JSON_CONTROL = {c: f"\\u{c:04x}" for c in (*range(0x7F, 0xA0), 0x2028, 0x2029)}
"""What JSON need not escape, but ends lines or moves cursors all the same."""

_DISCREET = ("h2", "hpack", "hpack.hpack", "hpack.table")
"""Libraries that log the values of headers, thus tokens, when they debug. They do not, whatever the filter says."""

_USER_INFO = re.compile(r"(?<=://)[^/@\s'\"]+@")

_handler: logging.Handler | None = None
_configured: set[str] = set()


@attrs.frozen
class Filter:
    """level: for everything; targets: {logger name: level} for what is below that name."""

    level: int
    targets: Mapping[str, int]


def parse_filter(text: str) -> Filter:
    """Read `warn,restate=info`: levels trace, debug, info, warn, error, off; a part without `=` is for everything.

    Raises ValueError with what was expected. The separator `::` of upstream's target names is read as `.`.
    """
    level = logging.ERROR
    targets: dict[str, int] = {}
    for part in text.split(","):
        target, separator, word = part.strip().rpartition("=")
        found = _LEVELS.get(word.strip().lower())
        if found is None or (separator and not _TARGET.fullmatch(target.strip())):
            raise ValueError(
                f"expected a log filter such as 'warn,restate=info', got {text!r} (at {part.strip()!r})"
            )
        if separator:
            targets[target.strip().replace("::", ".")] = found
        else:
            level = found
    return Filter(level, targets)


def configure(
    filter_text: str,
    log_format: LogFormat = "pretty",
    *,
    ansi: bool | None = None,
    stream: TextIO | None = None,
) -> None:
    """Send the log to stream (standard error) by the filter and in the format; may be called again.

    ansi: whether to colour; None means if the stream is a terminal. Raises ValueError for a bad filter.
    """
    global _handler
    parsed = parse_filter(filter_text)
    # Not used in any line, and the search for the caller's frame is the dearest part of a log call.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

    destination = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(destination)
    handler.setFormatter(make_formatter(log_format, destination.isatty() if ansi is None else ansi))
    root = logging.getLogger()
    if _handler is not None:
        root.removeHandler(_handler)
    root.addHandler(handler)
    _handler = handler

    for name in _configured:
        logging.getLogger(name).setLevel(logging.NOTSET)
    _configured.clear()
    root.setLevel(parsed.level)
    discreet = dict.fromkeys(_DISCREET, max(parsed.level, logging.INFO))
    for name, level in {**parsed.targets, **discreet}.items():
        logging.getLogger(name).setLevel(level)
        _configured.add(name)


def without_passwords(text: str) -> str:
    """Addresses in it, as of deployments, without what stands before their @."""
    return _USER_INFO.sub("***@", text) if "@" in text else text


def make_formatter(log_format: LogFormat, ansi: bool) -> logging.Formatter:
    """The formatter of one of the three formats."""
    renderers: dict[LogFormat, Callable[[logging.LogRecord], str]] = {
        "pretty": lambda record: _pretty(record, ansi),
        "compact": lambda record: _compact(record, ansi),
        "json": _json,
    }
    return _Formatter(renderers[log_format])


class _Formatter(logging.Formatter):
    def __init__(self, render: Callable[[logging.LogRecord], str]) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        return self._render(record)


def _pretty(record: logging.LogRecord, ansi: bool) -> str:
    """Time, level, logger, message, fields, hint on one line; the traceback, if there is one, on lines below."""
    fields = _fields(record)
    hint = _hint(fields)
    line = (
        f"{_timestamp(record)} {_level(record, ansi):>5} {record.name}: {_message(record)}"
        f"{_pairs(fields, ansi)}{f' ({hint})' if hint else ''}"
    )
    trace = "\n".join(part.translate(_CONTROL) for part in _traceback(record).split("\n"))
    return f"{line}\n{trace}" if trace else line


def _compact(record: logging.LogRecord, ansi: bool) -> str:
    """Time of day, level, last part of the logger's name, message, fields, hint; of an exception only its last line."""
    name = record.name.rpartition(".")[2]
    fields = _fields(record)
    hint = _hint(fields)
    line = (
        f"{_timestamp(record)[11:23]} {_level(record, ansi):>5} {name}: {_message(record)}"
        f"{_pairs(fields, ansi)}{f' ({hint})' if hint else ''}"
    )
    trace = _traceback(record)
    return f"{line} | {trace.splitlines()[-1].translate(_CONTROL)}" if trace else line


def _json(record: logging.LogRecord) -> str:
    """`{"timestamp", "level", "target", "fields": {"message", ...}}`, the layout of upstream's JSON log."""
    fields: dict[str, object] = {"message": without_passwords(record.getMessage()), **_fields(record)}
    hint = _hint(fields)
    if hint:
        fields["hint"] = hint
    trace = _traceback(record)
    if trace:
        fields["traceback"] = trace
    return json.dumps(
        {
            "timestamp": _timestamp(record),
            "level": _level_name(record),
            "target": record.name,
            "fields": fields,
        },
        default=str,
        ensure_ascii=False,
    ).translate(_JSON_CONTROL)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """The extras that are not None, the common ones first; the code of the exception if none was given."""
    extras = {
        name: value for name, value in vars(record).items() if name not in _STANDARD and value is not None
    }
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, RestateError) and error.code is not None:
        extras.setdefault("code", error.code)
    first = {name: extras.pop(name) for name in _FIRST_FIELDS if name in extras}
    return first | extras


def _hint(fields: Mapping[str, object]) -> str | None:
    row = CODES.get(str(fields.get("code")))
    return row.hint if row else None


def _pairs(fields: Mapping[str, object], ansi: bool) -> str:
    pairs = (f"{name}={str(value).translate(_CONTROL)}" for name, value in fields.items())
    joined = "".join(f" {pair}" for pair in pairs)
    return f"\x1b[2m{joined}\x1b[0m" if ansi and joined else joined


def _message(record: logging.LogRecord) -> str:
    return without_passwords(record.getMessage()).translate(_CONTROL)


def _level_name(record: logging.LogRecord) -> str:
    return _LEVEL_NAMES.get(record.levelno, record.levelname)


def _level(record: logging.LogRecord, ansi: bool) -> str:
    name = _level_name(record)
    return f"\x1b[{_COLOURS.get(name, '0')}m{name:>5}\x1b[0m" if ansi else name


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _traceback(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    return without_passwords(logging.Formatter().formatException(record.exc_info))
