"""Generates restate/runtime/pb from protos/; with --check only compares and shows what differs."""

import difflib
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ROOT / "protos"
PACKAGE = "restate/runtime/pb"


def generate(target: Path) -> dict[str, str]:
    """Run protoc into a folder; gives {file name: text} of all modules and stubs."""
    names = sorted(path.name for path in TEXTS.glob("*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PACKAGE}={TEXTS}"]
    command += [f"--python_out={target}", f"--pyi_out={target}", *(f"{PACKAGE}/{name}" for name in names)]
    subprocess.run(command, check=True)
    return {path.name: path.read_text("utf-8") for path in (target / PACKAGE).iterdir()}


def committed() -> dict[str, str]:
    """{file name: text} of the generated files in the tree."""
    paths = [path for path in (ROOT / PACKAGE).iterdir() if "_pb2" in path.name and path.is_file()]
    return {path.name: path.read_text("utf-8") for path in paths}


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
        (ROOT / PACKAGE / name).unlink()
    for name, text in new.items():
        (ROOT / PACKAGE / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
