"""The wheel, and its life beside restate-sdk, which owns the import package `restate`.

Runs in the package session: it builds the wheel and fills environments, which needs a package registry.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from restate.runtime import __version__

pytestmark = pytest.mark.package

ROOT = Path(__file__).parent.parent
UV = Path(sys.executable).with_name("uv")
SDK = ["--requirement", str(ROOT / "requirements-sdk.lock")]
ORDERS = ("ours-first", "sdk-first")


def run(*command: object, cwd: Path) -> str:
    """Output of a command that must succeed. cwd: outside of the tree, which would hide what is installed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def clean_environment() -> dict[str, str]:
    dropped = ("PYTHONPATH", "VIRTUAL_ENV")
    return {
        name: text
        for name, text in os.environ.items()
        if name not in dropped and not name.startswith("RESTATE_")
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy, so that leftovers of earlier builds cannot get in and nothing is left in the tree.
    tree = folder / "tree"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "restate", tree / "restate", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    run(UV, "build", "--wheel", "--quiet", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, tree,
        cwd=folder)  # fmt: skip
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module", params=ORDERS)
def python(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that both were installed into, one after the other."""
    folder = tmp_path_factory.mktemp(request.param)
    environment = folder / "environment"
    run(UV, "venv", "--quiet", "--python", sys.executable, environment, cwd=folder)
    interpreter = environment / "bin" / "python"
    install = [UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", interpreter]
    ours = [*install, "--constraint", ROOT / "requirements.lock", wheel]
    theirs = [*install, *SDK]
    for command in (ours, theirs) if request.param == "ours-first" else (theirs, ours):
        run(*command, cwd=folder)
    return interpreter


def test_the_wheel_holds_only_our_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    outside = [
        n
        for n in names
        if not n.startswith(("restate/runtime/", f"restate_runtime-{__version__}.dist-info/"))
    ]
    assert outside == []
    assert "restate/runtime/py.typed" in names
    assert f"restate_runtime-{__version__}.dist-info/licenses/LICENSE" in names


def test_the_wheel_has_the_version_that_the_server_reports(wheel: Path) -> None:
    assert wheel.name.startswith(f"restate_runtime-{__version__}-")


def test_both_are_imported_and_their_requirements_agree(python: Path, tmp_path: Path) -> None:
    lines = run(
        python, "-W", "error", "-c",
        "import restate, restate.runtime.errors\n"
        "print(restate.__file__)\nprint(restate.runtime.__file__)\nprint(restate.app([restate.Service('S')]))",
        cwd=tmp_path,
    ).splitlines()  # fmt: skip
    assert lines[0].endswith("restate/__init__.py")
    assert lines[1].endswith("restate/runtime/__init__.py")
    run(UV, "pip", "check", "--quiet", "--python", python, cwd=tmp_path)


def test_the_commands_answer(python: Path, tmp_path: Path) -> None:
    command = python.with_name("restate-server")
    assert run(command, "--version", cwd=tmp_path).strip() == f"restate-server {__version__}"
    for own in ([python.with_name("restate")], [python, "-m", "restate.runtime.cli"]):
        assert run(*own, "--version", cwd=tmp_path).strip() == f"restate (restate-runtime) {__version__}"
    listing = run(python, "-m", "restate.runtime.main", "--print-config", cwd=tmp_path)
    assert f'base_dir = "{tmp_path / "target"}"  # default' in listing.splitlines()


def test_the_server_runs_a_service_of_the_sdk_from_the_same_environment(python: Path, tmp_path: Path) -> None:
    service_port = free_port()
    with (
        running(python, ROOT / "scripts" / "demo_service.py", service_port, cwd=tmp_path, stop=signal.SIGINT),
        running(python.with_name("restate-server"), *any_ports(), cwd=tmp_path, stop=signal.SIGTERM),
    ):
        ports = wait_for(lambda: json.loads((tmp_path / "target" / "ports.json").read_text()))
        wait_for(lambda: connect(service_port))
        uri = f"http://127.0.0.1:{service_port}"
        wait_for(lambda: post(f"http://127.0.0.1:{ports['admin']}/deployments", {"uri": uri}))
        answer = post(f"http://127.0.0.1:{ports['ingress']}/Greeter/greet", "World")
        assert answer == "Hello World, for the 1. time!"


def test_either_can_leave_without_the_other(python: Path, tmp_path: Path) -> None:
    uninstall = [UV, "pip", "uninstall", "--quiet", "--python", python]
    run(*uninstall, "restate-sdk", cwd=tmp_path)
    assert __version__ in run(python.with_name("restate-server"), "--version", cwd=tmp_path)
    run(UV, "pip", "install", "--quiet", "--python", python, *SDK, cwd=tmp_path)
    run(*uninstall, "restate-runtime", cwd=tmp_path)
    run(python, "-c", "import restate; restate.app([])", cwd=tmp_path)


def any_ports() -> list[str]:
    names = ("node_ctrl", "ingress", "admin", "postgres")
    return [argument for name in names for argument in ("--set", f"{name}.bind_address=127.0.0.1:0")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(*command: object, cwd: Path, stop: signal.Signals) -> Iterator[None]:
    """A child process for the time of a block; it must end by itself on the signal."""
    child = subprocess.Popen([str(part) for part in command], cwd=cwd, env=clean_environment())
    try:
        yield
        child.send_signal(stop)
        child.wait(60)
    finally:
        child.kill()
        child.wait()


def connect(port: int) -> bool:
    socket.create_connection(("127.0.0.1", port), 1).close()
    return True


def wait_for(read: Any, timeout_s: float = 60) -> Any:
    """The first result of a function that fails with OSError or a JSON error while things are not ready."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return read()
        except (OSError, json.JSONDecodeError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def post(url: str, body: object) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)
