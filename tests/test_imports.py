"""Who may import whom, as data, and what pure packages must not touch."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "restate" / "runtime"
PREFIX = "restate.runtime"

EVERYBODY_MAY = {"model", "errors"}

MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "errors": set(),
    "pb": set(),
    "pgwire": set(),
    "tables": set(),
    "telemetry": set(),
    "storage": {"tables.api", "tables.keys", "telemetry", "config"},
    "config": {"telemetry"},
    "clock": set(),
    "signing_key": {"service_protocol.identity"},
    "service_manager": set(),
    "rpc": {"pb"},
    "schema": {"pb"},
    "journal": {"pb", "tables.api", "tables.rows"},
    "service_protocol": {"pb", "journal"},
    "engine": {"tables.api", "journal"},
    "net": {"telemetry", "config"},
    "grpc_server": {"rpc", "pb", "net", "schema", "telemetry", "config"},
    "discovery": {"service_protocol.discovery", "service_protocol.identity", "schema", "pb", "net", "telemetry", "config"},
    "invoker": {"service_protocol", "journal", "tables", "schema", "storage", "net", "telemetry", "config", "engine.records", "engine.actions"},
    "partition": {"engine", "journal", "tables", "storage", "invoker.handle", "schema", "telemetry", "config"},
    "query": {"pgwire", "tables", "schema", "journal", "service_protocol", "storage", "net", "invoker.handle", "telemetry", "config"},
    "ingress": {"rpc", "schema", "net", "pb", "grpc_server", "partition.handle", "engine.actions", "telemetry", "config"},
    "admin": {"schema", "pb", "discovery.handle", "discovery.serdes", "net", "partition.handle", "engine.actions", "engine.records", "query.errors", "query.statement", "query.worker_query", "telemetry", "config"},
    "node": {"rpc", "net", "pb", "grpc_server", "schema", "partition.handle", "telemetry", "config"},
    "maintenance": {"discovery.handle", "net", "schema", "storage", "tables", "telemetry", "config"},
    "cli": {"config", "query.arrow_values"},
}  # fmt: skip
"""{package: what it may import beyond EVERYBODY_MAY and itself}. `tables.api` is that module alone."""

COMPOSERS = {"app", "doctor", "main", "observation", "ports", "security", "wiring", "__main__"}
"""These may import everything, and nobody but each other imports them."""

PURE = {"errors", "model", "pb", "tables", "journal", "service_protocol", "engine", "schema", "rpc", "pgwire"}
IMPURE_MODULES = {
    "asyncio", "grpclib", "h2", "hypercorn", "jh2", "logging", "os", "quart", "quart_trio", "random", "rocksdict",
    "secrets", "select", "socket", "ssl", "subprocess", "threading", "time", "trio",
}  # fmt: skip

ONLY_IN: dict[str, tuple[str, ...]] = {
    "hypercorn": ("admin.server",),
    "quart": ("admin",),
    "quart_trio": ("admin",),
    "cryptography": ("signing_key",),
    "rocksdict": ("storage", "query.worker"),
    "sqlite3": ("query.worker",),
    "prometheus_client": ("telemetry",),
    "opentelemetry": ("telemetry",),
    "rich": ("cli",),
    "datafusion": ("query.worker",),
    "pyarrow": ("query.worker", "query.arrow_values", "cli.arrow_rows"),
    "asyncio": (),
    "trio_asyncio": (),
    "httpx": (),
}
"""{distribution module: the places that may import it}."""

CLOCK_READS = {
    ("time", "time"),
    ("time", "time_ns"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("date", "today"),
}
# net.date writes a header, and nothing is decided or stored by it.
MAY_READ_CLOCK = {"clock", "net.date"}


def modules() -> dict[str, Path]:
    """{dotted name below restate.runtime: file}, packages by their own name."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


MODULES = modules()


def imported(path: Path) -> Iterator[str]:
    """Dotted names of what a file imports, wherever in the file; names of `from` imports count where they are modules."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: expected an absolute import"
            assert node.module
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner.removeprefix(f"{PREFIX}.") in MODULES else node.module


def within(name: str, places: set[str] | tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def ours(name: str) -> list[str]:
    """Modules of ours that a module imports."""
    found = [i.removeprefix(f"{PREFIX}.") for i in imported(MODULES[name]) if i.startswith(f"{PREFIX}.")]
    return [module for module in found if module in MODULES]


def test_no_file_stands_directly_in_the_shared_package() -> None:
    assert [path.name for path in SOURCE.parent.iterdir() if path.is_file()] == []


def test_every_package_has_a_row() -> None:
    packages = {name.partition(".")[0] for name in MODULES}
    assert packages <= MAY_IMPORT.keys() | COMPOSERS


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_what_the_table_lets_it(name: str) -> None:
    package = name.partition(".")[0]
    if package in COMPOSERS:
        return
    allowed = {package} | EVERYBODY_MAY | MAY_IMPORT[package]
    assert [module for module in ours(name) if not within(module, allowed)] == []


@pytest.mark.parametrize("name", [n for n in MODULES if n.partition(".")[0] in PURE])
def test_a_pure_module_does_no_io_and_knows_no_clock(name: str) -> None:
    heads = {module.partition(".")[0] for module in imported(MODULES[name])}
    assert heads & IMPURE_MODULES == set()


@pytest.mark.parametrize("name", MODULES)
def test_some_packages_are_imported_in_one_place_only(name: str) -> None:
    heads = {module.partition(".")[0] for module in imported(MODULES[name])}
    assert [head for head in heads & ONLY_IN.keys() if not within(name, ONLY_IN[head])] == []


@pytest.mark.parametrize("name", [n for n in MODULES if n not in MAY_READ_CLOCK])
def test_only_the_clock_reads_the_time_of_day(name: str) -> None:
    nodes = [
        node
        for node in ast.walk(ast.parse(MODULES[name].read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    ]
    reads = [(node.value.id, node.attr) for node in nodes if isinstance(node.value, ast.Name)]
    assert [read for read in reads if read in CLOCK_READS] == []


def test_query_workers_are_imported_by_nobody() -> None:
    others = [name for name in MODULES if not within(name, ("query.worker",))]
    assert [name for name in others for module in ours(name) if within(module, ("query.worker",))] == []


def test_composers_are_imported_by_nobody_else() -> None:
    others = [name for name in MODULES if name not in COMPOSERS]
    assert [name for name in others for module in ours(name) if within(module, tuple(COMPOSERS))] == []
