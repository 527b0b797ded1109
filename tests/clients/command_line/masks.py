"""Takes from a command line's output what differs from run to run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_UNIT = r"(?:nanoseconds?|microseconds?|milliseconds?|seconds?|minutes?|hours?|days?|ns|µs|us|ms|s|m|h|d)"
_SPAN = rf"\d+(?:\.\d+)? ?{_UNIT}\b(?:(?:,| and|) \d+ ?{_UNIT}\b)*"

_MASKS = (
    # A trace has the paths of the machine and the lines of the SDK.
    (
        re.compile(r"Traceback \(most recent call last\):.*?(?=\n\s*\w+(?:Error|Exception): )", re.DOTALL),
        "TRACE",
    ),
    (re.compile(r"\b(inv|sub|dp|sign|prom)_1[0-9A-Za-z_-]{20,60}"), r"\1_*"),
    (re.compile(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b"), "ULID"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? (?:\+00:00|UTC)"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)"), "TIME"),
    (re.compile(r"[A-Z][a-z]{2} \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+00:00"), "TIME"),
    (re.compile(rf"\b(?:now|{_SPAN}) ago\b"), "SPAN ago"),
    (re.compile(r"(?<=  )now(?=  |$)|(?<=\()now(?=\)$)", re.MULTILINE), "SPAN ago"),
    (re.compile(rf"(?<=took ){_SPAN}"), "SPAN"),
    (re.compile(rf"(?<=in ){_SPAN}"), "SPAN"),
    (re.compile(rf"(?<=\(){_SPAN}"), "SPAN"),
)


def lines(text: str, known: Mapping[str, str]) -> list[str]:
    """The lines that have any text, columns two blanks apart. known: {id or URL: what stands for it}."""
    for value in sorted(known, key=len, reverse=True):
        text = text.replace(value, known[value])
    for pattern, replacement in _MASKS:
        text = pattern.sub(replacement, text)
    spaced = (re.sub(r" {2,}", "  ", line.rstrip()) for line in text.splitlines())
    return [line for line in spaced if line and not set(line) <= set("―─┌└")]


def cells(lines: Iterable[str]) -> list[str]:
    """The cells of tables, for those whose rows come in any order."""
    return [cell for line in lines for cell in line.strip().split("  ")]
