"""What a check found."""

from typing import Literal

import attrs

from restate.runtime.telemetry.log import without_passwords

Level = Literal["ok", "warning", "problem"]


@attrs.frozen
class Finding:
    """subject: what was looked at, in one or two words. text: what is so. hint: what to do, empty if nothing."""

    level: Level
    subject: str
    text: str
    hint: str = ""

    def line(self) -> str:
        """For a terminal, two lines at most."""
        first = f"{self.level:8} {self.subject:14} {without_passwords(self.text)}"
        return f"{first}\n{'':8} {'':14} -> {self.hint}" if self.hint else first
