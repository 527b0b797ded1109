"""Looks at the files of a database before it is opened, because opening changes them: logs and lists are written anew.

What is refused here is on disk as it was.
"""

import fcntl
import os
import re
import shutil
import struct
import sys
import tempfile
from pathlib import Path

from rocksdict import AccessType, Options, Rdict

from restate.runtime.errors import StorageDamaged, StorageFormatError, StorageLocked
from restate.runtime.storage.rocksdb import FORMAT_VERSION, MARK, MARK_FILE

_FLOCK = struct.Struct("hhqqi")  # of 64-bit Linux: type, whence, start, length, process
_LIBRARY_FILE = "rocksdict-config.json"
_LIST = re.compile(r"MANIFEST-[0-9]+")
_TABLE_ENDS = (b"\xf7\xcf\xf4\x85\xb7\x41\xe2\x88", b"\x57\xfb\x80\x8b\x24\x75\x47\xdb")
"""The last bytes of every complete file of rows, in either of RocksDB's two layouts."""


def check_files(database: Path) -> None:
    """Returns for a database that can probably be opened, and for a place that has none yet.

    Raises StorageLocked, StorageFormatError, StorageDamaged, and OSError when the directory cannot be read.
    """
    if not database.exists():
        return
    process = holder(database)
    if process is not None:
        raise StorageLocked(f"the database '{database}' is in use by another process, {process}")
    names = {path.name for path in database.iterdir()}
    _check_version(database)
    if "CURRENT" in names:
        _check_list(database)
    elif MARK_FILE in names or any(name.endswith((".sst", ".log")) for name in names):
        # RocksDB would begin an empty database on top of these. One that died while it was made has none of them.
        raise _damaged(database, "its file CURRENT is missing")
    if not all(_is_complete(database / name) for name in names if name.endswith(".sst")):
        check_tables(database)


def holder(database: Path) -> int | None:
    """The process that has the database open, None if there is none. It is only asked for; the lock is not taken."""
    if sys.platform != "linux":
        return None
    try:
        with (database / "LOCK").open("rb+") as file:
            asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, process = _FLOCK.unpack(fcntl.fcntl(file.fileno(), fcntl.F_GETLK, asked))
    except OSError:
        return None
    return None if kind == fcntl.F_UNLCK else int(process)


def _check_version(database: Path) -> None:
    """The rows tell it as well, but only once they have been opened. Not there, or 0: nothing was stored yet."""
    try:
        content = (database / MARK_FILE).read_bytes()
    except FileNotFoundError:
        return
    version = MARK.unpack(content)[1] if len(content) == MARK.size else 0
    if version not in (0, FORMAT_VERSION):
        raise StorageFormatError(
            f"expected storage format version {FORMAT_VERSION} in '{database}', found version {version}"
        )


def _check_list(database: Path) -> None:
    name = (database / "CURRENT").read_text(errors="replace").strip()
    if not _LIST.fullmatch(name):
        raise _damaged(database, "its file CURRENT does not name a MANIFEST")
    if not (database / name).is_file():
        raise _damaged(database, f"its file {name}, which CURRENT names, is missing")


def _is_complete(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-8, os.SEEK_END)
            return file.read() in _TABLE_ENDS
    except OSError:  # shorter than that, or gone
        return False


def check_tables(database: Path) -> None:
    """Whether all files of rows that the database refers to are there and whole; for one that nobody has open.

    A file without an end is damage, or what a process that was killed had begun and nothing refers to. Raises
    StorageDamaged.
    """
    with tempfile.TemporaryDirectory(prefix="restate-precheck-") as home:
        # Opened for reading it still writes, beside the files, its own log and a file of the library's.
        for path in database.iterdir():
            if path.name not in ("LOG", "LOCK", _LIBRARY_FILE):
                (Path(home) / path.name).symlink_to(path.absolute())
        shutil.copy(database / _LIBRARY_FILE, home)
        try:
            columns = {name: Options(raw_mode=True) for name in Rdict.list_cf(home)}
            Rdict(home, Options(raw_mode=True), columns, access_type=AccessType.read_only(False)).close()
        except Exception as error:
            raise _damaged(database, " ".join(str(error).replace(home, str(database)).split())) from error


def _damaged(database: Path, how: str) -> StorageDamaged:
    return StorageDamaged(f"the database '{database}' is damaged: {how}")
