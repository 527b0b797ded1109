"""The Date header of our answers."""

import time
from email.utils import formatdate

_second = 0  # since the epoch
_text = b""  # of that second


def http_date() -> bytes:
    """Now, as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`. Formatted once per second."""
    global _second, _text
    now = int(time.time())
    if now != _second:
        _second, _text = now, formatdate(now, usegmt=True).encode()
    return _text
