"""The query parameters of calls and sends: `delay` and `limit-key` (ingress.md §3.4, §3.7)."""

import re
from urllib.parse import parse_qsl

from restate.runtime.ingress.errors import IngressError
from restate.runtime.model.duration import parse_duration

_CLOCK_FORM = re.compile(r"([0-9]{1,12}):([0-9]{1,12}):([0-9]{1,12}(?:[.,][0-9]{1,9})?)$")


def parameter(query: str, wanted: str) -> str | None:
    """The first value of a parameter; its name counts in any case."""
    if wanted not in query.lower() and "%" not in query:
        return None
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name.lower() == wanted:
            return value
    return None


def delay_ms(query: str) -> int | None:
    """Of `delay`; None without one. Raises IngressError 400."""
    text = parameter(query, "delay")
    if text is None:
        return None
    if text.isdecimal() and text.isascii() and len(text) <= 15:
        # Bare digits are the milliseconds that the Python SDK's client sends; an extension of ours.
        return int(text)
    try:
        # The last part may be written as `1:30:00`.
        return parse_duration(_CLOCK_FORM.sub(r"\1h \2m \3s", text.removeprefix("+")))
    except ValueError as error:
        raise bad_delay(str(error)) from error


def bad_delay(detail: str) -> IngressError:
    return IngressError(400, f"bad delay query parameter, must be a ISO8601 duration: {detail}")
