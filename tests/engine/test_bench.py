"""The parts of `scripts/bench_engine.py` whose bounds do not depend on the machine."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_scheduled_invocations_start_in_order_with_few_timers_in_memory() -> None:
    command = [sys.executable, "scripts/bench_engine.py", "--parts", "timers", "--timers", "3000"]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3,000 scheduled" in done.stdout
    assert "in order" in done.stdout
    assert "timers in memory: 1,024.00 timers, bound 1,024.00: kept" in done.stdout
