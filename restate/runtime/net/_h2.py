"""The HTTP/2 state machine in use: h2, or jh2 when RESTATE_HTTP2=jh2 is set and it is installed.

Both have the same modules and names. jh2 (extra `fast`) has its header compression in Rust, but it lets a newline
in a received header value pass, so our code checks values itself.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING or os.environ.get("RESTATE_HTTP2", "h2") != "jh2":
    from h2 import config, connection, errors, events, exceptions, settings, stream
else:
    from jh2 import config, connection, errors, events, exceptions, settings, stream

# For a log that is off, the module describes every frame that it receives, payloads included; a name of its own that
# stands before the built-in one makes that cheap.
connection.__dict__["repr"] = object.__repr__

__all__ = ["config", "connection", "errors", "events", "exceptions", "settings", "stream"]
