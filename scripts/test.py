"""Runs every check of the project in an environment it makes itself: python3 scripts/test.py [--no-skips] [SESSION...].

What needs a program that is not there is skipped by name and counted; with --no-skips, or CI=true, a skip is a failure.
The last line is `N passed, N failed, N skipped`. Standard library only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import environment

SESSIONS = ("lint", "types", "protos", "tests", "package", "clients")
PYTEST_SESSIONS = {"tests", "package", "clients"}
REPORTS = environment.ROOT / ".cache" / "test-reports"


class Tally:
    """Names of what failed and was skipped, and how many passed."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []
        self.skipped: list[str] = []

    def add_session(self, name: str, ok: bool) -> None:
        """Count a session that has no tests inside."""
        if ok:
            self.passed += 1
        else:
            self.failed.append(f"session {name}")

    def add_report(self, name: str, report: Path, ok: bool) -> None:
        """Count the tests of a pytest session; one that ended badly without a failed test counts as a failure."""
        failed_before = len(self.failed)
        if report.exists():
            for case in ElementTree.parse(report).iter("testcase"):
                self._add_case(name, case)
        if not ok and len(self.failed) == failed_before:
            self.failed.append(f"session {name}")

    def _add_case(self, session: str, case: ElementTree.Element) -> None:
        title = f"{session}: {case.get('classname')}::{case.get('name')}"
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            self.failed.append(title)
        elif skip is not None:
            self.skipped.append(f"{title}: {skip.get('message')}")
        else:
            self.passed += 1

    def forbid_skips(self) -> None:
        """Turn skips into failures."""
        self.failed += [f"skipped, though nothing may be: {title}" for title in self.skipped]
        self.skipped = []


def main() -> int:
    """Run the sessions; 0 if nothing failed and something passed."""
    environment.require_python()
    arguments = sys.argv[1:]
    no_skips = "--no-skips" in arguments or os.environ.get("CI") == "true"
    sessions = [argument for argument in arguments if argument != "--no-skips"] or list(SESSIONS)
    unknown = [session for session in sessions if session not in SESSIONS]
    if unknown:
        print(f"expected sessions out of {', '.join(SESSIONS)}, got {', '.join(unknown)}", file=sys.stderr)
        return 2

    python = environment.prepare(environment.PROJECT, "requirements-dev.lock")
    REPORTS.mkdir(parents=True, exist_ok=True)
    tally = Tally()
    for session in sessions:
        _run_session(python, session, tally)
    if no_skips:
        tally.forbid_skips()

    for title in tally.skipped:
        print(f"skipped  {title}")
    for title in tally.failed:
        print(f"failed   {title}")
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped", flush=True)
    return 1 if tally.failed or not tally.passed else 0


def _run_session(python: Path, session: str, tally: Tally) -> None:
    command = [str(python), "-m", "nox", "--session", session, "--no-error-on-missing-interpreters"]
    report = REPORTS / f"{session}.xml"
    report.unlink(missing_ok=True)
    if session in PYTEST_SESSIONS:
        command += ["--", "-q", f"--junitxml={report}"]
    print(f"== {session}", flush=True)
    started = time.monotonic()
    ok = subprocess.run(command, cwd=environment.ROOT, check=False).returncode == 0
    print(f"== {session}: {'ok' if ok else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
    if session in PYTEST_SESSIONS:
        tally.add_report(session, report, ok)
    else:
        tally.add_session(session, ok)


if __name__ == "__main__":
    sys.exit(main())
