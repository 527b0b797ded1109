"""The engine's rules cannot be broken unnoticed; `scripts/mutants.py` breaks all of them, here only a few."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_scripts import load

ROOT = Path(__file__).parent.parent


def test_each_mutant_stands_where_its_rule_is(monkeypatch: pytest.MonkeyPatch) -> None:
    mutants = load("mutants", monkeypatch).load()
    lost = [f"{mutant.name} ({mutant.file})" for mutant in mutants if not mutant.fits(ROOT)]
    assert not lost, "tests/mutants: move these to where their rule is now"
    assert len({mutant.name for mutant in mutants}) == len(mutants) >= 25


@pytest.mark.slow
def test_some_broken_rules_are_noticed() -> None:
    # The suite that this belongs to is the check that all is well without a mutant.
    command = [sys.executable, "scripts/mutants.py", "--random", "2", "--skip-check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("2 mutants, 0 survived, 0 lost\n")
