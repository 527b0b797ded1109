"""Awaiting trees: the reduced tree that is stored must resolve exactly when the whole one would."""

from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.engine.awaiting import Lookup, remaining
from restate.runtime.model.invocation import Awaiting, Combinator

C = Combinator
Known = dict[tuple[bool, int | str], tuple[int, bool | None]]


def _lookup(known: Known) -> Lookup:
    return lambda is_signal, key: known.get((is_signal, key))


def awaiting(combinator: Combinator, *completions: int, nested: tuple[Awaiting, ...] = ()) -> Awaiting:
    return Awaiting(combinator, completions, (), (), nested)


def after(tree: Awaiting, *notifications: tuple[int, bool | None]) -> Awaiting | None:
    """What remains after completions (id, how) in this order."""
    known: Known = {}
    rest: Awaiting | None = remaining(tree, _lookup(known))
    for place, (key, succeeded) in enumerate(notifications):
        if rest is None:
            return None
        known[False, key] = (place, succeeded)
        rest = remaining(rest, _lookup(known))
    return rest


def test_a_flat_list_resolves_with_any_member() -> None:
    tree = Awaiting(C.UNKNOWN, (1, 2), (1,), ("go",))
    assert remaining(tree, lambda is_signal, key: None) == tree
    leaves: list[tuple[bool, int | str]] = [(False, 2), (True, 1), (True, "go")]
    for leaf in leaves:
        assert remaining(tree, _lookup({leaf: (0, True)})) is None


def test_a_signal_is_not_a_completion_of_the_same_number() -> None:
    tree = awaiting(C.FIRST_COMPLETED, 17)
    assert remaining(tree, lambda is_signal, key: (0, True) if is_signal else None) == tree


def test_all_completed_waits_for_the_last_and_forgets_the_others() -> None:
    tree = awaiting(C.ALL_COMPLETED, 1, 2, 3)
    assert after(tree, (2, True), (1, False)) == awaiting(C.ALL_COMPLETED, 3)
    assert after(tree, (2, True), (1, False), (3, True)) is None


def test_a_race_for_success_ends_with_one_success_or_all_failures() -> None:
    tree = awaiting(C.FIRST_SUCCEEDED_OR_ALL_FAILED, 1, 2)
    assert after(tree, (1, False)) == awaiting(C.FIRST_SUCCEEDED_OR_ALL_FAILED, 2)
    assert after(tree, (1, True)) is None
    assert after(tree, (1, False), (2, False)) is None


def test_all_must_succeed_or_one_fails() -> None:
    tree = awaiting(C.ALL_SUCCEEDED_OR_FIRST_FAILED, 1, 2)
    assert after(tree, (1, True)) == awaiting(C.ALL_SUCCEEDED_OR_FIRST_FAILED, 2)
    assert after(tree, (1, False)) is None


def test_a_result_that_is_neither_makes_the_sdk_decide() -> None:
    for combinator in (C.FIRST_SUCCEEDED_OR_ALL_FAILED, C.ALL_SUCCEEDED_OR_FIRST_FAILED):
        inner = awaiting(combinator, 1, 2)
        assert after(awaiting(C.ALL_COMPLETED, 9, nested=(inner,)), (1, None)) is None
    assert after(awaiting(C.ALL_COMPLETED, 1, 2), (1, None)) == awaiting(C.ALL_COMPLETED, 2)


def test_a_result_that_is_neither_changes_nothing_about_a_race_that_is_over() -> None:
    # Both are there when the tree is looked at for the first time, as at a suspension.
    for combinator, decisive in (
        (C.FIRST_SUCCEEDED_OR_ALL_FAILED, True),
        (C.ALL_SUCCEEDED_OR_FIRST_FAILED, False),
    ):
        tree = awaiting(C.ALL_COMPLETED, 9, nested=(awaiting(combinator, 1, 2),))
        over: Known = {(False, 1): (0, decisive), (False, 2): (1, None)}
        assert remaining(tree, _lookup(over)) == awaiting(C.ALL_COMPLETED, 9)
        undecided: Known = {(False, 1): (1, decisive), (False, 2): (0, None)}
        assert remaining(tree, _lookup(undecided)) is None


def test_what_cannot_be_decided_matters_only_to_a_node_that_is_not_over() -> None:
    race = awaiting(C.FIRST_SUCCEEDED_OR_ALL_FAILED, 3)
    tree = awaiting(C.ALL_COMPLETED, 9, nested=(awaiting(C.FIRST_COMPLETED, 1, nested=(race,)),))
    assert after(tree, (3, None)) is None
    over: Known = {(False, 1): (0, True), (False, 3): (1, None)}
    assert remaining(tree, _lookup(over)) == awaiting(C.ALL_COMPLETED, 9)


def test_cancel_resolves_whatever_is_nested() -> None:
    inner = awaiting(C.ALL_COMPLETED, 1, 2)
    tree = Awaiting(C.FIRST_COMPLETED, (), (1,), (), (inner,))
    assert remaining(tree, lambda is_signal, key: (5, True) if is_signal else None) is None
    assert after(tree, (1, True)) == Awaiting(
        C.FIRST_COMPLETED, (), (1,), (), (awaiting(C.ALL_COMPLETED, 2),)
    )


def test_the_earliest_decides_between_two_that_are_done() -> None:
    # The inner race is over at place 0, with a failure; the outer one needs a success.
    inner = awaiting(C.FIRST_COMPLETED, 1, 2)
    tree = awaiting(C.FIRST_SUCCEEDED_OR_ALL_FAILED, 3, nested=(inner,))
    known: Known = {(False, 1): (0, False), (False, 2): (1, True)}
    assert remaining(tree, _lookup(known)) == awaiting(C.FIRST_SUCCEEDED_OR_ALL_FAILED, 3)


# A second implementation, over the whole tree and in the order of time, to compare with.


def _evaluate(node: Awaiting, history: list[tuple[int, bool | None]]) -> str:
    """How the node stands after the whole history, looked at after each notification."""
    for length in range(len(history) + 1):
        state = _snapshot(node, history[:length])
        if state != "open":
            return state
    return "open"


def _snapshot(node: Awaiting, so_far: list[tuple[int, bool | None]]) -> str:
    seen = dict(so_far)
    names = {True: "good", False: "bad", None: "any"}
    states = [names[seen[key]] if key in seen else "open" for key in node.completions]
    states += [_evaluate(child, so_far) for child in node.nested]
    if "stop" in states:
        return "stop"
    done = [state for state in states if state != "open"]
    everything = len(done) == len(states)
    match node.combinator:
        case C.UNKNOWN:
            return "any" if done else "open"
        case C.FIRST_COMPLETED:
            return done[0] if done else "open"
        case C.ALL_COMPLETED:
            return "good" if everything else "open"
    first_wins = node.combinator is C.FIRST_SUCCEEDED_OR_ALL_FAILED
    winner, loser = ("good", "bad") if first_wins else ("bad", "good")
    if "any" in done:
        return "stop"
    return winner if winner in done else loser if everything else "open"


def _trees() -> st.SearchStrategy[Awaiting]:
    def node(children: st.SearchStrategy[tuple[Awaiting, ...]]) -> st.SearchStrategy[Awaiting]:
        leaves = st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True).map(tuple)
        return st.builds(
            lambda combinator, completions, nested: Awaiting(combinator, completions, (), (), nested),
            st.sampled_from(Combinator),
            leaves,
            children,
        )

    return st.recursive(
        node(st.just(())), lambda inner: node(st.lists(inner, max_size=2).map(tuple)), max_leaves=4
    )


@given(
    _trees(),
    st.permutations(range(1, 7)),
    st.lists(st.sampled_from((True, False, None)), min_size=6, max_size=6),
    st.integers(0, 6),
)
def test_the_reduced_tree_resolves_when_the_whole_one_does(
    tree: Awaiting, order: list[int], results: list[bool | None], suspended_at: int
) -> None:
    history = list(zip(order, results, strict=True))
    known: Known = {}
    rest: Awaiting | None = tree
    for place in range(len(history) + 1):
        if place:
            key, succeeded = history[place - 1]
            known[False, key] = (place, succeeded)
        if place >= suspended_at and rest is not None:
            rest = remaining(rest, _lookup(known))
            resolved = _evaluate(tree, history[:place]) != "open"
            assert (rest is None) == resolved
