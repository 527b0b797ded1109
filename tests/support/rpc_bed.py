"""A server with services of both generations, for RPC clients: where it is, and its contracts as such clients need them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.support import environments
from tests.support.caller import Caller
from tests.support.programs import Sdk, ServiceProgram
from tests.support.server import OurServer, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.server import Server

_SERVICES = Path(__file__).parent / "services"
PROGRAMS = _SERVICES / "rpc"
"""Clients, in JavaScript."""


@attrs.frozen
class RpcBed:
    """A server with the modern programs `modern.py` and `edges.py` and the classic ones, `classic_protobuf.mjs` too."""

    server: Server
    caller: Caller
    folder: Path

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.ports['ingress']}"

    def contracts(self) -> Path:
        """The contracts of both generations, asked for by reflection, as a serialized FileDescriptorSet."""
        made = self.folder / "contracts.binpb"
        if not made.exists():
            command = [str(environments.grpcurl()), "-plaintext", "-protoset-out", str(made)]
            # One call has all of them only if it describes everything there is.
            run([*command, self.address, "describe"])
        return made

    def home(self) -> Path:
        """A folder as a user's project is: the packages, the code generated from the contracts, and our programs."""
        home = self.folder / "project"
        if home.exists():
            return home
        packages = environments.rpc_clients() / "node_modules"
        contracts = self.contracts()
        home.mkdir()
        (home / "package.json").write_text('{"private": true, "type": "module"}\n')
        (home / "node_modules").symlink_to(packages, target_is_directory=True)
        for program in PROGRAMS.iterdir():
            shutil.copy(program, home)
        generate(contracts, home, packages / ".bin" / "protoc-gen-es")
        return home

    def ask(self, program: str, *arguments: str) -> Any:
        """Run a program of the home; the JSON that it prints."""
        command = [environments.node(), str(self.home() / program), *arguments]
        return json.loads(run(command, cwd=self.home()))


def generate(contracts: Path, home: Path, plugin: Path) -> None:
    """What protoc and protobuf-es make of the contracts, below `home/gen`; `gen/index.js` has all of it."""
    gen = home / "gen"
    gen.mkdir()
    files = FileDescriptorSet.FromString(contracts.read_bytes()).file
    names = [file.name for file in files if not file.name.startswith("google/protobuf/")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={contracts}"]
    command += [
        f"--plugin=protoc-gen-es={plugin}",
        f"--es_out={gen}",
        "--es_opt=target=js,import_extension=js",
    ]
    run([*command, *names], cwd=home)
    paths = [name.removesuffix(".proto") + "_pb.js" for name in names]
    (gen / "index.js").write_text("".join(f'export * from "./{path}";\n' for path in paths))


def run(command: Sequence[str], cwd: Path | None = None) -> str:
    """What a program prints. AssertionError with its errors if it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def running_rpc_bed(folder: Path, settings: Settings) -> Iterator[RpcBed]:
    programs: list[ServiceProgram] = []
    try:
        for sdk, script in (
            *((Sdk.PYTHON, None), (Sdk.PYTHON, "edges.py")),
            *((Sdk.CLASSIC, None), (Sdk.CLASSIC_PROTOBUF, None)),
        ):
            bed = folder / f"service-{len(programs)}"
            programs.append(ServiceProgram(sdk, bed, script=_SERVICES / script if script else None))
        server = OurServer(folder, settings)
        server.start()
        try:
            with Caller(server) as caller:
                for program in programs:
                    caller.register(program.uri)
                yield RpcBed(server, caller, folder)
        finally:
            server.stop()
    finally:
        for program in programs:
            program.stop()
