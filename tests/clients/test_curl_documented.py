"""Every form of request that the documentations of Restate 0.8 and 1.x show, by the programs that they show it with."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.clients.conftest import INACTIVITY
from tests.clients.documented_lines import ANY, CLASSIC, MODERN, Line
from tests.support import environments, programs
from tests.support.caller import eventually
from tests.support.programs import Sdk, ServiceProgram
from tests.support.rpc_bed import RpcBed, running_rpc_bed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NAMES = Path(programs.__file__).parent / "services" / "names.mjs"


@pytest.fixture(scope="module")
def rpc_bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RpcBed]:
    """One of its own, because lines here make services private; with names that are no identifiers."""
    folder = tmp_path_factory.mktemp("documented")
    with running_rpc_bed(folder, INACTIVITY) as bed:
        program = ServiceProgram(Sdk.CLASSIC, folder / "names", script=_NAMES)
        try:
            bed.caller.register(program.uri)
            yield bed
        finally:
            program.stop()


@pytest.mark.parametrize("lines", [MODERN, CLASSIC], ids=["modern", "classic"])
def test_documented_lines(rpc_bed: RpcBed, lines: Sequence[Line]) -> None:
    saved: dict[str, str] = {}
    for line in lines:
        text = filled(line.text, rpc_bed, saved)
        status, body = run(text, rpc_bed)
        assert status == line.status, f"{text}: {status} {body}"
        if line.body is not ANY:
            assert (json.loads(body) if body else None) == line.body, text
        assert filled(line.has, rpc_bed, saved) in body, f"{text}: {body}"
        for name, field in line.saves:
            saved[name] = json.loads(body)[field]


def run(text: str, bed: RpcBed) -> tuple[int, str]:
    """Status and body of a line of curl; of grpcurl 200 for a success and 0 for a failure, and what it says."""
    places = {"localhost:8080": bed.server.ports["ingress"], "localhost:9070": bed.server.ports["admin"]}
    for place, port in places.items():
        text = text.replace(place, f"127.0.0.1:{port}")
    program, *arguments = shlex.split(text)
    if program == "grpcurl":
        done = subprocess.run(
            [str(environments.grpcurl()), *arguments], capture_output=True, text=True, timeout=30, check=False
        )
        return (200, done.stdout) if done.returncode == 0 else (0, done.stderr)
    options = ["--silent", "--show-error", "--noproxy", "*", "--write-out", "\n%{http_code}"]
    done = subprocess.run(
        [environments.curl(), *options, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, f"{text}: {done.stderr}"
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def filled(text: str, bed: RpcBed, saved: dict[str, str]) -> str:
    """With the ids that earlier answers gave."""
    text = re.sub(r"\{(\w+)\}", lambda found: saved[found[1]], text)
    return re.sub(r"\{awakeable:([\w-]+)\}", lambda found: announced(bed.folder, found[1]), text)


def announced(folder: Path, name: str) -> str:
    """The id of an awakeable, which a service has written into the folder of its bed."""

    def look() -> str:
        return "".join(path.read_text() for path in folder.glob(f"service-*/{name}.awakeable"))

    return eventually(look, what=f"the awakeable {name}")
