"""Journal commands: what a handler wrote, and what that does to the world.

Each module holds a few closely related commands of both generations: the class, its message codes, how it is read
from wire bytes, and `apply`, its effect when it is appended to the journal. The catalog finds them by generation and
code, so neither the engine nor the service protocol has a second list. A command never touches a stream, a clock or
a table of another invocation: it asks its `Context`.
"""

# Importing a module puts its commands into the catalog.
from restate.runtime.journal import (
    attach,
    awakeable,
    call,
    output,
    promise,
    run,
    signal,
    sleep,
    state,
)
from restate.runtime.journal import input as input_

__all__ = [
    "attach",
    "awakeable",
    "call",
    "input_",
    "output",
    "promise",
    "run",
    "signal",
    "sleep",
    "state",
]
