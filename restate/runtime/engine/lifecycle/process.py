"""What concerns no single invocation: the start of the process, and changes of the schema."""

from restate.runtime.engine.actions import AdminOutcome, AdminReply, DrainLater, PublishSchema
from restate.runtime.engine.outbox import is_empty
from restate.runtime.engine.records import Boot, ChangeSchema
from restate.runtime.engine.turn import Turn

SCHEMA_VERSION = "schema_version"
"""Counter: how often the schema has changed."""


def boot(turn: Turn, record: Boot) -> None:
    """Start an attempt of every Invoked invocation, and nothing else: all others wait for something durable."""
    turn.tables.counters.next("boot")
    for invocation, _ in list(turn.tables.invocations.running()):
        draft = turn.load(invocation)
        assert draft is not None, "the running set names records"
        turn.start(draft)
    if not is_empty(turn.tables):
        turn.actions.append(DrainLater())


def change_schema(turn: Turn, record: ChangeSchema) -> None:
    """Replace rows, unless somebody else has changed the schema since the proposer looked."""
    counters = turn.tables.counters
    if counters.get(SCHEMA_VERSION) != record.expected_version:
        outcome = AdminOutcome.CONFLICT
    else:
        for key, value in record.rows:
            if value is None:
                turn.tables.schema.delete(key)
            else:
                turn.tables.schema.put(key, value)
        turn.actions.append(PublishSchema(counters.next(SCHEMA_VERSION), record.rows))
        outcome = AdminOutcome.DONE
    if record.request_id is not None:
        turn.actions.append(AdminReply(record.request_id, outcome))
