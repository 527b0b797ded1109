"""Which log files of RocksDB have writes that are not durable yet, so that somebody else can make them so."""

import os
from pathlib import Path

from restate.runtime.storage.api import StorageError


class LogTracker:
    """Follows the log of one open database.

    RocksDB starts a new file when it begins to merge the old one into tables, and only inside of `write`. Each write makes
    the file it goes to longer: if the current one has not grown, there is a newer one.
    """

    __slots__ = ("_directory", "_file", "_number", "_size", "_unflushed")

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Invariant: all writes since `take` went to these files, the last of which is `_number`.
        self._unflushed: list[int] = []
        self._number = -1
        self._size = 0
        self._file: int | None = None
        self._follow()

    def written(self) -> None:
        """Call after each write."""
        assert self._file is not None
        # Twice as fast as fstat.
        size = os.lseek(self._file, 0, os.SEEK_END)
        if size == self._size:
            self._unflushed += self._follow()
        elif not self._unflushed:
            self._unflushed.append(self._number)
            self._size = size
        else:
            self._size = size

    def take(self) -> list[int]:
        """Numbers of the files with writes since the last call, oldest first."""
        logs, self._unflushed = self._unflushed, []
        return logs

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _follow(self) -> list[int]:
        """Turn to the newest file. Returns the numbers of those that are newer than the one so far."""
        newer = sorted(
            number for path in self._directory.glob("*.log") if (number := int(path.stem)) > self._number
        )
        if not newer:
            raise StorageError(
                f"expected a newer log than {self._number:06}.log in '{self._directory}', found none"
            )
        self.close()
        self._number = newer[-1]
        self._file = os.open(self._directory / f"{self._number:06}.log", os.O_RDONLY)
        self._size = os.lseek(self._file, 0, os.SEEK_END)
        return newer
