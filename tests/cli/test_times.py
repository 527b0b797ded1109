"""Points in time and distances."""

from datetime import UTC, datetime, timedelta

import pytest

from restate.runtime.cli.times import TimeFormat, age, distance, moment, span

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (61, "1m 1s"),
        (3600, "1h"),
        (3601, "1h"),
        (3661, "1h 1m"),
        (86_400 * 3 + 3600, "3d 1h"),
        (86_400 * 400, "400d"),
    ],
)
def test_a_distance_has_its_two_largest_units(seconds: int, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text


def test_past_and_future_are_told_apart() -> None:
    assert distance(NOW - timedelta(seconds=5), NOW) == "5s ago"
    assert distance(NOW + timedelta(minutes=5), NOW) == "in 5m"
    assert distance(NOW + timedelta(milliseconds=900), NOW) == "now"


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("human", "2026-11-25 11:59:00 UTC (1m ago)"),
        ("iso8601", "2026-11-25T11:59:00.123+00:00"),
        ("rfc2822", "Wed, 25 Nov 2026 11:59:00 +0000"),
    ],
)
def test_a_point_in_time_has_three_forms(form: TimeFormat, shown: str) -> None:
    now = datetime(2026, 11, 25, 12, 0, 0, 123_000, tzinfo=UTC)
    assert moment("2026-11-25T11:59:00.123000000Z", now, form) == shown
    assert age("2026-11-25T11:59:00.123Z", now, form) == ("1m ago" if form == "human" else shown)


def test_other_zones_are_shown_in_utc() -> None:
    assert moment("2026-11-25T13:00:00+02:00", NOW, "human") == "2026-11-25 11:00:00 UTC (1h ago)"


@pytest.mark.parametrize("form", ["human", "iso8601", "rfc2822"])
def test_what_is_no_point_in_time_is_shown_as_it_came(form: TimeFormat) -> None:
    for text in ("+10000-01-01T00:00:00Z", "soon"):
        assert (moment(text, NOW, form), age(text, NOW, form)) == (text, text)
