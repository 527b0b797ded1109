"""Points in time and distances between them, as people read them."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

TimeFormat = Literal["human", "iso8601", "rfc2822"]

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def parse(text: str) -> datetime:
    """An RFC 3339 timestamp, of which the server gives three, nine or no digits after the second. ValueError."""
    return datetime.fromisoformat(text).astimezone(UTC)


def moment(text: str, now: datetime, form: TimeFormat) -> str:
    """The point itself, with its distance from now where people read it. As it came if it is none that Python knows."""
    try:
        point = parse(text)
    except ValueError:
        return text
    match form:
        case "iso8601":
            return point.isoformat(timespec="milliseconds")
        case "rfc2822":
            return format_datetime(point)
        case "human":
            return f"{point:%Y-%m-%d %H:%M:%S} UTC ({distance(point, now)})"


def age(text: str, now: datetime, form: TimeFormat) -> str:
    """The distance from now alone; scripts' formats have the point itself."""
    if form != "human":
        return moment(text, now, form)
    try:
        return distance(parse(text), now)
    except ValueError:
        return text


def distance(point: datetime, now: datetime) -> str:
    """`3m 20s ago`, `in 2h`, `now` for less than a second."""
    gap = point - now
    if abs(gap) < timedelta(seconds=1):
        return "now"
    text = span(abs(gap))
    return f"in {text}" if gap > timedelta() else f"{text} ago"


def span(gap: timedelta) -> str:
    """The two largest units of a distance that is not negative."""
    rest = int(gap.total_seconds())
    parts: list[str] = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count}{unit}")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if not part.startswith("0")) or "0s"
