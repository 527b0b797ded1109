"""Break one rule of the engine at a time, and show that a fast test notices.

    .venv/bin/python scripts/mutants.py                 all of tests/mutants/*.toml (about five minutes)
    .venv/bin/python scripts/mutants.py --match inbox   those with a word in their name
    .venv/bin/python scripts/mutants.py --random 3      some

Each mutant is an exact replacement in one file. It is made in a copy of the tree, never here, and the tests run until the
first one fails: first the quick ones, and if all of them pass the properties. Prints which test caught which mutant;
exit status 1 if one survived, or if its text does not stand exactly once in its file any more.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import attrs

ROOT = Path(__file__).resolve().parents[1]
MUTANTS = ROOT / "tests" / "mutants"
_COPIED = ("restate", "tests", "scripts", "protos", "pyproject.toml")
_QUICK = (
    "tests/scenarios", "tests/engine", "tests/journal", "tests/tables", "tests/partition", "tests/invoker", "tests/faults",
)  # fmt: skip
_THOROUGH = ("tests/engine", "tests/partition", "tests/faults", "tests/scenarios")
_TIMEOUT_S = 120
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@attrs.frozen
class Mutant:
    """file: relative to the tree. old: stands exactly once in it; new: takes its place."""

    name: str
    file: str
    old: str
    new: str

    def fits(self, root: Path) -> bool:
        """Whether the text that is to be replaced is there, once, and what comes out is Python."""
        text = (root / self.file).read_text()
        if text.count(self.old) != 1:
            return False
        try:
            compile(text.replace(self.old, self.new), self.file, "exec")
        except SyntaxError:
            return False
        return True


def load() -> list[Mutant]:
    return [
        Mutant(**row)
        for path in sorted(MUTANTS.glob("*.toml"))
        for row in tomllib.loads(path.read_text())["mutant"]
    ]


class Tree:
    """A copy of the project, in which one mutant at a time is tested."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="mutants-"))
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(
                    source, self.root / name, ignore=shutil.ignore_patterns("__pycache__", ".cache")
                )
            elif source.exists():
                shutil.copy(source, self.root / name)

    def remove(self) -> None:
        shutil.rmtree(self.root)

    def catcher(self, mutant: Mutant) -> str | None:
        """The test that fails with the mutant; None if all pass."""
        path = self.root / mutant.file
        original = path.read_text()
        self._write(path, original.replace(mutant.old, mutant.new))
        try:
            return self.failure()
        finally:
            self._write(path, original)

    def failure(self) -> str | None:
        """The first test that fails in the tree as it is; None if all pass."""
        return self._run(_QUICK, "not slow") or self._run(_THOROUGH, "slow")

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        # Two versions of a file may have the same size and time, which is all that Python compares.
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()

    def _run(self, folders: tuple[str, ...], marked: str) -> str | None:
        there = [folder for folder in folders if list((self.root / folder).glob("test_*.py"))]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "--hypothesis-seed=1",
            "-p",
            "no:cacheprovider",
        ]
        command += ["-m", f"{marked} and not clients", *there]
        environment = {**os.environ, "ENGINE_EXAMPLES": "60"}
        try:
            done = subprocess.run(
                command,
                cwd=self.root,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"no end after {_TIMEOUT_S} s"
        if done.returncode == 0:
            return None
        found = _FAILED.search(done.stdout)
        if found is None:
            raise SystemExit(
                f"pytest ended with {done.returncode} and names no test:\n{done.stdout[-3000:]}{done.stderr}"
            )
        return found[1]


def main() -> int:
    options = _options()
    mutants = [mutant for mutant in load() if options.match in mutant.name]
    if options.random:
        mutants = random.sample(mutants, min(options.random, len(mutants)))
    lost = [mutant for mutant in mutants if not mutant.fits(ROOT)]
    trees: SimpleQueue[Tree] = SimpleQueue()
    for _ in range(options.jobs):
        trees.put(Tree())
    try:
        if not options.skip_check:
            _check_sound(trees)
        survivors = _test_all([mutant for mutant in mutants if mutant not in lost], trees, options.jobs)
    finally:
        while not trees.empty():
            trees.get().remove()
    for mutant in lost:
        print(
            f"LOST      {mutant.name}: expected its text once in {mutant.file}; move the mutant to where the rule is now"
        )
    print(f"{len(mutants)} mutants, {len(survivors)} survived, {len(lost)} lost")
    return 1 if survivors or lost else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Break one rule of the engine at a time.")
    parser.add_argument("--match", default="", help="only mutants with this in their name")
    parser.add_argument("--random", type=int, default=0, help="only so many, chosen at random")
    parser.add_argument("--jobs", type=int, default=2, help="how many are tested at once")
    parser.add_argument(
        "--skip-check", action="store_true", help="do not run the tests without a mutant first"
    )
    return parser.parse_args()


def _check_sound(trees: SimpleQueue[Tree]) -> None:
    tree = trees.get()
    failed = tree.failure()
    trees.put(tree)
    if failed is not None:
        raise SystemExit(f"expected all tests to pass without a mutant; {failed} fails")


def _test_all(mutants: list[Mutant], trees: SimpleQueue[Tree], jobs: int) -> list[Mutant]:
    """The survivors. Prints the table as it goes."""

    def catcher(mutant: Mutant) -> str | None:
        tree = trees.get()
        try:
            return tree.catcher(mutant)
        finally:
            trees.put(tree)

    survivors = []
    with ThreadPoolExecutor(jobs) as pool:
        for mutant, caught in zip(mutants, pool.map(catcher, mutants), strict=True):
            print(f"{'caught' if caught else 'SURVIVED':9} {mutant.name:52} {caught or ''}", flush=True)
            if caught is None:
                survivors.append(mutant)
    return survivors


if __name__ == "__main__":
    sys.exit(main())
