"""Where our server is meant to differ from the official one, and why.

`DIFFERENCES` are those that the scenarios show. Others, which need more than one server's answers to be seen:

- A suspension that names completions no command asks for fails the attempt with RT0012. The official server waits, for
  ever; an SDK that does this is at fault, and its author should learn of it.
- A command whose bytes do not decode fails the attempt with RT0012. The official server stores it and its partition
  cannot be started again.
- Purging a workflow answers handlers that still wait for one of its promises with 410. They would wait for ever, or take
  the answer of a later run of the same key.
- An End without any output is RT0012 and is retried. The official server ends.
- Cancelling an invocation that waits for its key answers those who attach with 409 `canceled` while they wait; a later
  attach finds nothing, as with the official server.
- The batch operations use the texts of the single ones. One table of texts is easier to search for.
- Differences at the ingress are listed, with reasons, where they are tested: `tests/clients/test_ingress_differential.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from tests.clients.differential.play import Observation


@attrs.frozen
class Difference:
    """In these scenarios, what matches `official` in the official server's lines is `ours` in our server's."""

    scenarios: tuple[str, ...]
    official: str
    ours: str
    reason: str


DIFFERENCES = (
    Difference(
        ("attempts-used-up-kill", "attempts-used-up-kill-the-children"),
        r',"stacktrace":"\.\.\."',
        "",
        "The official server gives the stack trace of the last attempt to a caller who waits for the answer, and only "
        "to that one: it does not store it with the result. A trace is for the operator, who finds it in the log; "
        "callers from outside are not shown the inside of a service.",
    ),
    Difference(
        ("nothing-is-kept-without-retention",),
        r"(answer to output: ).*\n(invocation of call: ).*",
        r'\g<1>404 {"code":404,"message":"invocation not found","source":"ingress"}\n\g<2>gone',
        "The official server gives every call from outside an idempotency key of its own making, so the retention of "
        "idempotent invocations (24 h) holds for the result although the service has a journal retention of zero. Ours "
        "takes the service at its word (engine.md, 2.3 and 3.6).",
    ),
    Difference(
        ("cancel-a-caller-of-an-inboxed-one",),
        r"(  Command: SendSignal .*\n)",
        r'\g<1>  Notification: Call completion_id: 2 failure { code: 409 message: "canceled" }\n',
        "The caller cancels its call, which still waits for its object, and ends. With the official server the answer "
        "to the call comes after the end; ours is made in the same write as the signal (engine.md, 6.1).",
    ),
)


def expected_of_ours(scenario: str, official: Observation) -> Observation:
    """What our server is meant to show where the official one shows this. AssertionError if a difference is gone."""
    text = "\n".join(official)
    for difference in DIFFERENCES:
        if scenario in difference.scenarios:
            text, count = re.subn(difference.official, difference.ours, text)
            assert count, f"the official server's {scenario} does not show {difference.official}"
    return text.split("\n")
