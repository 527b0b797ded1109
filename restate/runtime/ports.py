"""The four listening sockets: bound by us or passed by a service manager, and the file that tells others of them."""

import errno
import json
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

import attrs

from restate.runtime.config import Address, Config
from restate.runtime.errors import PortInUse
from restate.runtime.net.listener import Listener, bind
from restate.runtime.service_manager import inherited_sockets
from restate.runtime.storage.api import StorageError
from restate.runtime.wiring import addresses

PORTS_FILE = "ports.json"


@attrs.frozen
class Ports:
    """The four listening sockets."""

    node_ctrl: Listener
    ingress: Listener
    admin: Listener
    postgres: Listener

    def by_name(self) -> dict[str, Listener]:
        return attrs.asdict(self, recurse=False)


@contextmanager
def opened_ports(config: Config, environ: MutableMapping[str, str]) -> Iterator[Ports]:
    """All four ports, or none; closed at the end. Raises PortInUse, ConfigError."""
    passed = inherited_sockets(environ)
    listeners: list[Listener] = []
    try:
        for name, address in addresses(config).items():
            sock = passed.pop(name.replace("_", "-"), None)
            listeners.append(
                Listener(sock) if sock is not None else _bound(name, address, config.net.backlog)
            )
        yield Ports(*listeners)
    finally:
        for listener in listeners:
            listener.close()
        for unused in passed.values():
            unused.close()


def _bound(name: str, address: Address, backlog: int) -> Listener:
    try:
        return bind(address.ip, address.port, backlog)
    except OSError as error:
        reason = "it is in use" if error.errno == errno.EADDRINUSE else (error.strerror or str(error))
        raise PortInUse(f"{name}.bind_address: cannot listen on {address}: {reason}") from error


class PortsFile:
    """`ports.json` in the data directory: {name: port} while the server answers. Only for the holder of the lock."""

    def __init__(self, base_dir: Path) -> None:
        self._path = base_dir / PORTS_FILE

    def write(self, ports: Ports) -> None:
        """Whole or not at all: others poll for this file. Raises StorageError."""
        numbers = {name: listener.port for name, listener in ports.by_name().items()}
        partial_path = self._path.with_suffix(".tmp")
        try:
            partial_path.write_text(json.dumps(numbers) + "\n")
            partial_path.replace(self._path)
        except OSError as error:
            raise StorageError(f"cannot write '{self._path}': {error}") from error

    def remove(self) -> None:
        """Raises StorageError."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot remove '{self._path}': {error}") from error
