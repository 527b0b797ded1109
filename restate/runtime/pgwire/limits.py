"""What one client may use of the server."""

import attrs

KIB = 1024
MIB = 1024 * KIB


@attrs.frozen
class Limits:
    """Sizes are bytes, the others are numbers of things a connection may have at a time."""

    message_size: int = 16 * MIB
    startup_size: int = 10_000
    """Of each packet and message until the client is known."""
    sql_size: int = 1 * MIB
    statements: int = 10_000
    """In one string of SQL."""
    prepared_statements: int = 1_000
    prepared_size: int = 8 * MIB
    """Of their texts together."""
    portals: int = 16
    """Cursors count as well."""
    portals_size: int = 16 * MIB
    """Of their parameters together."""
    settings: int = 200
    """Settings that a client may make up."""
    setting_size: int = 8 * KIB
