"""Makes the environments that the scripts run in, from the locks at the top level. Standard library only.

An environment remembers the hash of every lock it was filled from, so an unchanged one costs a few milliseconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / ".venv"
DEMO = ROOT / ".cache" / "demo-env"

# The development lock holds everything of the first, in the same versions.
_COVERS = {"requirements-dev.lock": ("requirements-dev.lock", "requirements.lock")}


def require_python() -> None:
    """End with a readable line on a Python that the server does not run on."""
    if sys.version_info < (3, 11):  # noqa: UP036 -- the one line that older versions do reach
        sys.exit(f"expected Python 3.11 or newer, got {sys.version.split()[0]}; try python3.11 {sys.argv[0]}")


def prepare(folder: Path, lock_name: str) -> Path:
    """Make or update the environment so that it holds what the lock lists; gives its interpreter.

    Raises SystemExit with the tool's own output if that fails; what was half made is then made anew the next time.
    """
    interpreter = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    digest = hashlib.sha256((ROOT / lock_name).read_bytes()).hexdigest()
    stamps = folder / "locks"
    if interpreter.exists() and _is_stamped(stamps / lock_name, digest):
        return interpreter
    print(f"preparing {folder.relative_to(ROOT)} from {lock_name} ...", flush=True)
    if not interpreter.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], "on Debian and Ubuntu, install python3-venv")
    install = [
        str(interpreter),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
    ]
    _run(
        [*install, "--require-hashes", "--requirement", str(ROOT / lock_name)],
        "is a package registry reachable?",
    )
    stamps.mkdir(exist_ok=True)
    for covered in _COVERS.get(lock_name, (lock_name,)):
        (stamps / covered).write_text(hashlib.sha256((ROOT / covered).read_bytes()).hexdigest())
    return interpreter


def _is_stamped(stamp: Path, digest: str) -> bool:
    try:
        return stamp.read_text() == digest
    except FileNotFoundError:
        return False


def _run(command: list[str], advice: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{' '.join(command)} failed with status {done.returncode}; {advice}")
