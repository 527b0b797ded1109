"""When does a suspended invocation have something to do? Evaluation of its awaiting tree (engine.md §5.4)."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TypeVar

import attrs

from restate.runtime.model.invocation import Awaiting, Combinator

KeyT = TypeVar("KeyT", int, str)
Lookup = Callable[[bool, int | str], tuple[int, bool | None] | None]
"""(is_signal, key) → (first journal index, True success, False failure, None unknown), or None if not there."""


class Standing(Enum):
    """How far a node has come.

    UNKNOWN: it is done, but whether well is not known. UNDECIDABLE: that mattered, so the SDK has to decide.
    """

    OPEN = "open"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNDECIDABLE = "undecidable"


@attrs.frozen
class _Settled:
    """place: journal index of what decided it, so that the earliest of several wins; -1 if nothing particular."""

    standing: Standing
    place: int = -1


_OPEN = _Settled(Standing.OPEN)


def remaining(awaiting: Awaiting, lookup: Lookup) -> Awaiting | None:
    """The tree without what is there already; None if it has resolved, so that the invocation must go on."""
    settled, rest = _evaluate(awaiting, lookup)
    return rest if settled.standing is Standing.OPEN else None


def _evaluate(node: Awaiting, lookup: Lookup) -> tuple[_Settled, Awaiting]:
    """The node's standing, and what of it is still open. Depth is bounded by that of a decoded message (100)."""
    children: list[_Settled] = []
    completions = _open_keys(node.completions, False, lookup, children)
    signals = _open_keys(node.signals, True, lookup, children)
    named_signals = _open_keys(node.named_signals, True, lookup, children)
    nested = []
    for child in node.nested:
        settled, rest = _evaluate(child, lookup)
        children.append(settled)
        if settled.standing is Standing.OPEN:
            nested.append(rest)
    left = Awaiting(node.combinator, completions, signals, named_signals, tuple(nested))
    return _combine(node.combinator, children), left


def _open_keys(
    keys: tuple[KeyT, ...], is_signal: bool, lookup: Lookup, children: list[_Settled]
) -> tuple[KeyT, ...]:
    """Adds the standing of each key to `children`; gives those that are open."""
    still_open = []
    for key in keys:
        found = lookup(is_signal, key)
        if found is None:
            still_open.append(key)
            children.append(_OPEN)
        else:
            place, succeeded = found
            children.append(_Settled(_STANDING[succeeded], place))
    return tuple(still_open)


_STANDING = {True: Standing.SUCCEEDED, False: Standing.FAILED, None: Standing.UNKNOWN}


def _combine(combinator: Combinator, children: Sequence[_Settled]) -> _Settled:
    """A child that cannot be decided makes this one so, unless this one was over before."""
    undecidable = [child for child in children if child.standing is Standing.UNDECIDABLE]
    if not undecidable:
        return _outcome(combinator, children)
    earliest = min(undecidable, key=lambda child: child.place)
    settled = _outcome(combinator, [_OPEN if child in undecidable else child for child in children])
    over_before = settled.standing is not Standing.OPEN and settled.place < earliest.place
    return settled if over_before else earliest


def _outcome(combinator: Combinator, children: Sequence[_Settled]) -> _Settled:
    done = [child for child in children if child.standing is not Standing.OPEN]
    first = min(done, key=lambda child: child.place, default=_OPEN)
    match combinator:
        case Combinator.UNKNOWN:
            return _Settled(Standing.UNKNOWN, first.place) if done else _OPEN
        case Combinator.FIRST_COMPLETED:
            return first
        case Combinator.ALL_COMPLETED:
            return _OPEN if len(done) < len(children) else _Settled(Standing.SUCCEEDED, _last(done))
        case Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED:
            return _race(children, done, decisive=Standing.SUCCEEDED, otherwise=Standing.FAILED)
        case Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED:
            return _race(children, done, decisive=Standing.FAILED, otherwise=Standing.SUCCEEDED)


def _race(
    children: Sequence[_Settled], done: list[_Settled], *, decisive: Standing, otherwise: Standing
) -> _Settled:
    """One decisive child is enough; else all must be done, and all are otherwise.

    A child that may have been decisive matters only if none was before it.
    """
    deciding = [child for child in done if child.standing in (decisive, Standing.UNKNOWN)]
    if not deciding:
        return _OPEN if len(done) < len(children) else _Settled(otherwise, _last(done))
    place = min(child.place for child in deciding)
    known = all(child.standing is decisive for child in deciding if child.place == place)
    return _Settled(decisive if known else Standing.UNDECIDABLE, place)


def _last(done: list[_Settled]) -> int:
    return max((child.place for child in done), default=-1)
