"""Durations as text: the friendly form (`1h 30m`, `2 hours 30 min`, `1.5s`) and ISO 8601 (`PT1.5S`, `P1D`).

Values are whole milliseconds, at least 0. Months and years are refused because their length is not fixed.
"""

import itertools
import re
from fractions import Fraction

MAX_DURATION_MS = 2**53
"""About 285,000 years; sums of a few durations still fit the 64 bits in which times are stored."""

_SECOND = 1000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY

_NAMES = (
    (Fraction(_WEEK), "w wk wks week weeks"),
    (Fraction(_DAY), "d day days"),
    (Fraction(_HOUR), "h hr hrs hour hours"),
    (Fraction(_MINUTE), "m min mins minute minutes"),
    (Fraction(_SECOND), "s sec secs second seconds"),
    (Fraction(1), "ms msec msecs milli millis millisecond milliseconds"),
    # Both code points that are read as micro: the micro sign, and what it becomes in lower case of the Greek letter.
    (Fraction(1, 1000), "us \u00b5s \u03bcs usec usecs micro micros microsecond microseconds"),
    (Fraction(1, 1_000_000), "ns nsec nsecs nano nanos nanosecond nanoseconds"),
)
_UNITS = {name: length for length, names in _NAMES for name in names.split()}

_NUMBER = r"[0-9]{1,20}(?:[.,][0-9]{1,9})?"
_FRIENDLY_PART = re.compile(rf"({_NUMBER})\s*([a-z\u00b5\u03bc]+)(?:\s*,\s+|\s*)")
_ISO = re.compile(
    r"P(?:(?P<w>N)W)?(?:(?P<d>N)D)?(?:T(?=[0-9])(?:(?P<h>N)H)?(?:(?P<m>N)M)?(?:(?P<s>N)S)?)?".replace(
        "N", _NUMBER
    ),
    re.IGNORECASE,
)
_LONGEST_TEXT = 500  # all units with room around each
_OUTPUT_UNITS = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m"), (_SECOND, "s"), (1, "ms"))


def parse_duration(text: str, *, weeks: bool = True) -> int:
    """Milliseconds of a duration; parts below one millisecond round up, so that only zero gives 0.

    weeks: whether the unit week may be used. Raises ValueError; its text says what was expected. A bare number other
    than 0 is refused: the unit would be a guess.
    """
    stripped = text.strip()
    if stripped == "0":
        return 0
    if len(stripped) > _LONGEST_TEXT:
        raise _refusal(text)
    parts = _iso_parts(stripped) if stripped[:1] in ("P", "p") else _friendly_parts(stripped)
    # The units must come in order, each once, and only the last may have a fraction: everything else is a slip.
    lengths = [_UNITS[unit] for _, unit in parts]
    in_order = all(left > right for left, right in itertools.pairwise(lengths))
    fraction_inside = any("." in number or "," in number for number, _ in parts[:-1])
    if not parts or not in_order or fraction_inside or (not weeks and lengths[0] > _DAY):
        raise _refusal(text)
    total = sum(Fraction(number.replace(",", ".")) * _UNITS[unit] for number, unit in parts)
    if total > MAX_DURATION_MS:
        raise ValueError(f"expected a duration of at most {MAX_DURATION_MS} ms, got '{text[:40]}'")
    return -(-total.numerator // total.denominator)


def format_duration(duration_ms: int) -> str:
    """The friendly form with days as largest unit: `1d 3h 46m 40s 1ms`, `500ms`, `0s`. Refuses negative values."""
    if duration_ms < 0:
        raise ValueError(f"expected a duration of at least 0 ms, got {duration_ms}")
    words = []
    rest = duration_ms
    for length_ms, unit in _OUTPUT_UNITS:
        count, rest = divmod(rest, length_ms)
        if count:
            words.append(f"{count}{unit}")
    return " ".join(words) or "0s"


def _iso_parts(text: str) -> list[tuple[str, str]]:
    match = _ISO.fullmatch(text)
    if match is None:
        raise _refusal(text)
    return [(number, unit) for unit, number in match.groupdict().items() if number is not None]


def _friendly_parts(text: str) -> list[tuple[str, str]]:
    parts = []
    position = 0
    lowered = text.lower()
    while position < len(lowered):
        match = _FRIENDLY_PART.match(lowered, position)
        if match is None or match[2] not in _UNITS:
            raise _refusal(text)
        parts.append((match[1], match[2]))
        position = match.end()
    return parts


def _refusal(text: str) -> ValueError:
    return ValueError(
        f"expected a duration such as '10s', '1m 30s' or 'PT1M30S' (no sign, months or years), got '{text[:40]}'"
    )
