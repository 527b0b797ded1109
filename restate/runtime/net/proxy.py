"""The HTTP proxy that requests to http:// deployments are sent to.

It is no tunnel: it gets the same HTTP/2 or HTTP/1.1 as the deployment would, and reads from :authority or Host where
that is. https:// deployments are called directly.
"""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Self

import attrs

from restate.runtime.net.origin import Origin

_Network = IPv4Network | IPv6Network


@attrs.frozen
class Proxy:
    """origin: where it listens. networks, domains: of deployments that are called directly; "" is every domain."""

    origin: Origin
    networks: tuple[_Network, ...] = ()
    domains: tuple[str, ...] = ()

    @classmethod
    def of(cls, uri: str, exceptions: str = "") -> Self:
        """exceptions: names, addresses and networks, separated by commas; a name means its subdomains too, * all.

        ValueError: `uri` is not an http:// or https:// address.
        """
        networks: list[_Network] = []
        domains: list[str] = []
        for entry in filter(None, (part.strip() for part in exceptions.split(","))):
            try:
                networks.append(ip_network(entry, strict=False))
            except ValueError:
                domains.append(entry.lower().lstrip("*").strip("."))
        return cls(Origin.of(uri), tuple(networks), tuple(domains))

    def peer(self, origin: Origin) -> Origin:
        """Where to connect to for a request to `origin`: the proxy, or `origin` itself."""
        return self.origin if origin.scheme == "http" and self._carries(origin.host.lower()) else origin

    def _carries(self, host: str) -> bool:
        # A proxy elsewhere cannot reach what listens on our loopback.
        if _is_loopback(host) and not _is_loopback(self.origin.host):
            return False
        if any(domain in ("", host) or host.endswith(f".{domain}") for domain in self.domains):
            return False
        try:
            address = ip_address(host)
        except ValueError:
            return True
        return not any(address in network for network in self.networks)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
