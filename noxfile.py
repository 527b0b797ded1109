"""The checks of the project. `python3 scripts/test.py` runs them all in an environment of its own.

Sessions use the interpreter that nox itself runs in (fill it from requirements-dev.lock), except `package`, which makes
environments of its own. Arguments after `--` go to pytest.
"""

import shutil
import sys
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "protos", "tests", "package", "clients"]

ROOT = Path(__file__).parent


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Layout and chosen families of mistakes."""
    session.run(sys.executable, "-m", "ruff", "format", "--check", ".")
    session.run(sys.executable, "-m", "ruff", "check", ".")


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """mypy, strict."""
    session.run(sys.executable, "-m", "mypy")


@nox.session(venv_backend="none")
def protos(session: nox.Session) -> None:
    """The generated modules are what protoc makes of protos/."""
    session.run(sys.executable, "scripts/gen_protos.py", "--check")


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Everything that runs in this process and environment, on the in-memory store and on RocksDB."""
    session.run(sys.executable, "-m", "pytest", "-m", "not clients and not package", *session.posargs)


@nox.session(venv_backend="none")
def clients(session: nox.Session) -> None:
    """Real SDKs and command-line clients against a real server process."""
    session.run(sys.executable, "-m", "pytest", "-m", "clients", "tests/clients", *session.posargs)


@nox.session(venv_backend="none")
def package(session: nox.Session) -> None:
    """Our wheel and restate-sdk in one environment, installed in both orders: both import and run."""
    session.run(sys.executable, "-m", "pytest", "-m", "package", "tests/test_package.py", *session.posargs)


@nox.session(venv_backend="none", default=False)
def lock(session: nox.Session) -> None:
    """Renew the locks from pyproject.toml; `-- --upgrade` takes newer versions."""
    uv = Path(sys.executable).with_name("uv")
    options = ["--quiet", "--universal", "--python-version=3.11", "--generate-hashes"]
    options += ["--no-emit-index-url", "--no-header", "--no-annotate", *session.posargs]
    runtime, development, sdk = "requirements.lock", "requirements-dev.lock", "requirements-sdk.lock"
    for output, arguments in (
        (runtime, ["pyproject.toml", "--extra=fast", "--extra=tracing"]),
        (
            development,
            ["pyproject.toml", "--extra=fast", "--extra=tracing", "--group=dev", f"--constraints={runtime}"],
        ),
        (sdk, ["--group=sdk"]),
    ):
        session.run(str(uv), "pip", "compile", *options, *arguments, f"--output-file={output}")


@nox.session(venv_backend="none", default=False)
def clean(session: nox.Session) -> None:
    """Remove what the sessions leave behind, but for the environments."""
    for name in (".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", "build", "dist"):
        shutil.rmtree(ROOT / name, ignore_errors=True)
        session.log(f"removed {name}")
