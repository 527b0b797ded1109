"""The configuration: one tree of values, four sources, one error (RT0002) for everything that cannot be used.

`tree` has the settings and their defaults, with `ports` and `work`; `values` reads single values, `names` knows what both generations call them,
`sources` gathers and weighs the sources, `arguments` is the command line, `listing` prints the tree in effect.
"""

from restate.runtime.config.ports import Admin, Ingress, IngressJson, NodeCtrl, Postgres, Query
from restate.runtime.config.sources import load
from restate.runtime.config.tree import Config, Log, Net, Observability
from restate.runtime.config.values import Address
from restate.runtime.config.work import Discovery, Engine, Invoker, Retention, RetrySettings, Storage

__all__ = [
    "Address",
    "Admin",
    "Config",
    "Discovery",
    "Engine",
    "Ingress",
    "IngressJson",
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
