import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.model.duration import MAX_DURATION_MS, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("0", 0),
        ("0s", 0),
        ("10s", 10_000),
        ("1m 30s", 90_000),
        ("2h30m", 9_000_000),
        ("1 hour 30m", 5_400_000),
        ("1 hour, 30 minutes", 5_400_000),
        ("1.5s", 1_500),
        ("1w", 604_800_000),
        ("90s", 90_000),
        ("60ms", 60),
        ("1d 3h 46m 40s 1ms", 100_000_001),
        ("PT1S", 1_000),
        ("pt1.5s", 1_500),
        ("P1D", 86_400_000),
        ("P1DT2H3M4S", 93_784_000),
        ("P2W", 1_209_600_000),
        ("  5s ", 5_000),
    ],
)
def test_friendly_and_iso_durations_are_read(text: str, expected_ms: int) -> None:
    assert parse_duration(text) == expected_ms


@pytest.mark.parametrize(
    "text",
    ["", " ", "5", "100", "-5s", "+5s", "5s ago", "1mo", "1y", "P1M", "P1Y", "PT", "P", "-PT1S", "PT-1S",
     "s", "5 parsecs", "30s 1m", "1s 1s", "1.5m 3s", "1..5s", "\u0665s", "P1H", "1s\n2", "ten seconds"],
)  # fmt: skip
def test_what_is_no_positive_fixed_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


def test_parts_below_a_millisecond_round_up() -> None:
    assert parse_duration("1us") == 1
    assert parse_duration("1.5ms") == 2
    assert parse_duration("0.0s") == 0


def test_weeks_can_be_refused() -> None:
    assert parse_duration("7d", weeks=False) == 604_800_000
    for text in ("1w", "P1W"):
        with pytest.raises(ValueError, match="expected a duration"):
            parse_duration(text, weeks=False)


def test_a_text_that_is_too_long_for_a_duration_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="expected a duration such as"):
        parse_duration("1s" * 300_000)


def test_a_duration_beyond_the_maximum_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        parse_duration("99999999999999999999d")


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [(0, "0s"), (500, "500ms"), (5_400_000, "1h 30m"), (100_000_001, "1d 3h 46m 40s 1ms"), (60_000, "1m")],
)
def test_durations_are_printed_with_days_as_largest_unit(duration_ms: int, text: str) -> None:
    assert format_duration(duration_ms) == text


def test_a_negative_duration_is_not_printed() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        format_duration(-1)


@given(st.integers(0, MAX_DURATION_MS))
def test_what_is_printed_is_read_back(duration_ms: int) -> None:
    assert parse_duration(format_duration(duration_ms)) == duration_ms


@given(st.text(max_size=30))
def test_any_text_gives_a_value_or_a_value_error(text: str) -> None:
    try:
        value = parse_duration(text)
    except ValueError:
        return
    assert 0 <= value <= MAX_DURATION_MS
