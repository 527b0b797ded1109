"""Where a command line is meant to show something else with our server than with the official one, and why."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.clients.command_line.scene import Observation


@attrs.frozen
class Difference:
    """In these steps, what matches `official` with the official server is what matches `ours` with our server.

    steps: patterns of names. ours: empty where our server shows nothing in its place.
    """

    steps: tuple[str, ...]
    official: str
    ours: str
    reason: str

    def concerns(self, step: str) -> bool:
        return any(re.fullmatch(pattern, step) for pattern in self.steps)


_NO_KEYS = (
    "The official server gives every call from outside an idempotency key of its own making. Ours stores the keys that "
    "callers send (engine.md, 2.3)."
)
_FORGOTTEN = "Our invoker forgets the attempts of an invocation when it is paused; what stays is the failure."
_LIBRARIES = "Why a deployment cannot be reached is told in the words of the libraries that found out."
_ADVICE = "Our errors say what to do about them."
_NO_ROW = "A malformed id in SQL is the id of no row (settled.md, 28)."
_MISTAKE = "A user's mistake is 400 (settled.md, 28)."
_ENGINE = f"{_MISTAKE} The words are those of another release of the query engine."
_WORDS = "The reason is told in words of our own."

_UNREACHABLE = Difference(
    ("-y deployments register http://127.0.0.1:1", "-y deployments register localhost:1"),
    r"(?<=META0003\] ).*",
    r"(?<=META0003\] ).*",
    _LIBRARIES,
)
_NO_TABLE = Difference(("sql SELECT a FROM nope",), "500 Internal Server Error", "400 Bad Request", _MISTAKE)

DIFFERENCES = (
    Difference(
        ("invocations list.*", "invocations describe .*", "services status .*", "--time-format .*"),
        r"\n *Idempotency key:  ULID|^ *Idempotency key:  ULID\n",
        "",
        _NO_KEYS,
    ),
    Difference(
        ("invocations list.*", "invocations describe <to pause>"),
        r"(?:(?<=paused\n  Deployment:  <dp v1> \[required\])|(?<=paused\n Deployment:  <dp v1> \[required\]))"
        r" using restate-sdk-python/1\.3\.0",
        "",
        _FORGOTTEN,
    ),
    _UNREACHABLE,
    Difference(
        ("-y subscriptions create kafka://kc/topic service://Greeter/nope",),
        r"(?<=specified in the sink URI\.)\n",
        r"(?<=specified in the sink URI\.) Sources look like .*\n",
        _ADVICE,
    ),
    Difference(
        ("deployments describe foo", "subscriptions describe sub_nope"),
        r"\(Protocol error\) expected value at line 1 column 1\n!   ├─ expected value at line 1 column 1",
        r"<UNKNOWN> Invalid URL: Cannot parse .*\n!   -> Http status code 400 Bad Request at .*",
        "Every refusal of our admin port is JSON (settled.md, 10). The official server answers a malformed id with plain "
        "text, which its command line cannot show.",
    ),
    Difference(
        ("invocations describe foo",),
        r"<UNKNOWN> Datafusion error: .*\n.* 500 .*",
        "Invocation foo not found!",
        _NO_ROW,
    ),
    Difference(
        ("sql SELECT nope FROM sys_invocation",),
        r"(?<=No field named nope\.) Valid fields are .*\n.* 500 Internal Server Error",
        r"(?<=No field named nope\.) .*\n.* 400 Bad Request",
        _ENGINE,
    ),
    _NO_TABLE,
    Difference(
        ("-y invocations restart-as-new <workflow>",),
        "Restarting the invocation '<workflow>' is not supported.*",
        "The invocation '<workflow>' cannot be restarted: .*",
        _WORDS,
    ),
)
"""Of the official command line."""

OWN_DIFFERENCES = (
    Difference(("invocations describe .*",), r"\nIdempotency key:  ULID", "", _NO_KEYS),
    Difference(
        ("invocations describe <to pause>",),
        r"\nSDK:  restate-sdk-python/1\.3\.0",
        "",
        _FORGOTTEN,
    ),
    _UNREACHABLE,
    Difference(
        ("-y subscriptions create kafka://kc/topic service://Greeter/nope",),
        r"(?<=specified in the sink URI\.) \(",
        r"(?<=specified in the sink URI\.) Sources look like .* \(",
        _ADVICE,
    ),
    Difference(
        ("invocations describe foo",),
        r"Datafusion error: .*",
        "the invocation foo does not exist",
        _NO_ROW,
    ),
    Difference(
        ("sql SELECT nope FROM sys_invocation",),
        r"(?<=No field named nope\.) Valid fields are .* \(500 Internal Server Error\)",
        r"(?<=No field named nope\.) .* \(400 Bad Request\)",
        _ENGINE,
    ),
    _NO_TABLE,
    Difference(
        ("-y invocations restart-as-new <workflow>",),
        r"Restarting the invocation '<workflow>' is not supported.*(?= \()",
        r"The invocation '<workflow>' cannot be restarted: .*(?= \()",
        _WORDS,
    ),
    Difference(
        (
            "-y rules set a//b --concurrency 1",
            "-y services config patch Cart --abort-timeout nonsense",
        ),
        r"(?<=into the target type: ).* at line 1 column \d+",
        r"(?<=into the target type: ).*(?= \()",
        "What is wrong with a body is told in the words of the library that reads it.",
    ),
)
"""Of our own command line."""


def compared(
    step: str, seen: Observation, differences: Sequence[Difference], *, ours: bool
) -> tuple[int, str]:
    """What is compared of an observation: the same for both servers where they differ as they are meant to."""
    text = "\n".join(seen["lines"])
    for difference in differences:
        if difference.concerns(step):
            text = _without(difference, text, ours=ours)
    return seen["status"], text


def missing(recorded: Mapping[str, Observation], differences: Sequence[Difference]) -> list[Difference]:
    """Those that no step of the official server shows any more."""
    found = set()
    for step, seen in recorded.items():
        text = "\n".join(seen["lines"])
        for difference in differences:
            if difference.concerns(step):
                before, text = text, _without(difference, text, ours=False)
                if text != before:
                    found.add(difference)
    return [difference for difference in differences if difference not in found]


def _without(difference: Difference, text: str, *, ours: bool) -> str:
    pattern = difference.ours if ours else difference.official
    mark = "..." if difference.ours else ""
    return re.sub(pattern, mark, text) if pattern else text


def assert_shown(
    step: str,
    server_kind: str,
    seen: Observation,
    recorded: Observation,
    differences: Sequence[Difference],
) -> None:
    """What a step has shown with a server of this kind is what was recorded, but for the differences listed."""
    expected = compared(step, recorded, differences, ours=False)
    found = compared(step, seen, differences, ours=server_kind == "ours")
    difference = difflib.unified_diff(
        expected[1].split("\n"), found[1].split("\n"), "expected", server_kind, lineterm="", n=1
    )
    assert found == expected, "\n".join(difference)
