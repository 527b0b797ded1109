"""What has happened since the process has started, for metrics. Nothing depends on it, and it is not stored."""

import attrs

from restate.runtime.model.result import Failure, Outcome

OTHER = "other"
"""In place of the service once `most` pairs have been counted: handlers may call any name."""


@attrs.define
class Tally:
    """ended: {(service, outcome): invocations}; outcomes are succeeded, failed, cancelled, killed. most: such pairs."""

    most: int = 1000
    ended: dict[tuple[str, str], int] = attrs.field(factory=dict)

    def end(self, service: str, outcome: Outcome) -> None:
        key = (service, _name(outcome))
        if key in self.ended:
            self.ended[key] += 1
            return
        if len(self.ended) >= self.most:
            key = (OTHER, key[1])
        self.ended[key] = self.ended.get(key, 0) + 1

    def numbers(self) -> list[tuple[tuple[str, str], int]]:
        """((service, outcome), invocations); a copy."""
        return list(self.ended.items())


def _name(outcome: Outcome) -> str:
    if not isinstance(outcome, Failure):
        return "succeeded"
    # Of a cancel a handler makes what it likes; SDKs pass it on with its words, which they spell in both ways.
    return {"killed": "killed", "canceled": "cancelled", "cancelled": "cancelled"}.get(
        outcome.message.lower(), "failed"
    )
