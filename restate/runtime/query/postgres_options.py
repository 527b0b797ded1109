"""What the postgres port is made of besides its socket and the query workers."""

import ssl

import attrs

from restate.runtime.pgwire.limits import Limits
from restate.runtime.pgwire.scram import Verifier


@attrs.frozen
class PostgresOptions:
    """Timeouts are seconds. password: None lets everybody in. tls: None leaves connections unencrypted."""

    password: Verifier | None = None
    tls: ssl.SSLContext | None = None
    max_connections: int = 100
    max_starting: int = 256
    """Clients who have not said who they are; for a further one, the oldest has to go."""
    startup_timeout: float = 10.0
    write_timeout: float = 60.0
    """How long a client may take for each piece of at most 64 KiB."""
    idle_timeout: float = float("inf")
    portal_idle_timeout: float = 30.0
    """The same while a suspended portal keeps a worker from others."""
    linger_timeout: float = 1.0
    """For a client to read why its connection ends; without it the system may throw the reason away."""
    limits: Limits = attrs.field(factory=Limits)
