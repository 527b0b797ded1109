import subprocess
import sys
from pathlib import Path

import pytest

from restate.runtime.errors import StorageDamaged, StorageFormatError, StorageLocked
from restate.runtime.storage.precheck import check_files, holder
from restate.runtime.storage.rocksdb import MARK, RocksStore

_HOLD = """
import fcntl, sys
with open(sys.argv[1], "r+") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "db"
    RocksStore.open(path).close()
    return path


def test_a_database_in_order_and_a_place_without_one_may_be_opened(path: Path) -> None:
    check_files(path)
    check_files(path.parent / "none")
    (path.parent / "empty").mkdir()
    check_files(path.parent / "empty")


def test_the_holder_is_found_without_taking_the_lock(path: Path) -> None:
    assert holder(path) is None
    command = [sys.executable, "-c", _HOLD, str(path / "LOCK")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert holder(path) == other.pid
        with pytest.raises(StorageLocked, match=f"another process, {other.pid}"):
            check_files(path)
        other.communicate()
    check_files(path)


def test_what_died_while_it_was_made_may_be_made_again(path: Path) -> None:
    half = path.parent / "half"
    half.mkdir()
    for name in ("LOG", "IDENTITY", "MANIFEST-000001"):
        (half / name).touch()
    check_files(half)


def test_a_database_without_its_first_file_is_not_begun_anew(path: Path) -> None:
    (path / "CURRENT").unlink()
    with pytest.raises(StorageDamaged, match="CURRENT is missing"):
        check_files(path)


@pytest.mark.parametrize(("version", "known"), [(0, True), (1, True), (2, False)])
def test_the_version_is_read_from_the_mark(path: Path, version: int, known: bool) -> None:
    (path / "COMMITTED").write_bytes(MARK.pack(0, version))
    if known:
        check_files(path)
        return
    with pytest.raises(StorageFormatError, match="found version 2"):
        check_files(path)


def test_a_mark_from_before_it_had_a_version_is_taken(path: Path) -> None:
    mark = path / "COMMITTED"
    mark.write_bytes(mark.read_bytes()[:8])
    check_files(path)
    RocksStore.open(path).close()
    assert MARK.unpack(mark.read_bytes())[1] == 1
