"""The command tree, the common options, and the start."""

import os
import subprocess
import sys

import pytest

from restate.runtime import __version__
from tests.cli.fake_admin import FakeAdmin
from tests.cli.samples import service

HEAVY = ("trio", "rich", "quart", "rocksdict", "datafusion", "pyarrow", "h2", "msgspec", "ssl", "asyncio")


@pytest.mark.parametrize(
    "words",
    [
        ["services", "list"],
        ["svc", "ls"],
        ["service", "ls"],
        ["svc", "list"],
    ],
)
def test_words_have_aliases(admin: FakeAdmin, words: list[str]) -> None:
    admin.answers["GET /services"] = (200, {"services": [service()]})
    admin.answers["GET /deployments"] = (200, {"deployments": []})
    done = admin.run(*words)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[1].split()[0] == "Counter"


def test_options_may_stand_anywhere(admin: FakeAdmin) -> None:
    admin.answers["GET /services"] = (200, {"services": [service()]})
    outputs = {
        admin.run(*words).stdout
        for words in (["--json", "svc", "ls"], ["svc", "--json", "ls"], ["svc", "ls", "--json"])
    }
    assert len(outputs) == 1
    assert outputs.pop().startswith("[")


@pytest.mark.parametrize(
    "words", [["nope"], ["svc", "nope"], ["svc", "get"], ["svc", "ls", "--nope"], [], ["inv"]]
)
def test_what_cannot_be_understood_ends_with_2(admin: FakeAdmin, words: list[str]) -> None:
    done = admin.run(*words)
    assert done.exit_code == 2
    assert "Usage: restate" in done.stderr
    assert not admin.asked


def test_a_refusal_ends_with_1(admin: FakeAdmin) -> None:
    done = admin.run("services", "describe", "Nope")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: /services/Nope does not exist (404 Not Found)\n"


def test_no_server_ends_with_1(admin: FakeAdmin) -> None:
    done = admin.run("services", "list", RESTATE_ADMIN_URL="http://127.0.0.1:1")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no Restate server could be reached at http://127.0.0.1:1" in done.stderr


def test_an_empty_list_is_no_error_and_scripts_get_an_empty_list(admin: FakeAdmin) -> None:
    admin.answers["GET /services"] = (200, {"services": []})
    done = admin.run("services", "list")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "No services were found" in done.stderr
    assert admin.run("services", "list", "-q").stderr == ""
    assert admin.run("services", "list", "--json").stdout == "[]\n"


def test_whoami_tells_where_the_server_is(admin: FakeAdmin) -> None:
    admin.answers["GET /health"] = (200, None)
    admin.answers["GET /version"] = (200, {"version": "1.7.12", "ingress_endpoint": "http://127.0.0.1:8080/"})
    done = admin.run("whoami")
    assert done.exit_code == 0
    assert f"Admin base URL:      {admin.url}\n" in done.stdout
    assert "1.7.12" in done.stdout


def test_whoami_knows_servers_of_the_classic_generation(admin: FakeAdmin) -> None:
    admin.answers["GET /health"] = (200, None)
    done = admin.run("whoami", "--json")
    assert done.exit_code == 0
    assert '"server_version": null' in done.stdout


def test_every_command_has_help(admin: FakeAdmin) -> None:
    for noun in ("services", "services config", "deployments", "invocations", "state", "kafka-clusters"):
        listing = admin.run(*noun.split(), "--help")
        assert listing.exit_code == 0
        for line in listing.stdout.partition("Commands:")[2].splitlines():
            if line.startswith("  ") and not line.startswith("   "):
                done = admin.run(*noun.split(), line.split()[0], "-h")
                assert done.exit_code == 0, line
                assert "-y, --yes" in done.stdout


def _loaded(*words: str) -> tuple[set[str], str]:
    """The modules that a call of the program has imported, and what it printed."""
    program = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr))\n"
        "from restate.runtime.cli import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    return set(done.stderr.split()), done.stdout


@pytest.mark.slow
def test_a_call_imports_only_what_it_needs(admin: FakeAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTATE_ADMIN_URL", admin.url)
    admin.answers["GET /health"] = (200, None)
    admin.answers["GET /version"] = (200, {})
    modules, shown = _loaded("whoami")
    assert "healthy" in shown
    assert "restate.runtime.cli.commands.whoami" in modules
    assert "restate.runtime.cli.commands.invocations" not in modules
    assert "restate.runtime.config" not in modules
    assert modules.isdisjoint(set(HEAVY) - {"ssl"})


def test_what_others_have_written_does_not_move_the_terminal(admin: FakeAdmin) -> None:
    done = admin.run("services", "describe", "\x1b[2Jx")
    assert done.stderr == "Error: /services/%1B%5B2Jx does not exist (404 Not Found)\n"
    admin.answers["GET /services/Nope"] = (404, {"message": "no \x1b[2J", "restate_code": None})
    assert admin.run("services", "describe", "Nope").stderr == "Error: no \\x1b[2J (404 Not Found)\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirected", "status", "said"),
    [
        (">/dev/full", 1, "Error: [Errno 28] No space left on device\n"),
        (">&-", 0, ""),
        ("| head -c 1 >/dev/null", 0, ""),
    ],
)
def test_output_that_nobody_takes_is_no_crash(
    admin: FakeAdmin, redirected: str, status: int, said: str
) -> None:
    admin.queries["SELECT"] = [{"n": "x" * 1000}] * 1000
    command = f'"{sys.executable}" -m restate.runtime.cli -q sql "SELECT n" {redirected}'
    variables = {**os.environ, "RESTATE_ADMIN_URL": admin.url, "RESTATE_CLI_CONFIG_HOME": "/nowhere"}
    done = subprocess.run(
        command, shell=True, env=variables, capture_output=True, text=True, check=False, timeout=20
    )
    assert (done.returncode, done.stderr) == (status, said)


@pytest.mark.slow
def test_letters_that_a_terminal_lacks_and_bytes_that_are_none_are_escaped(admin: FakeAdmin) -> None:
    admin.queries["AS n"] = [{"n": "\u0416 \ud800"}]
    variables = {**os.environ, "RESTATE_ADMIN_URL": admin.url, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "restate.runtime.cli", "-q", "sql", "--jsonl", b"SELECT '\xff' AS n"],
        env=variables,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b'{"n": "\\u0416 \\ud800"}\n'
    assert admin.asked[0].body == {"query": "SELECT '\udcff' AS n"}


@pytest.mark.slow
def test_the_module_is_the_program_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "restate.runtime.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"restate (restate-runtime) {__version__}\n"
