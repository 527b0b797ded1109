"""Every limit of a listener, in one value."""

import attrs


@attrs.frozen(kw_only=True)
class Limits:
    """What one listener grants its clients. Times are seconds, sizes are bytes."""

    max_connections: int = 10_000  # then new ones wait in the kernel's backlog
    receive_bytes: int = 65_536  # taken from the socket at once

    first_bytes_timeout: float = 10.0  # from accept until the protocol is known
    head_timeout: float = 15.0  # from the first byte of an HTTP/1.1 head to its end
    body_timeout: float = 60.0  # between two pieces of a request body that a handler waits for
    write_timeout: float = 60.0  # the client takes not one byte for so long: it is gone
    probe_interval: float = (
        30.0  # an HTTP/1.1 client that has ended its side is asked so often if it still waits
    )
    idle_timeout: float = 75.0  # HTTP/1.1 connection between two requests
    h2_idle_timeout: float = 600.0  # h2 connection without an open stream
    ping_after: float = 60.0  # h2 connection with open streams that has been silent for so long is pinged
    ping_timeout: float = 20.0  # and lost when it stays silent for so long after that
    drain_ping_timeout: float = 1.0  # wait for the client to have seen the first GOAWAY
    linger_timeout: float = 1.0  # reading on after a refusal, so that the client can read the answer
    tick: float = 1.0  # how often these times are looked at: the precision of all of them

    header_block_bytes: int = 65_536  # request line and headers; 431 above
    header_count: int = 512  # 431 above
    body_drain_bytes: int = 262_144  # unread body that is read and dropped to keep an HTTP/1.1 connection

    max_concurrent_streams: int = 1_000  # per h2 connection
    initial_window_bytes: int = 1 << 20  # unread body per h2 stream
    connection_window_bytes: int = 4 << 20  # unread bodies per h2 connection
    write_backlog_bytes: int = 65_536  # per h2 connection; senders wait above
    control_backlog_bytes: int = (
        1 << 20
    )  # read from an h2 client while it takes nothing; then we stop reading
    resets_per_interval: int = 1_000  # streams that an h2 client may reset; ENHANCE_YOUR_CALM above
    control_frames_per_interval: int = 10_000  # pings, settings, priorities and empty data frames; the same
    interval: float = 10.0  # of the two above
