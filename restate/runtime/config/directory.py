"""Where something is written that may not be there yet."""

import errno
import os
import stat
from pathlib import Path


def nearest_directory(path: Path) -> Path:
    """The directory itself, or that in which it would be made. Raises OSError, also when it can be neither."""
    try:
        is_directory = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return nearest_directory(path.parent)
    if not is_directory:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    return path
