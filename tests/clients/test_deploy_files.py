"""The files that a reader deploys the server with pass the linters of their formats; no container engine runs here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from restate.runtime.config import load
from restate.runtime.service_manager import PORT_NAMES
from tests.support import environments
from tests.support.server import OurServer, Settings

pytestmark = pytest.mark.clients

DEPLOY = environments.ROOT / "scripts" / "deploy"


def lint(*command: str | Path) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).strip() == ""


def test_the_dockerfile_has_no_finding() -> None:
    lint(environments.dockerfile_linter(), DEPLOY / "Dockerfile")


def test_the_compose_file_has_no_finding() -> None:
    lint(environments.compose_linter(), DEPLOY / "compose.yaml")


def test_a_faulty_file_has_one(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text((DEPLOY / "compose.yaml").read_text().replace("ports:", "prots:"))
    with pytest.raises(AssertionError, match="must NOT have additional properties"):
        lint(environments.compose_linter(), tmp_path / "compose.yaml")


def test_the_files_that_the_dockerfile_copies_exist() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = [
        word
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert copied
    assert [word for word in copied if not (environments.ROOT / word).exists()] == []


def test_the_variables_of_the_dockerfile_are_settings(tmp_path: Path) -> None:
    line = next(line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if line.startswith("ENV "))
    variables = dict(word.split("=", 1) for word in line.split()[1:] if word.startswith("RESTATE_"))
    config = load({}, variables, tmp_path)
    assert (str(config.base_dir), config.ingress.bind_address.ip) == ("/data", "0.0.0.0")


@pytest.mark.parametrize("name", ["restate-server.service", "restate-server.socket"])
def test_systemd_accepts_the_unit(name: str, tmp_path: Path) -> None:
    verifier = shutil.which("systemd-analyze")
    if verifier is None:
        raise environments.MissingToolError("systemd-analyze is not installed")
    for unit in DEPLOY.glob("restate-server.*"):
        text = unit.read_text().replace("/opt/restate/bin/restate-server", sys.executable)
        (tmp_path / unit.name).write_text(text)
    lint(verifier, "verify", tmp_path / name)


def test_the_socket_has_a_name_that_the_server_knows() -> None:
    text = (DEPLOY / "restate-server.socket").read_text()
    name = next(
        line.partition("=")[2] for line in text.splitlines() if line.startswith("FileDescriptorName=")
    )
    assert name in PORT_NAMES


@pytest.mark.parametrize(("token", "healthy"), [("secret", True), ("wrong", False)])
def test_the_health_check_of_the_container_knows_the_token(tmp_path: Path, token: str, healthy: bool) -> None:
    server = OurServer(tmp_path, Settings(variables={"RESTATE_NODE_CTRL__TOKEN": "secret"}))
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", "")
    (line,) = (line for line in text.splitlines() if line.startswith("HEALTHCHECK"))
    server.start()
    try:
        _, code, program = json.loads(line.partition("CMD")[2])
        program = program.replace(":5122/", f":{server.ports['node_ctrl']}/")
        environment = {**os.environ, "RESTATE_NODE_CTRL__TOKEN": token}
        done = subprocess.run(
            [sys.executable, code, program], env=environment, capture_output=True, check=False, timeout=20
        )
    finally:
        server.stop()
    assert (done.returncode == 0) == healthy, done.stderr
