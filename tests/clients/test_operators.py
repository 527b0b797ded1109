"""The commands for operators beside a running server with a real service: doctor and backup."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.clients.conftest import INACTIVITY, Bed, make_server, start_program
from tests.support.caller import Caller
from tests.support.environments import ROOT
from tests.support.programs import Sdk
from tests.support.server import OurServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    folder = tmp_path_factory.mktemp("operators")
    program = start_program(Sdk.PYTHON, folder / "bed")
    server = make_server("ours", folder, INACTIVITY)
    try:
        with Caller(server) as caller:
            caller.register(program.uri)
            yield Bed(server, program, caller)
    finally:
        server.stop()
        program.stop()


def command(bed: Bed, *words: str) -> list[str]:
    return [sys.executable, "-m", "restate.runtime.main", "--base-dir", str(bed.server.base_dir), *words]


def run(bed: Bed, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command(bed, *words), capture_output=True, text=True, timeout=60, check=False, env=environment
    )


def copied(bed: Bed, folder: Path) -> OurServer:
    """A server that is to start from the backup in `folder`/data."""
    return OurServer(folder, bed.server.settings)


def test_the_doctor_finds_no_problem_beside_a_running_server(bed: Bed) -> None:
    done = run(bed, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"process {bed.server.process.pid} is running" in done.stdout
    assert f"at {bed.program.uri}" in done.stdout
    assert "not tried: the running server has them" in done.stdout


def test_the_doctor_tells_of_a_service_that_is_down_and_of_a_bad_setting(bed: Bed, tmp_path: Path) -> None:
    other = start_program(Sdk.PYTHON, tmp_path / "other")
    try:
        deployment = bed.caller.register(other.uri)["id"]
    finally:
        other.stop()
    done = run(bed, "doctor", "--set", f"net.client_ca_file={tmp_path / 'missing.pem'}")
    assert done.returncode == 1
    assert "problem  configuration" in done.stdout
    done = run(bed, "doctor")
    assert done.returncode == 1
    assert f"at {other.uri}" in done.stdout
    assert "-> start it, or remove it" in done.stdout
    assert bed.caller.admin("DELETE", f"/deployments/{deployment}?force=true").status == 202


def test_a_backup_of_a_working_server_starts_with_everything_that_was_acknowledged(
    bed: Bed, tmp_path: Path
) -> None:
    sent = [bed.caller.send(f"Counter/b{n}/slowAdd", {"n": 1, "ms": 1500}) for n in range(20)]
    assert bed.caller.call("Counter/kept/add", 7).ok() is not None
    folder = tmp_path / "restored"
    done = run(bed, "backup", str(folder / "data"))
    assert done.returncode == 0, done.stderr
    assert "start from them with --base-dir" in done.stdout
    server = copied(bed, folder)
    server.start()
    try:
        with Caller(server) as caller:
            assert caller.call("Counter/kept/get").ok() == 7
            for invocation in sent:
                assert caller.attach(invocation).status == 200
    finally:
        server.stop()


def test_a_backup_that_is_killed_is_complete_or_not_there(bed: Bed, tmp_path: Path) -> None:
    for place in range(8):
        target = tmp_path / f"copy{place}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        child = subprocess.Popen(
            command(bed, "backup", str(target)), env=environment, stdout=subprocess.DEVNULL
        )
        time.sleep(0.1 + place * 0.06)
        child.kill()
        child.wait()
        if not target.exists():
            continue
        check = subprocess.run(
            [sys.executable, "-m", "restate.runtime.main", "--base-dir", str(target), "doctor"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "all can be read" in check.stdout, check.stdout
