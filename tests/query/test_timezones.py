"""Names of time zones."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from restate.runtime.query.timezones import find_timezone


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York", "Etc/UTC", "Asia/Tokyo"])
def test_names_of_the_system_are_themselves(name: str) -> None:
    assert find_timezone(name) == name


@pytest.mark.parametrize(
    ("name", "zone"),
    [("europe/berlin", "Europe/Berlin"), ("AMERICA/NEW_YORK", "America/New_York"), ("cet", "CET")],
)
def test_the_case_does_not_matter(name: str, zone: str) -> None:
    assert find_timezone(name) == zone


@pytest.mark.parametrize("name", ["UTC", "utc", "GMT", "Z", "zulu", "0", "+0", "UTC0", "GMT+0", "+00:00"])
def test_utc_has_many_names(name: str) -> None:
    assert find_timezone(name) == "UTC"


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("2", 2),
        ("+2", 2),
        ("-5", -5),
        ("+02:00", 2),
        ("-0800", -8),
        ("14", 14),
        ("GMT-2", 2),
        ("UTC+3", -3),
        ("<+02>-02", 2),
    ],
)
def test_offsets_are_found_by_their_hours(name: str, hours: int) -> None:
    found = find_timezone(name)
    assert found is not None
    assert datetime(2026, 1, 1, tzinfo=ZoneInfo(found)).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Nowhere/Else",
        "../../etc/passwd",
        "/etc/localtime",
        "Europe",
        "+15",
        "-13",
        "+02:30",
        "a" * 5000,
        "x\0y",
    ],
)
def test_everything_else_is_unknown(name: str) -> None:
    assert find_timezone(name) is None
