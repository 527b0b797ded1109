"""Generates restate/runtime/pb and restate/runtime/grpc_server/bases from protos/; with --check only compares."""

import difflib
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ROOT / "protos"
PACKAGE = "restate/runtime/pb"
BASES = "restate/runtime/grpc_server/bases"
CALL = "restate.runtime.grpc_server.call"
SERVED = ("cluster_controller", "health", "node_ctrl", "reflection", "services", "worker")
"""Files whose services the server offers: grpclib's plugin makes bases of them."""


def generate(target: Path) -> dict[str, str]:
    """Run protoc into a folder; gives {path in the tree: text} of all modules and stubs."""
    names = sorted(path.name for path in TEXTS.glob("*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PACKAGE}={TEXTS}"]
    outputs = [f"--python_out={target}", f"--pyi_out={target}"]
    subprocess.run([*command, *outputs, *(f"{PACKAGE}/{name}" for name in names)], check=True)
    plugin = Path(sysconfig.get_path("scripts")) / "protoc-gen-grpclib_python"
    outputs = [f"--plugin=protoc-gen-grpclib_python={plugin}", f"--grpclib_python_out={target}"]
    subprocess.run([*command, *outputs, *(f"{PACKAGE}/{name}.proto" for name in SERVED)], check=True)
    made = {}
    for path in (target / PACKAGE).iterdir():
        text = path.read_text("utf-8")
        if path.name.endswith("_grpc.py"):
            made[f"{BASES}/{path.name}"] = bases_only(text)
        else:
            made[f"{PACKAGE}/{path.name}"] = text
    return made


def bases_only(text: str) -> str:
    """A module of grpclib's plugin for our own calls, without what is for clients.

    The import of its stubs would bring asyncio to every start. Handlers get a Call, which takes the place of grpclib's
    Stream.
    """
    head, *classes = re.split(r"(?=^class )", text, flags=re.MULTILINE)
    kept = [one for one in classes if not re.match(r"class \w+Stub:", one)]
    head = head.replace("import grpclib.client\n", "").replace("import grpclib.server", f"import {CALL}")
    calls = re.sub(r"stream: 'grpclib\.server\.Stream\[[^']*\]'", f"call: '{CALL}.Call'", "".join(kept))
    return (head + calls).rstrip("\n") + "\n"


def committed() -> dict[str, str]:
    """{path: text} of the generated files in the tree."""
    paths = [path for path in (ROOT / PACKAGE).iterdir() if "_pb2" in path.name and path.is_file()]
    paths += (ROOT / BASES).glob("*_grpc.py")
    return {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths}


def differences(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Lines of a unified diff; empty if the tree is up to date."""
    lines: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, "").splitlines(), new.get(name, "").splitlines()
        lines += difflib.unified_diff(before, after, f"tree/{name}", f"generated/{name}", lineterm="", n=1)
    return lines


def main() -> int:
    """0 if the tree is, or now is, what protoc makes of the texts; 1 if --check finds a difference."""
    with tempfile.TemporaryDirectory() as folder:
        new = generate(Path(folder))
    old = committed()
    if "--check" in sys.argv[1:]:
        lines = differences(old, new)
        # A generated line can be as long as a whole schema.
        print("\n".join(line[:200] for line in lines[:80]) or f"{len(new)} generated files are up to date")
        return 1 if lines else 0
    for name in old.keys() - new.keys():
        (ROOT / name).unlink()
    for name, text in new.items():
        (ROOT / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
