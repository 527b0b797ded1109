"""Attempt tokens: which attempt may still speak for an invocation. Volatile: a restart ends all attempts."""

import attrs

from restate.runtime.model.ids import InvocationId


@attrs.define
class Attempts:
    """Tokens are changed and checked inside `apply`: an earlier check would let a stale effect pass when its attempt
    is ended by a record that lies before it in the same batch.
    """

    _current: dict[InvocationId, int] = attrs.field(factory=dict)
    _pausing: set[InvocationId] = attrs.field(factory=set)
    _last: int = 0

    def start(self, invocation: InvocationId) -> int:
        """A fresh token; an older attempt of the invocation becomes stale."""
        self._last += 1
        self._current[invocation] = self._last
        return self._last

    def end(self, invocation: InvocationId) -> None:
        """Make the current attempt stale, if there is one."""
        self._pausing.discard(invocation)
        self._current.pop(invocation, None)

    def pause(self, invocation: InvocationId) -> None:
        """From now on the current attempt's suspension is a pause. Kept here and not in the invoker, so that it holds
        for a suspension that is on its way when the operator asks.
        """
        self._pausing.add(invocation)

    def resume(self, invocation: InvocationId) -> bool:
        """Take `pause` back; whether there was something to take back."""
        if invocation not in self._pausing:
            return False
        self._pausing.remove(invocation)
        return True

    def is_pausing(self, invocation: InvocationId) -> bool:
        return invocation in self._pausing

    def token(self, invocation: InvocationId) -> int | None:
        """The current attempt's token."""
        return self._current.get(invocation)
