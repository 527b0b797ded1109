"""Every scenario file holds what really happens. `REWRITE_SCENARIOS=1 pytest tests/scenarios` rewrites them: read the
difference like code.
"""

import os
from pathlib import Path

import pytest

from tests.scenarios.language import Scenario

FILES = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_scenario_happens_as_written(path: Path) -> None:
    expected = path.read_text()
    actual = Scenario().run(expected)
    if os.environ.get("REWRITE_SCENARIOS"):
        path.write_text(actual)
        return
    assert actual == expected
