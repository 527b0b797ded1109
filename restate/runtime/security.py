"""What protects the ports: tokens and certificates, from the settings and files that name them."""

import ipaddress
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import attrs

from restate.runtime.config import Address, Admin, Config, Ingress, NodeCtrl, Postgres
from restate.runtime.config.secret_file import read_secret_text
from restate.runtime.errors import ConfigError
from restate.runtime.net.access import Gate
from restate.runtime.net.tls import ServerTls, server_tls

log = logging.getLogger("restate.app")

_MOST_TOKEN_BYTES = 1 << 20
_HTTP = ("h2", "http/1.1")


@attrs.frozen
class Security:
    """gates: {section of a port: who may use it}, without postgres, which asks for a password. tls: {section: its
    certificate} of those ports that have one.
    """

    gates: Mapping[str, Gate]
    tls: Mapping[str, ServerTls]

    @classmethod
    def of(cls, config: Config) -> Self:
        """Reads the files. Raises ConfigError."""
        ports: dict[str, NodeCtrl | Ingress | Admin] = {
            "node_ctrl": config.node_ctrl,
            "ingress": config.ingress,
            "admin": config.admin,
        }
        certified: dict[str, NodeCtrl | Ingress | Admin | Postgres] = {**ports, "postgres": config.postgres}
        gates = {section: _gate(section, port) for section, port in ports.items()}
        found = {
            section: server_tls(
                section, port.tls_certificate_file, port.tls_key_file, _HTTP if section in ports else ()
            )
            for section, port in certified.items()
        }
        return cls(gates, {section: tls for section, tls in found.items() if tls is not None})

    def reload(self) -> None:
        """Read the certificates again, for new connections. Raises ConfigError for the first one that cannot be used."""
        for tls in self.tls.values():
            tls.reload()

    def warn_of_open_doors(self, address: Address) -> None:
        """Whoever reaches the admin port can stop every invocation and call any address from here. address: of this port,
        as it is in use: its socket may have been passed to us.
        """
        if self.gates["admin"].is_open and not ipaddress.ip_address(address.ip).is_loopback:
            log.warning(
                "the admin port listens on %s and asks nobody for a token: everybody who reaches it may change"
                " deployments and end invocations; set admin.token_file, or admin.bind_address to a loopback address",
                address,
            )


def _gate(section: str, port: NodeCtrl | Ingress | Admin) -> Gate:
    tokens = [] if port.token is None else [_checked(f"{section}.token", port.token)]
    if port.token_file is not None:
        tokens += _tokens_of(f"{section}.token_file", port.token_file)
    return Gate(tokens)


def _tokens_of(setting: str, path: Path) -> list[str]:
    text = read_secret_text(setting, path, "tokens", _MOST_TOKEN_BYTES)
    tokens = [_checked(setting, line.strip()) for line in text.splitlines() if line.strip()]
    if not tokens:
        # An empty file must not open the port.
        raise ConfigError(f"{setting}: expected at least one token, one per line, in {path}")
    return tokens


def _checked(setting: str, token: str) -> str:
    # The token itself stays out of the message.
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(f"{setting}: expected tokens of printable ASCII characters without spaces")
    return token
