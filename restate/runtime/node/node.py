"""What this node is, and how far it has come."""

from enum import Enum

import attrs

from restate.runtime.partition.handle import Partition

NODE_ID = 1
"""The cluster is this one node."""


class Status(Enum):
    STARTING_UP = "starting_up"
    """Requests are accepted and wait."""
    ALIVE = "alive"
    SHUTTING_DOWN = "shutting_down"
    """New requests are refused, what is in progress comes to an end."""


@attrs.frozen(eq=False)
class Node:
    """generation: how often the store has been opened, this time included; a later start has a greater one."""

    partition: Partition
    generation: int

    @property
    def status(self) -> Status:
        if self.partition.refusing:
            return Status.SHUTTING_DOWN
        return Status.ALIVE if self.partition.ready.is_set() else Status.STARTING_UP
