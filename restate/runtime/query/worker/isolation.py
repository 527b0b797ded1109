"""A worker needs no network, so it gives up having one, where the system lets it.

Nothing that a query may call opens a connection; this holds even where we have overlooked something. On Linux a process
may move into an empty network namespace; without privileges it needs a user namespace of its own for that, in which it
stays who it is. A child tries first, because a move that succeeds only half would leave us unable to write files.
"""

import ctypes
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

_NEW_USER = 0x10000000
_NEW_NETWORK = 0x40000000


def leave_network(folder: Path) -> bool:
    """Whether this process has no network any more. folder: must stay writable. Call it before there are threads."""
    for leave in (_leave_as_root, _leave_as_anybody):
        if _works(leave, folder):
            leave()
            return True
    return False


def _works(leave: Callable[[], None], folder: Path) -> bool:
    """Whether a child could do it, and could write a file afterwards."""
    try:
        child = os.fork()
    except (AttributeError, OSError):
        return False
    if child == 0:
        status = 1
        try:
            leave()
            with tempfile.TemporaryFile(dir=folder):
                status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _leave_as_root() -> None:
    _unshare(_NEW_NETWORK)


def _leave_as_anybody() -> None:
    user, group = os.getuid(), os.getgid()
    _unshare(_NEW_USER | _NEW_NETWORK)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        Path(f"/proc/self/{name}").write_text(text)


def _unshare(flags: int) -> None:
    """Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare") or libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "cannot leave the namespace")
