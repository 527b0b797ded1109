"""The configuration: one tree of values, four sources, one error (RT0002) for everything that cannot be used.

`tree` has the settings and their defaults, `values` reads single values, `names` knows what both generations call them,
`sources` gathers and weighs the sources, `arguments` is the command line, `listing` prints the tree in effect.
"""

from restate.runtime.config.sources import load
from restate.runtime.config.tree import (
    Admin,
    Config,
    Discovery,
    Engine,
    Ingress,
    Invoker,
    Log,
    Net,
    NodeCtrl,
    Observability,
    Postgres,
    Query,
    Retention,
    RetrySettings,
    Storage,
)
from restate.runtime.config.values import Address

__all__ = [
    "Address",
    "Admin",
    "Config",
    "Discovery",
    "Engine",
    "Ingress",
    "Invoker",
    "Log",
    "Net",
    "NodeCtrl",
    "Observability",
    "Postgres",
    "Query",
    "Retention",
    "RetrySettings",
    "Storage",
    "load",
]
