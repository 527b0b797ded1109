"""Time zones by the names that Postgres clients send."""

import re
import zoneinfo

_OFFSET = re.compile(
    r"(?P<name>[A-Za-z]{3,}|<[^>]{1,10}>)?(?P<sign>[+-]?)(?P<hours>\d{1,2})(?::?00)?(?:\.0)?"
)
_ANYWHERE_UTC = frozenset(("utc", "gmt", "z", "zulu", "utc0", "gmt0"))


def find_timezone(name: str) -> str | None:
    """The name in the system's database of what a client called a time zone; None if there is none.

    Knows names, and whole hours: `+2`, `-05:00` (east is positive), `GMT-2`, `<+02>-02` (as POSIX has it, west is).
    """
    name = name.strip()
    if name.lower() in _ANYWHERE_UTC:
        return "UTC"
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        return _at_offset(offset)
    # To Postgres the case does not matter; to the system's files it does, and these are the ways they are written.
    return next((each for each in (name, name.title(), name.upper()) if _is_known(each)), None)


def _is_known(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _at_offset(offset: re.Match[str]) -> str | None:
    hours = int(offset["hours"])
    if hours == 0:
        return "UTC"
    is_west = (offset["sign"] == "-") != (offset["name"] is not None)
    # The names of this family have the signs of POSIX, and end at 12 hours west and 14 hours east.
    return f"Etc/GMT{'+' if is_west else '-'}{hours}" if hours <= (12 if is_west else 14) else None
