"""A small world of handlers that do anything an SDK may do, in any order, driven by numbers.

Each step is (what, which): `what` selects a step, `which` is used up digit by digit for the choices inside it, so a
failing list of steps can be shrunk. After every step the invariants are checked, on the rows and against what the
simulation remembers: who was promised an answer, what an object's state must be, in which order callers came.
"""

from collections.abc import Callable

import attrs

from restate.runtime.engine.actions import (
    Action,
    IngressReply,
    JournalGrew,
    PauseAttempt,
    ResumeAttempt,
    StartAttempt,
)
from restate.runtime.engine.lifecycle.patch import decode_patch, state_version
from restate.runtime.engine.machine import Machine
from restate.runtime.engine.records import (
    AppendCommand,
    Attach,
    AttemptEffect,
    Boot,
    CompleteAwakeable,
    DrainOutbox,
    Effect,
    End,
    Move,
    Operate,
    Operation,
    PatchState,
    Paused,
    Record,
    Respond,
    RestartAsNew,
    Resume,
    SendSignal,
    Suspended,
    Terminate,
    TerminateKind,
    TimerFired,
)
from restate.runtime.engine.turn import object_of, place_of
from restate.runtime.journal.call import Call, OneWayCall
from restate.runtime.journal.state import ClearAllState, ClearState, SetState
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import IngressSink, Status
from restate.runtime.model.journal import CommandRow
from restate.runtime.model.result import VOID, Success
from restate.runtime.model.target import Generation, HandlerType, Target
from restate.runtime.storage.api import Store
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.tables import keys
from restate.runtime.tables.api import StatePatch, Tables
from restate.runtime.tables.rows import PROMISE, decode_inbox_entry
from tests.engine import commands as wire
from tests.engine import invariants
from tests.engine.commands import CLASSIC
from tests.engine.handler import (
    MAX_INVOCATIONS,
    OUTCOMES,
    SHARED_IDS,
    SIGNALS,
    TARGETS,
    Chooser,
    Handler,
    new_name,
)
from tests.engine.invariants import LIVE, Contents
from tests.engine.world import (
    World,
    invocation_id,
    invoke,
    name_of,
    workflow,
)

Step = tuple[int, int]
LATE: tuple[Effect, ...] = (End(), wire.run(99), wire.sleep(CLASSIC, 5))


@attrs.define
class Simulation:
    """log: every record with its time, for a second run. restarts: places in the log where the process began anew."""

    reopen: Callable[[Store], Store] = lambda store: store
    message_limit: int = 1
    world: World = attrs.field(factory=World)
    log: list[tuple[Record, int]] = attrs.field(factory=list)
    actions: list[list[Action]] = attrs.field(factory=list)
    restarts: set[int] = attrs.field(factory=set)
    names: list[str] = attrs.field(factory=list)
    requests: int = 0
    pending: set[int] = attrs.field(factory=set)
    states: dict[tuple[bytes, str, str], dict[bytes, bytes]] = attrs.field(factory=dict)
    queues: dict[tuple[bytes, str, str], list[InvocationId | int]] = attrs.field(factory=dict)
    contents: Contents = attrs.field(init=False)
    incarnations: int = 0
    pausing: set[InvocationId] = attrs.field(factory=set)
    shown: dict[InvocationId, int] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.world.machine = self._machine()
        self.contents = invariants.check(self.world.store)

    def _machine(self) -> Machine:
        return Machine(message_limit=self.message_limit)

    # Steps.

    def step(self, what: int, which: int) -> None:
        choose = Chooser(which)
        steps = (
            self._rest, self._invoke, self._invoke, self._attempt, self._attempt, self._attempt, self._attempt, self._attempt,
            self._attempt, self._attempt, self._attempt, self._attempt, self._attempt, self._late_effect, self._signal,
            self._awakeable, self._terminate, self._attach, self._operate, self._time, self._stray, self._drain,
            self._restart, self._operate, self._resume, self._restart_as_new, self._patch,
        )  # fmt: skip
        steps[what % len(steps)](choose)

    def _rest(self, choose: Chooser) -> None:
        """Nothing, so that a long list shrinks to a few steps that matter."""

    def _invoke(self, choose: Chooser) -> None:
        if len(self.contents.records) >= MAX_INVOCATIONS:
            return
        sink = self._client() if choose.below(4) else None
        at_ms = self.world.now_ms + choose.below(50) if choose.below(6) == 1 else None
        if choose.below(4) == 1:
            name, target, retention_ms = choose.one(SHARED_IDS)
        else:
            name, target, retention_ms = new_name(self.names), choose.one(TARGETS), choose.below(2) * 200
        if name not in self.names:
            self.names.append(name)
        record = invoke(
            name,
            target,
            sink=sink,
            completion_retention_ms=retention_ms,
            journal_retention_ms=choose.below(2) * 100,
            execution_time_ms=at_ms,
            submit_request=self.requests,
        )
        self.apply(record)

    def _client(self) -> IngressSink:
        self.requests += 1
        self.pending.add(self.requests)
        return IngressSink(self.requests)

    def _attempt(self, choose: Chooser) -> None:
        running = self._with_status(Status.INVOKED)
        if not running:
            return
        invocation = choose.one(running)
        effect = Handler(self.contents, invocation, choose, self.names, self.world.now_ms).next_effect()
        pausing = invocation in self.pausing
        self.apply(AttemptEffect(invocation, self.world.token[invocation], effect))
        if isinstance(effect, Suspended) and pausing:
            assert self._status(invocation) is Status.PAUSED, "16: a pause was asked for"
        if isinstance(effect, Paused):
            expected = Status.INVOKED if effect.asked and not pausing else Status.PAUSED
            assert self._status(invocation) is expected, "16: paused, unless it was taken back"

    def _late_effect(self, choose: Chooser) -> None:
        """22: what an older attempt says changes nothing."""
        if not self.world.token:
            return
        invocation = choose.one(sorted(self.world.token))
        token = self.world.token[invocation]
        record = self.contents.records.get(invocation)
        if record is not None and record.status is Status.INVOKED:
            token -= 1
        self._expect_no_change(AttemptEffect(invocation, token, choose.one(LATE)))

    def _expect_no_change(self, record: Record) -> None:
        before = self.contents.raw
        self.apply(record)
        assert self.contents.raw == before, f"22: expected {record} to change nothing"

    def _signal(self, choose: Chooser) -> None:
        if self.names:
            key = choose.one(SIGNALS)
            self.apply(SendSignal(invocation_id(choose.one(self.names)), key, choose.one((VOID, *OUTCOMES))))

    def _awakeable(self, choose: Chooser) -> None:
        if self.names:
            invocation = invocation_id(choose.one(self.names))
            self.apply(CompleteAwakeable(invocation, choose.below(8), choose.one(OUTCOMES)))

    def _terminate(self, choose: Chooser) -> None:
        if not self.names:
            return
        invocation = invocation_id(choose.one(self.names))
        if choose.below(3):
            self.apply(Terminate(invocation, TerminateKind.CANCEL, self.requests))
            return
        tree = self._tree(invocation)
        self.apply(Terminate(invocation, TerminateKind.KILL, self.requests))
        self._drain_all()
        left = {one for one in tree if self._status(one) in LIVE}
        assert not left, "24: nothing of a killed tree goes on"

    def _tree(self, root: InvocationId) -> set[InvocationId]:
        """The incarnations that a kill of `root` must reach, as ids."""
        if self.contents.raw[keys.OUTBOX]:
            return set()
        found: set[InvocationId] = set()
        todo = [root]
        while todo:
            invocation = todo.pop()
            record = self.contents.records.get(invocation)
            if record is None or invocation in found or record.status is Status.COMPLETED:
                continue
            found.add(invocation)
            if record.status not in LIVE:
                continue
            modern = record.target.generation is Generation.MODERN
            completed = self.contents.notified(invocation, signals=False)
            for row, command in self.contents.commands(invocation):
                open_call = isinstance(command, Call) and command.result_completion_id not in completed
                if row.callee is not None and (
                    open_call or (modern and isinstance(command, Call | OneWayCall))
                ):
                    todo.append(row.callee.invocation)
        return found

    def _attach(self, choose: Chooser) -> None:
        if self.names:
            invocation = invocation_id(choose.one(self.names))
            self.apply(Attach(invocation, self._client(), block=choose.below(2) == 0))

    def _operate(self, choose: Chooser) -> None:
        if self.names:
            operation = choose.one(tuple(Operation))
            self.apply(Operate(invocation_id(choose.one(self.names)), operation, self.requests))

    def _resume(self, choose: Chooser) -> None:
        """19: afterwards what has begun and not ended runs, on the other deployment if one was asked for and may be."""
        if not self.names:
            return
        invocation = invocation_id(choose.one(self.names))
        before = self.contents.records.get(invocation)
        move = self._move(choose)
        self.apply(Resume(invocation, move, self.requests))
        after = self.contents.records.get(invocation)
        if before is None or after is None or before.status not in LIVE:
            assert before == after, "19: only what has begun and not ended is resumed"
        elif before.status is Status.INVOKED:
            assert before == after, "19: what runs is not changed"
            assert move is not None or invocation not in self.pausing, "19: a pause is taken back"
        elif before.pin != after.pin:
            assert before.pin is not None, "19: without a pin there is nothing to change"
            assert after.pin is not None, "19: and it is not lost"
            assert move is not None, "19: nor changed unasked"
            version = after.pin.protocol_version
            assert after.pin.deployment_id == move.deployment_id
            assert before.pin.protocol_version == version, "19: the journal is of that version"
            assert move.min_protocol_version <= version <= move.max_protocol_version, "19: it is spoken there"

    def _move(self, choose: Chooser) -> Move | None:
        return choose.one(
            (
                None,
                None,
                Move("dp_2", False, 5, 7),
                Move("dp_2", True, 6, 6),
                Move("dp_2", False, 7, 9),
                Move(None, True),
            )
        )

    def _restart_as_new(self, choose: Chooser) -> None:
        """26: the new journal is a part of the old one, and whole in itself; `invariants` looks at the rest."""
        if not self.names or len(self.contents.records) >= MAX_INVOCATIONS:
            return
        ended = [one for one in self._with_status(Status.COMPLETED) if one in self.contents.journals]
        # By chance alone it would nearly never be one that can be restarted.
        names = [name_of(one) for one in ended] if ended and choose.below(4) else self.names
        old_id, last_index = invocation_id(choose.one(names)), choose.below(6)
        new_id = invocation_id(new_name(self.names))
        self.apply(RestartAsNew(old_id, new_id, last_index, self._move(choose), self.requests))
        if new_id in self.contents.records:
            old = self.contents.records[old_id]
            assert old.status is Status.COMPLETED, "26: only what has ended is restarted"
            assert last_index < old.journal_length, "26: from a place in its journal"
            copied = self.contents.journals[new_id]
            journal = self.contents.journals[old_id]
            assert copied[: last_index + 1] == journal[: last_index + 1], "26: the prefix is copied"
            assert all(row in journal for row in copied), "26: and nothing is made up"
            completed = self.contents.notified(new_id, signals=False)
            for _, command in self.contents.commands(new_id):
                assert set(command.completion_ids) <= completed.keys(), "26: with all completions"

    def _patch(self, choose: Chooser) -> None:
        target = choose.one(tuple(target for target in (*TARGETS, workflow()) if target.has_state))
        place = object_of(target)
        state = self.states.get(place, {})
        version = choose.one((None, state_version(sorted(state.items())), "stale"))
        patch = tuple((name, b"patched") for name in choose.one(((), (b"n",), (b"m", b"n"))))
        self.apply(PatchState(target.generation, target.service, target.key or "", patch, version))

    def _time(self, choose: Chooser) -> None:
        """Time passes; what is due fires in order, some of it twice."""
        self.world.now_ms += choose.below(120)
        while True:
            due = self.world.tables.timers.read(None, 1)
            if not due or due[0][0].due_ms > self.world.now_ms:
                return
            self.apply(TimerFired(due[0][0]))
            assert self.world.tables.timers.get(due[0][0]) is None, "23: a fired timer is gone"
            if choose.below(4) == 1:
                self._expect_no_change(TimerFired(due[0][0]))

    def _stray(self, choose: Chooser) -> None:
        """A response that nobody waits for: done already, to an older incarnation, or to no command at all."""
        if not self.names:
            return
        invocation = invocation_id(choose.one(self.names))
        record = self.contents.records.get(invocation)
        incarnation = 1 if record is None else record.incarnation
        completed = [] if record is None else list(self.contents.notified(invocation, signals=False))
        completion_id = choose.one([*completed, 77])
        assert isinstance(completion_id, int)
        self._expect_no_change(
            Respond(invocation, incarnation, completion_id, Generation.MODERN, Success(b"stray"))
        )
        self._expect_no_change(
            Respond(invocation, incarnation + 1000, 1, Generation.MODERN, Success(b"stray"))
        )

    def _drain(self, choose: Chooser) -> None:
        self.apply(DrainOutbox(1 + choose.below(3)))

    def _drain_all(self) -> None:
        while self.contents.raw[keys.OUTBOX]:
            self.apply(DrainOutbox(10))

    def _restart(self, choose: Chooser) -> None:
        """26: a new process over the same store starts exactly the `run` set, and changes nothing."""
        before = self.contents.raw
        self.world.store = self.reopen(self.world.store)
        self.world.machine = self._machine()
        self.world.tables = Tables(self.world.store)
        self.world.token.clear()
        self.pausing.clear()
        self.restarts.add(len(self.log))
        actions = self.apply(Boot())
        assert self.contents.raw == before, "26: a restart changes nothing"
        started = [action.id for action in actions if isinstance(action, StartAttempt)]
        assert sorted(started) == sorted(InvocationId(key) for key in before[keys.RUN]), (
            "26: and starts the `run` set"
        )

    # Applying and checking.

    def apply(self, record: Record) -> list[Action]:
        before = self.contents
        actions = self.world.apply(record)
        self.log.append((record, self.world.now_ms))
        self.actions.append(actions)
        self.contents = invariants.check(self.world.store)
        self._check_append_only(before)
        self._check_incarnations(before)
        self._follow_state(before, record)
        self._follow_queues()
        self._check_shown(actions)
        for action in actions:
            match action:
                case IngressReply():
                    self._check_reply(action)
                case PauseAttempt():
                    self.pausing.add(action.id)
                case ResumeAttempt() | StartAttempt():
                    self.pausing.discard(action.id)
        return actions

    def _check_append_only(self, before: Contents) -> None:
        rows = self.contents.raw[keys.JOURNAL]
        for key, value in before.raw[keys.JOURNAL].items():
            invocation = InvocationId(key[:24])
            old, new = before.records[invocation], self.contents.records.get(invocation)
            if new is not None and new.incarnation == old.incarnation and new.journal_length:
                assert rows[key] == value, "7: a journal row never changes"
        for key, value in before.raw[keys.PROMISE].items():
            new_value = self.contents.raw[keys.PROMISE].get(key)
            if new_value is not None and value != new_value:
                assert PROMISE.decode(value).outcome is None, "19: a completed promise never changes"

    def _check_incarnations(self, before: Contents) -> None:
        for invocation, record in self.contents.records.items():
            old = before.records.get(invocation)
            if old is None or old.incarnation != record.incarnation:
                assert record.incarnation > self.incarnations, "30: an incarnation is never used again"
        self.incarnations = max(
            [self.incarnations, *(record.incarnation for record in self.contents.records.values())]
        )

    def _check_shown(self, actions: list[Action]) -> None:
        """What a running attempt waits for, it is shown: no notification lies beyond the last told length."""
        for action in actions:
            if isinstance(action, StartAttempt):
                self.shown[action.id] = action.record.journal_length
            elif isinstance(action, JournalGrew):
                assert action.token == self.world.token[action.id], "22: only the current attempt is told"
                self.shown[action.id] = action.length
        for invocation in self._with_status(Status.INVOKED):
            unseen = self.contents.journals[invocation][self.shown[invocation] :]
            assert all(isinstance(row, CommandRow) for row in unseen), "11: an attempt sees what comes in"
            early = self.contents.notified(invocation, signals=True)
            awakeables = [
                row.command_index for row in unseen if isinstance(row, CommandRow) and row.code == 0x0C03
            ]
            assert not early.keys() & set(awakeables), "15: an awakeable finds its early completion"

    def _check_reply(self, reply: IngressReply) -> None:
        assert reply.request_id in self.pending, "15: a client gets one reply"
        self.pending.remove(reply.request_id)

    def _follow_state(self, before: Contents, record: Record) -> None:
        """20, 21: state changes through the commands of the invocation that has the object, and by workflow purge."""
        if isinstance(record, AttemptEffect) and isinstance(record.effect, AppendCommand):
            owner = before.records.get(record.id)
            if owner is not None and owner.target.has_state and owner.commands < self._commands(record.id):
                self._follow_command(record.id, owner.target)
        for patch in self._patched(before, record):
            place = place_of(patch.generation, patch.service, patch.key)
            if patch.version in (None, state_version(sorted(self.states.get(place, {}).items()))):
                self.states[place] = dict(patch.state)
        for invocation, old in before.records.items():
            new = self.contents.records.get(invocation)
            purged = old.status is Status.COMPLETED and (new is None or new.incarnation != old.incarnation)
            if purged and old.target.handler_type is HandlerType.WORKFLOW:
                self.states.pop(object_of(old.target), None)
        expected = {place: state for place, state in self.states.items() if state}
        assert self._states() == expected, "20: state is what the journals say"

    def _patched(self, before: Contents, record: Record) -> list[PatchState]:
        """The patches whose turn has come, in order: those that left an inbox, or the one that found the object free."""
        left = sorted(before.raw[keys.INBOX].keys() - self.contents.raw[keys.INBOX].keys())
        entries = [decode_inbox_entry(before.raw[keys.INBOX][key]) for key in left]
        patches = [decode_patch(entry) for entry in entries if isinstance(entry, StatePatch)]
        if isinstance(record, PatchState):
            place = place_of(record.generation, record.service, record.key)
            if keys.object_prefix(*place) not in before.raw[keys.LOCK]:
                patches.append(record)
            else:
                grown = len(self.contents.raw[keys.INBOX]) - len(before.raw[keys.INBOX])
                assert grown == 1, "5: a patch waits for who has the object"
        return patches

    def _commands(self, invocation: InvocationId) -> int:
        record = self.contents.records.get(invocation)
        return 0 if record is None else record.commands

    def _follow_command(self, invocation: InvocationId, target: Target) -> None:
        *_, (_, command) = self.contents.commands(invocation)
        state = self.states.setdefault(object_of(target), {})
        match command:
            case SetState(key=name, value=value):
                state[name] = value
            case ClearState(key=name):
                state.pop(name, None)
            case ClearAllState():
                state.clear()

    def _states(self) -> dict[tuple[bytes, str, str], dict[bytes, bytes]]:
        tables = Tables(self.world.store)
        places = {object_of(target) for target in (*TARGETS, workflow()) if target.has_state}
        found = {place: dict(tables.state.all(*place)) for place in places}
        assert sum(map(len, found.values())) == len(self.contents.raw[keys.STATE]), (
            "21: state of known objects only"
        )
        return {place: state for place, state in found.items() if state}

    def _follow_queues(self) -> None:
        """5: whoever came first to an object is the first to have it; patches, by their inbox seq, in their turn."""
        waiting = {
            invocation: record
            for invocation, record in self.contents.records.items()
            if record.target.exclusive and record.status not in (Status.SCHEDULED, Status.COMPLETED)
        }
        patches = self._waiting_patches()
        for place, queue in self.queues.items():
            left: list[InvocationId | int] = []
            for item in queue:
                if isinstance(item, int):
                    here = patches.get(item) == place
                    assert here or not left, "5: a patch is applied when its turn has come, not before"
                else:
                    here = item in waiting and object_of(waiting[item].target) == place
                if here:
                    left.append(item)
            self.queues[place] = left
        # One record admits several only by messages; the inbox seq is then their order.
        admitted: list[tuple[int, InvocationId | int, tuple[bytes, str, str]]] = [
            (record.inbox_seq or 0, invocation, object_of(record.target))
            for invocation, record in waiting.items()
        ]
        admitted += [(seq, seq, place) for seq, place in patches.items()]
        for _, item, place in sorted(admitted, key=lambda entry: entry[0]):
            queue = self.queues.setdefault(place, [])
            if item not in queue:
                queue.append(item)
        for place, queue in self.queues.items():
            holders = [item for item in queue if not isinstance(item, int) and waiting[item].status in LIVE]
            assert holders == queue[:1], f"5: the first in line has {place}"

    def _waiting_patches(self) -> dict[int, tuple[bytes, str, str]]:
        """{inbox seq: the object}."""
        found = {}
        for key, raw in self.contents.raw[keys.INBOX].items():
            entry = decode_inbox_entry(raw)
            if isinstance(entry, StatePatch):
                patch = decode_patch(entry)
                found[int.from_bytes(key[-8:], "big")] = place_of(patch.generation, patch.service, patch.key)
        return found

    def _with_status(self, *statuses: Status) -> list[InvocationId]:
        return [
            invocation for invocation, record in self.contents.records.items() if record.status in statuses
        ]

    def _status(self, invocation: InvocationId) -> Status | None:
        record = self.contents.records.get(invocation)
        return None if record is None else record.status

    # The end.

    def finish(self) -> None:
        """Let everything end. 16: then everybody who waited has been answered, and nothing is left but state."""
        for _ in range(200):
            self._drain_all()
            running = self._with_status(Status.INVOKED)
            stuck = self._with_status(Status.SUSPENDED, Status.PAUSED)
            if running:
                invocation = running[0]
                output = wire.output(self.contents.records[invocation].target.generation, Success(b"end"))
                self.apply(AttemptEffect(invocation, self.world.token[invocation], output))
                self.apply(AttemptEffect(invocation, self.world.token[invocation], End()))
            elif due := self.world.tables.timers.read(None, 1):
                self.world.now_ms = max(self.world.now_ms, due[0][0].due_ms)
                self.apply(TimerFired(due[0][0]))
            elif stuck:
                self.apply(Terminate(stuck[0], TerminateKind.KILL))
            else:
                break
        assert not self.contents.records, "16: everything comes to an end"
        assert not self.pending, "16: every client has been answered"
        for table in (keys.JOURNAL, keys.JIDX, keys.LOCK, keys.INBOX, keys.TIMERS, keys.OUTBOX):
            assert not self.contents.raw[table], f"13: nothing is left in {table}"

    def replay(self, batch_size: int) -> tuple[MemoryStore, list[list[Action]]]:
        """25: the log again, on an empty store, in other batches."""
        store = MemoryStore()
        tables, machine = Tables(store), self._machine()
        actions = []
        for position, (record, now_ms) in enumerate(self.log):
            if position in self.restarts:
                store.write(tables.take_writes())
                tables, machine = Tables(store), self._machine()
            actions.append(machine.apply(record, now_ms, tables))
            if position % batch_size == 0:
                store.write(tables.take_writes())
        store.write(tables.take_writes())
        return store, actions
