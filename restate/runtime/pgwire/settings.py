"""The settings of a session: SET, SHOW, RESET, and what the client is told of them unasked."""

import re
from collections.abc import Callable, Iterable

import attrs

from restate.runtime.pgwire.errors import (
    BAD_VALUE,
    CANNOT_CHANGE,
    LIMIT_EXCEEDED,
    NO_PRIVILEGE,
    UNKNOWN_SETTING,
    PgError,
)
from restate.runtime.pgwire.limits import Limits

SERVER_VERSION = "15.0"

FindTimezone = Callable[[str], str | None]
"""The name of a time zone as the system has it, or None."""


class _ValueRefusedError(Exception):
    """hint: what is accepted."""

    def __init__(self, hint: str | None = None) -> None:
        self.hint = hint


def _anything(value: str) -> str:
    return value


def _only(*accepted: str) -> Callable[[str], str]:
    """One of few values, of which the first is what it then is."""

    def check(value: str) -> str:
        if value.lower() not in accepted:
            raise _ValueRefusedError(f"Only {accepted[0]} is supported.")
        return accepted[0]

    return check


def _encoding(value: str) -> str:
    # asyncpg sends it with quotes of its own.
    word = re.sub(r"[^a-z0-9]", "", value.lower())
    if word not in ("utf8", "unicode", "sqlascii"):
        raise _ValueRefusedError("Only UTF8 is supported.")
    return "UTF8"


_ORDERS = frozenset(("mdy", "dmy", "ymd", "us", "european", "noneuropean", "default"))


def _date_style(value: str) -> str:
    # Rows are in ISO form always, which no order of day and month has an influence on.
    words = [word.strip().lower() for word in value.split(",")]
    if any(word != "iso" and word not in _ORDERS for word in words):
        raise _ValueRefusedError("Only ISO is supported.")
    return "ISO, MDY"


_DURATION = re.compile(r"(\d{1,12})(?:\.\d*)?\s*(us|ms|s|min|h|d|)")
_MILLIS = {"us": 0.001, "ms": 1, "": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def _milliseconds(value: str) -> int:
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise _ValueRefusedError('Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".')
    return int(int(match[1]) * _MILLIS[match[2]])


def _duration(value: str) -> str:
    """As Postgres shows it: in the largest unit that needs no fraction."""
    millis = _milliseconds(value)
    units = [unit for unit in ("d", "h", "min", "s") if millis and millis % _MILLIS[unit] == 0]
    return f"{int(millis / _MILLIS[units[0]])}{units[0]}" if units else f"{millis}ms" if millis else "0"


@attrs.frozen
class _Known:
    """name: as it is shown. check: the value that is kept, or _ValueRefusedError; None for what nobody may change."""

    name: str
    default: str
    check: Callable[[str], str] | None = _anything
    reported: bool = False


_ON = _only("on", "true", "yes", "1")


def _stays(default: str) -> Callable[[str], str]:
    """Any value may be set, and none changes what is so."""
    return lambda value: default


_KNOWN = {
    known.name.lower(): known
    for known in (
        _Known("server_version", SERVER_VERSION, None, reported=True),
        _Known("server_encoding", "UTF8", None, reported=True),
        _Known("client_encoding", "UTF8", _encoding, reported=True),
        _Known("application_name", "", reported=True),
        _Known("DateStyle", "ISO, MDY", _date_style, reported=True),
        _Known("IntervalStyle", "postgres", _only("postgres"), reported=True),
        _Known("TimeZone", "UTC", reported=True),
        _Known("integer_datetimes", "on", None, reported=True),
        _Known("standard_conforming_strings", "on", _ON, reported=True),
        _Known("is_superuser", "off", None, reported=True),
        _Known("session_authorization", "", _anything, reported=True),
        # Drivers set both ways; the server is what it is.
        _Known("default_transaction_read_only", "on", _stays("on"), reported=True),
        _Known("in_hot_standby", "off", None, reported=True),
        _Known("transaction_read_only", "on", _stays("on")),
        _Known("transaction_isolation", "read committed"),
        _Known("default_transaction_isolation", "read committed"),
        _Known("transaction_deferrable", "off", _stays("off")),
        _Known("default_transaction_deferrable", "off", _stays("off")),
        _Known("array_nulls", "on"),
        _Known("backslash_quote", "safe_encoding"),
        _Known("block_size", "8192", None),
        _Known("bytea_output", "hex", _only("hex")),
        _Known("check_function_bodies", "on"),
        _Known("client_min_messages", "notice"),
        _Known("default_tablespace", ""),
        _Known("escape_string_warning", "on"),
        _Known("extra_float_digits", "1"),
        _Known("idle_in_transaction_session_timeout", "0", _duration),
        _Known("idle_session_timeout", "0", _duration),
        _Known("jit", "off", _stays("off")),
        _Known("lc_collate", "C.UTF-8", None),
        _Known("lc_ctype", "C.UTF-8", None),
        _Known("lc_messages", "C.UTF-8"),
        _Known("lc_monetary", "C.UTF-8"),
        _Known("lc_numeric", "C.UTF-8"),
        _Known("lc_time", "C.UTF-8"),
        _Known("lock_timeout", "0", _duration),
        _Known("max_identifier_length", "63", None),
        _Known("max_index_keys", "32", None),
        _Known("max_prepared_transactions", "0", None),
        _Known("role", "none"),
        _Known("row_security", "on"),
        _Known("search_path", '"$user", public'),
        _Known("server_version_num", "150000", None),
        _Known("ssl", "off", None),
        _Known("statement_timeout", "0", _duration),
        _Known("synchronous_commit", "on"),
        _Known("wal_level", "replica", None),
        _Known("work_mem", "4MB"),
        _Known("xmlbinary", "base64"),
        _Known("xmloption", "content"),
    )
}
_REPORTED = tuple(known.name.lower() for known in _KNOWN.values() if known.reported)


Snapshot = tuple[dict[str, str], dict[str, str]]


class Settings:
    """The values of one session. Names are the same in any case."""

    def __init__(self, user: str, find_timezone: FindTimezone, limits: Limits) -> None:
        self._find_timezone = find_timezone
        self._limits = limits
        self._defaults = {name: known.default for name, known in _KNOWN.items()}
        self._defaults["session_authorization"] = user
        self._values = self._defaults
        # Invariant: these dicts are replaced, never changed, so that a snapshot is only a reference.
        self._session = self._values  # what a commit leaves: without what was set for the transaction alone
        self.is_in_transaction = False
        self._told: dict[str, str] = {}

    def start(self, name: str, value: str) -> None:
        """A value from the start-up message, which is also what RESET goes back to. Raises PgError."""
        self.set(name, value)
        self._defaults = self._values

    def set(self, name: str, value: str | None, *, local: bool = False) -> None:
        """value: None is the default. local: until the end of the transaction, if there is one. Raises PgError."""
        key = name.lower()
        checked = self._checked(key, name, value)
        self._values = _with(self._values, key, checked)
        if not local or not self.is_in_transaction:
            self._session = _with(self._session, key, checked)

    def reset_all(self) -> None:
        self._values = self._session = self._defaults

    def show(self, name: str) -> tuple[str, str]:
        """Name and value as they are shown. Raises PgError."""
        key = name.lower()
        value = self._values.get(key)
        if value is None:
            raise PgError(UNKNOWN_SETTING, f'unrecognized configuration parameter "{name}"')
        return (_KNOWN[key].name if key in _KNOWN else name), value

    def get(self, name: str) -> str:
        """The value of a known setting, by its name in lower case."""
        return self._values[name]

    @property
    def statement_timeout_ms(self) -> int | None:
        return _milliseconds(self._values["statement_timeout"]) or None

    def all(self) -> tuple[tuple[str, str], ...]:
        """Names and values as they are shown, in the order of the names."""
        return tuple(self.show(name) for name in sorted(self._values))

    def snapshot(self) -> Snapshot:
        """For `restore`, if a transaction or a part of one is undone."""
        return self._values, self._session

    def begin(self) -> None:
        self.is_in_transaction = True

    def commit(self) -> None:
        self._values = self._session
        self.is_in_transaction = False

    def restore(self, snapshot: Snapshot) -> None:
        self._values, self._session = snapshot

    def rollback(self, snapshot: Snapshot) -> None:
        """snapshot: of the beginning."""
        self.restore(snapshot)
        self.commit()

    def news(self) -> Iterable[tuple[str, str]]:
        """Reported settings whose values the client does not know yet, as they are shown; it does after this."""
        values = self._values
        if all(self._told.get(key) == values[key] for key in _REPORTED):
            return ()
        changed = [(key, values[key]) for key in _REPORTED if self._told.get(key) != values[key]]
        self._told.update(changed)
        return [(_KNOWN[key].name, value) for key, value in changed]

    def _checked(self, key: str, name: str, value: str | None) -> str | None:
        known = _KNOWN.get(key)
        if known is None:
            return self._unknown(key, name, value)
        if known.check is None:
            raise PgError(CANNOT_CHANGE, f'parameter "{known.name}" cannot be changed')
        if value is None:
            return self._defaults[key]
        if len(value) > self._limits.setting_size:
            raise PgError(LIMIT_EXCEEDED, f'the value of "{known.name}" is too long')
        if key == "timezone":
            found = self._find_timezone(value)
            if found is None:
                raise PgError(BAD_VALUE, f'invalid value for parameter "TimeZone": "{value}"')
            return found
        try:
            return known.check(value)
        except _ValueRefusedError as refused:
            message = f'invalid value for parameter "{known.name}": "{value}"'
            raise PgError(BAD_VALUE, message, hint=refused.hint) from refused

    def _unknown(self, key: str, name: str, value: str | None) -> str | None:
        """Drivers and pools set many names that only some servers know."""
        if key.startswith("datafusion."):
            raise PgError(NO_PRIVILEGE, f'permission denied to set parameter "{name}"')
        count = sum(each not in _KNOWN for each in self._values)
        if value is not None and (
            count >= self._limits.settings or len(value) + len(key) > self._limits.setting_size
        ):
            raise PgError(
                LIMIT_EXCEEDED, f'cannot keep parameter "{name}": there are too many or too long ones'
            )
        return value


def _with(values: dict[str, str], key: str, value: str | None) -> dict[str, str]:
    """A copy with another value, or with none."""
    rest = {name: each for name, each in values.items() if name != key}
    return rest if value is None else {**rest, key: value}
