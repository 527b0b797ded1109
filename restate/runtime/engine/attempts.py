"""Attempt tokens: which attempt may still speak for an invocation. Volatile: a restart ends all attempts."""

import attrs

from restate.runtime.model.ids import InvocationId


@attrs.define
class Attempts:
    """Tokens are changed and checked inside `apply`: an earlier check would let a stale effect pass when its attempt
    is ended by a record that lies before it in the same batch.
    """

    _current: dict[InvocationId, int] = attrs.field(factory=dict)
    _last: int = 0

    def start(self, invocation: InvocationId) -> int:
        """A fresh token; an older attempt of the invocation becomes stale."""
        self._last += 1
        self._current[invocation] = self._last
        return self._last

    def end(self, invocation: InvocationId) -> None:
        """Make the current attempt stale, if there is one."""
        self._current.pop(invocation, None)

    def token(self, invocation: InvocationId) -> int | None:
        """The current attempt's token."""
        return self._current.get(invocation)
