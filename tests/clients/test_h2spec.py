"""h2spec, strict, against our listener."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from tests.support.environments import ROOT, h2spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.clients

KNOWN_FAILING = {
    ("http2/3.5", "Sends invalid connection preface"): (
        "the port speaks HTTP/1.1 as well, so that what is no preface is answered 400 in HTTP/1.1"
    ),
}
"""{(section, case): reason}."""

_PATIENCE = 60  # seconds
_FEWEST = 146  # cases


@pytest.fixture
def port() -> Iterator[int]:
    """Of a listener in a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.h2spec_server"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.communicate()


def test_every_case_but_the_known_ones_passes(port: int, tmp_path: Path) -> None:
    program = h2spec()
    report = tmp_path / "report.xml"
    options = ("--host", "127.0.0.1", "--port", str(port), "--strict", "--timeout", "2")
    done = subprocess.run(
        [str(program), *options, "--junit-report", str(report)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_PATIENCE,
    )
    cases = ET.parse(report).getroot().findall("testsuite/testcase")
    assert len(cases) >= _FEWEST, done.stdout[-2000:]
    failed = {
        (case.get("package"), case.get("classname"))
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    }
    assert failed == set(KNOWN_FAILING), done.stdout[-4000:]
