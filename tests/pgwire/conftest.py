"""`--fuzz 20000` lets every property of these tests look at so many examples."""

from __future__ import annotations

import hypothesis
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz", type=int, default=0, help="examples for each property of tests/pgwire")


def pytest_configure(config: pytest.Config) -> None:
    examples = config.getoption("--fuzz", default=0)
    if examples:
        hypothesis.settings.register_profile("fuzz", max_examples=examples, deadline=None)
        hypothesis.settings.load_profile("fuzz")
