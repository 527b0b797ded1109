"""Fixtures of the command line's tests."""

from collections.abc import Iterator

import pytest

from tests.cli.fake_admin import FakeAdmin


@pytest.fixture
def admin() -> Iterator[FakeAdmin]:
    with FakeAdmin() as fake:
        yield fake
