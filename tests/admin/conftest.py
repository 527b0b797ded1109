"""What makes the applications of these tests quick to build: there is one for nearly each test."""

from collections.abc import Iterator
from typing import NoReturn

import pytest
from werkzeug.routing.rules import Rule


def _builds_nothing(*_: object) -> NoReturn:
    raise AssertionError("the admin application reads URLs of its routes, and builds none")


@pytest.fixture(autouse=True, scope="package")
def _routes_without_builders() -> Iterator[None]:
    """Compiling what builds URLs from routes, which nobody asks for, takes five sixths of an application's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", lambda _rule, _unknown=True: _builds_nothing)
        yield
