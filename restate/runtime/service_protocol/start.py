"""What a service is told at the start of an attempt, besides the journal."""

from collections.abc import Sequence

import attrs

from restate.runtime.model.ids import InvocationId


@attrs.frozen
class StartInfo:
    """debug_id: the text form of the id. key: None for services without keys. state: (key, value) pairs.

    partial_state: `state` may lack entries. retry_count: failed attempts since the last stored entry; since_last_entry_ms:
    time since then. random_seed: 64 bits, the same in every attempt; classic has no field for these three.
    """

    id: InvocationId
    debug_id: str
    key: str | None
    state: Sequence[tuple[bytes, bytes]]
    partial_state: bool
    retry_count: int
    since_last_entry_ms: int
    random_seed: int
