"""The list of scenarios; the modules beside this one fill it when they are imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.differential.play import Play


@attrs.frozen
class Scenario:
    """act: what is done. replayed: it is also played with services in request-response mode, where each wait is a
    suspension.
    """

    name: str
    act: Callable[[Play], None]
    replayed: bool


SCENARIOS: dict[str, Scenario] = {}


def scenario(*, replayed: bool = False) -> Callable[[Callable[[Play], None]], Callable[[Play], None]]:
    """Add a function to the scenarios, under its name."""

    def add(act: Callable[[Play], None]) -> Callable[[Play], None]:
        name = act.__name__.replace("_", "-")
        assert name not in SCENARIOS, f"two scenarios are called {name}"
        SCENARIOS[name] = Scenario(name, act, replayed)
        return act

    return add
