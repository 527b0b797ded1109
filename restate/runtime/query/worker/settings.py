"""What a worker is told when it starts."""

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """What the server tells a worker when it starts it. database, home: folders; home is the worker's own."""

    socket: int
    database: str
    home: str
    memory_bytes: int
    address_space_bytes: int
    cache_bytes: int
    catalog_timeout_s: float
    catalog_row_limit: int
    niceness: int
