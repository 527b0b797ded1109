"""Values of settings, beyond what the recorded exchanges show."""

from __future__ import annotations

import pytest

from restate.runtime.pgwire.errors import PgError
from restate.runtime.pgwire.limits import Limits
from restate.runtime.pgwire.settings import Settings

ZONES = {"utc": "UTC", "UTC": "UTC", "europe/berlin": "Europe/Berlin"}


@pytest.fixture
def settings() -> Settings:
    return Settings("joe", ZONES.get, Limits())


@pytest.mark.parametrize(
    ("value", "shown", "millis"),
    [
        ("0", "0", None),
        ("0s", "0", None),
        ("250", "250ms", 250),
        ("1500ms", "1500ms", 1500),
        ("5s", "5s", 5000),
        ("60 s", "1min", 60_000),
        ("90min", "90min", 5_400_000),
        ("2h", "2h", 7_200_000),
        ("1d", "1d", 86_400_000),
        ("5000us", "5ms", 5),
    ],
)
def test_durations_have_units(settings: Settings, value: str, shown: str, millis: int | None) -> None:
    settings.set("statement_timeout", value)
    assert settings.show("statement_timeout") == ("statement_timeout", shown)
    assert settings.statement_timeout_ms == millis


@pytest.mark.parametrize("value", ["UTF8", "utf-8", "'utf-8'", "unicode", "SQL_ASCII"])
def test_utf8_has_many_names(settings: Settings, value: str) -> None:
    settings.set("client_encoding", value)
    assert settings.get("client_encoding") == "UTF8"


@pytest.mark.parametrize("value", ["ISO", "iso, dmy", "ISO,YMD", "mdy"])
def test_rows_have_dates_in_one_style(settings: Settings, value: str) -> None:
    settings.set("datestyle", value)
    assert settings.show("datestyle") == ("DateStyle", "ISO, MDY")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DateStyle", "German"),
        ("IntervalStyle", "iso_8601"),
        ("bytea_output", "escape"),
        ("standard_conforming_strings", "off"),
        ("client_encoding", "LATIN1"),
        ("timezone", "Nowhere"),
        ("statement_timeout", "soon"),
        ("statement_timeout", "-1"),
    ],
)
def test_what_rows_would_not_follow_is_refused(settings: Settings, name: str, value: str) -> None:
    with pytest.raises(PgError, match="invalid value for parameter") as caught:
        settings.set(name, value)
    assert caught.value.sqlstate == "22023"


def test_what_the_server_is_stays_what_it_is(settings: Settings) -> None:
    settings.set("default_transaction_read_only", "off")
    assert settings.get("default_transaction_read_only") == "on"
    with pytest.raises(PgError, match='parameter "in_hot_standby" cannot be changed'):
        settings.set("in_hot_standby", "on")


def test_only_what_is_new_is_told(settings: Settings) -> None:
    assert len(list(settings.news())) == 13
    assert list(settings.news()) == []
    settings.set("TIMEZONE", "europe/berlin")
    settings.set("statement_timeout", "5s")
    assert list(settings.news()) == [("TimeZone", "Europe/Berlin")]
    settings.set("timezone", "UTC")
    settings.set("timezone", "europe/berlin")
    assert list(settings.news()) == []


def test_all_are_listed_as_they_are_shown(settings: Settings) -> None:
    settings.set("a.b", "c")
    listed = dict(settings.all())
    assert listed["a.b"] == "c"
    assert listed["TimeZone"] == "UTC"
    assert listed["session_authorization"] == "joe"
    assert list(listed) == sorted(listed, key=str.lower)
