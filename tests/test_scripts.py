"""The scripts at the top level, as far as they decide something, and the locks they install from."""

import hashlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A script as a module. Under a name of its own: one of them is called like a module of the standard library."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    spec = importlib.util.spec_from_file_location(f"script_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REPORT = """<testsuites><testsuite>
<testcase classname="tests.a" name="good"/>
<testcase classname="tests.a" name="bad"><failure message="no"/></testcase>
<testcase classname="tests.a" name="broken"><error message="fixture"/></testcase>
<testcase classname="tests.a" name="left_out"><skipped message="node is not installed"/></testcase>
</testsuite></testsuites>"""


def test_results_are_counted_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tally = load("test", monkeypatch).Tally()
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    tally.add_report("clients", report, ok=False)
    tally.add_session("lint", ok=True)
    tally.add_session("types", ok=False)
    assert tally.passed == 2
    assert tally.failed == ["clients: tests.a::bad", "clients: tests.a::broken", "session types"]
    assert tally.skipped == ["clients: tests.a::left_out: node is not installed"]
    tally.forbid_skips()
    assert tally.skipped == []
    assert len(tally.failed) == 4


def test_a_session_that_ends_badly_without_a_failed_test_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = load("test", monkeypatch).Tally()
    tally.add_report("tests", tmp_path / "missing.xml", ok=False)
    assert tally.failed == ["session tests"]


@pytest.mark.parametrize(
    ("options", "folder"),
    [([], "target"), (["--base-dir", "a"], "a"), (["--base-dir=b", "--log-filter=debug"], "b")],
)
def test_the_demo_looks_for_the_ports_where_the_server_writes_them(
    options: list[str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RESTATE_BASE_DIR", raising=False)
    serve = load("serve", monkeypatch)
    assert serve._base_dir(options) == Path(folder)
    monkeypatch.setenv("RESTATE_BASE_DIR", "elsewhere")
    assert serve._base_dir(options) == Path("elsewhere" if not options else folder)


def test_an_environment_is_made_once_per_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = load("environment", monkeypatch)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    (tmp_path / "x.lock").write_text("a==1\n")
    folder = tmp_path / "env"
    commands: list[list[str]] = []

    def run(command: list[str], _advice: str) -> None:
        commands.append(command)
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        (folder / "bin" / "python").touch()

    monkeypatch.setattr(environment, "_run", run)
    assert environment.prepare(folder, "x.lock") == folder / "bin" / "python"
    assert [command[1:3] for command in commands] == [["-m", "venv"], ["-m", "pip"]]
    environment.prepare(folder, "x.lock")
    assert len(commands) == 2
    assert (folder / "locks" / "x.lock").read_text() == hashlib.sha256(b"a==1\n").hexdigest()
    (tmp_path / "x.lock").write_text("a==2\n")
    environment.prepare(folder, "x.lock")
    assert [command[1:3] for command in commands[2:]] == [["-m", "pip"]]


def test_a_tool_that_fails_ends_the_script_with_its_output_and_advice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = load("environment", monkeypatch)
    with pytest.raises(SystemExit, match=r"(?s)no luck.*failed with status 3; try this"):
        environment._run([sys.executable, "-c", "print('no luck'); raise SystemExit(3)"], "try this")


def pins(name: str) -> set[str]:
    return set(
        re.findall(r"^[a-z0-9._-]+==\S+(?: ; [^\\\n]*[^\\\s])?", (ROOT / name).read_text(), re.MULTILINE)
    )


def test_the_development_lock_holds_all_of_the_server_lock() -> None:
    assert pins("requirements.lock")
    assert pins("requirements.lock") <= pins("requirements-dev.lock")


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "requirements-sdk.lock"])
def test_a_lock_pins_with_hashes_and_names_no_registry(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(pins(name)) > 0


def test_generated_protobuf_modules_differ_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = load("gen_protos", monkeypatch)
    assert generator.differences({"a": "1\n2\n"}, {"a": "1\n2\n"}) == []
    assert "+3" in generator.differences({"a": "1\n2\n"}, {"a": "1\n3\n", "b": "4\n"})


def test_generated_bases_have_nothing_for_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = load("gen_protos", monkeypatch)
    text = (
        "import grpclib.const\nimport grpclib.client\n\n\nclass ABase(abc.ABC):\n"
        "    async def A(self, stream: 'grpclib.server.Stream[a.B, c.D]') -> None:\n\n\nclass AStub:\n    b\n"
    )
    assert generator.bases_only(text) == (
        "import grpclib.const\n\n\nclass ABase(abc.ABC):\n"
        "    async def A(self, call: 'restate.runtime.grpc_server.call.Call') -> None:\n"
    )
    bases = list((ROOT / generator.BASES).glob("*_grpc.py"))
    assert len(bases) == len(generator.SERVED)
    assert not [path for path in bases if re.search(r"grpclib\.(client|server)", path.read_text())]
