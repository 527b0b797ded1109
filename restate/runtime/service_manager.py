"""The protocol of service managers such as systemd: sockets that they have opened, and telling them how we are.

Source of the facts: the manual pages sd_listen_fds(3) and sd_notify(3). Both are used only where the environment asks.
"""

import logging
import os
import socket
import time
from collections.abc import MutableMapping

import trio

from restate.runtime.errors import ConfigError

log = logging.getLogger("restate.app")

PORT_NAMES = ("node-ctrl", "ingress", "admin", "postgres")
_FIRST_DESCRIPTOR = 3


def inherited_sockets(environ: MutableMapping[str, str]) -> dict[str, socket.socket]:
    """{port name: listening socket} of those that were passed to this process; the caller closes them.

    The variables are removed, so that no child takes the sockets for its own. Raises ConfigError.
    """
    process, count, names = (environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if process != str(os.getpid()) or not count.isdigit():
        return {}
    given = names.split(":") if names else []
    if len(given) != int(count) or len(set(given)) != len(given) or not set(given) <= set(PORT_NAMES):
        raise ConfigError(
            f"expected each passed socket to have one of the names {', '.join(PORT_NAMES)} (FileDescriptorName=), got"
            f" {count} sockets with the names '{names}'"
        )
    return {name: _adopted(name, _FIRST_DESCRIPTOR + place) for place, name in enumerate(given)}


def _adopted(name: str, descriptor: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=descriptor)
        listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise ConfigError(
            f"expected a socket for {name} as descriptor {descriptor}: {error.strerror}"
        ) from error
    if (
        sock.type != socket.SOCK_STREAM
        or sock.family not in (socket.AF_INET, socket.AF_INET6)
        or not listening
    ):
        sock.close()
        raise ConfigError(f"expected a listening TCP socket for {name} as descriptor {descriptor}")
    sock.setblocking(False)
    os.set_inheritable(descriptor, False)
    return sock


class ServiceManager:
    """Who started us, if it wants to know. Failing to tell it is no reason to stop."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        address = environ.pop("NOTIFY_SOCKET", "")
        watched = environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        interval = environ.pop("WATCHDOG_USEC", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog_s = int(interval) / 1e6 if watched and interval.isdigit() else None

    def ready(self, text: str) -> None:
        """The server answers. text: one line for whoever asks for the status."""
        self._tell(f"READY=1\nSTATUS={text}")

    def stopping(self) -> None:
        self._tell("STOPPING=1\nSTATUS=draining")

    def reloading(self) -> None:
        """To be followed by `ready`."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    async def watch(self) -> None:
        """Show, in half of the interval that was asked for, that the loop still turns. Returns at once if nobody asked."""
        if self._watchdog_s is None or not self._address:
            return
        while True:
            self._tell("WATCHDOG=1")
            await trio.sleep(self._watchdog_s / 2)

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto(state.encode(), self._address)
        except OSError as error:
            log.warning("cannot tell the service manager, which is not asked again: %s", error)
            self._address = ""
