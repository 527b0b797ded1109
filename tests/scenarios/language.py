"""The language of the scenario files: one record per line, and below it, indented, what came of it.

    invoke a object:Counter/k/add body=1 client=1     an Invoke of invocation `a` for which client request 1 waits
    a set n 5                                         the current attempt of `a` appends a command
    a@1 end                                           attempt 1 of `a` reports; it may be stale
    time 6000                                         the clock shows 6000, and what is due by then fires
    patch Counter/k n:5 knows=n:4                     the state of an object is replaced, if it is what `knows` says
    restart                                           a new process over the same store

Actions come first, then rows: `+` written, `-` deleted (a journal in one line). Indexes that mirror other rows (`run`, `inv_svc`, `jidx`) and
counters are not shown; the property tests check them. Values: `text`, `!code:message` for a failure, `-` for Void.
"""

from collections.abc import Callable

from restate.runtime.engine import actions as act
from restate.runtime.engine import records as rec
from restate.runtime.engine.lifecycle.patch import state_version
from restate.runtime.engine.machine import Machine
from restate.runtime.journal.catalog import kind_of
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import (
    Awaiting,
    CallSink,
    Combinator,
    IngressSink,
    InvocationRecord,
    Sink,
    Status,
)
from restate.runtime.model.journal import CommandRow, JournalRow
from restate.runtime.model.result import CalleeId, Failure, Outcome, Result, StateKeys, Success, Void
from restate.runtime.model.target import Generation, HandlerType, ServiceType, Target
from restate.runtime.model.timer import TimerKey, TimerKind
from restate.runtime.storage.api import Write
from restate.runtime.tables import keys, rows
from restate.runtime.tables.api import DeleteUpTo
from tests.engine import commands as wire
from tests.engine.world import PIN, World, invocation_id, name_of

_KINDS = {
    "service": (ServiceType.SERVICE, HandlerType.PLAIN),
    "object": (ServiceType.VIRTUAL_OBJECT, HandlerType.EXCLUSIVE),
    "shared": (ServiceType.VIRTUAL_OBJECT, HandlerType.SHARED),
    "workflow": (ServiceType.WORKFLOW, HandlerType.WORKFLOW),
    "workflow-shared": (ServiceType.WORKFLOW, HandlerType.SHARED),
    "unkeyed": (ServiceType.UNKEYED, HandlerType.PLAIN),
    "keyed": (ServiceType.KEYED, HandlerType.EXCLUSIVE),
    "singleton": (ServiceType.SINGLETON, HandlerType.EXCLUSIVE),
}


class Scenario:
    """Runs the steps of one file in one world and writes down what happens."""

    def __init__(self) -> None:
        self._rows: list[str] = []
        self._world = World(written=self._see, machine=Machine(message_limit=8))
        self._targets: dict[InvocationId, Target] = {}

    def run(self, text: str) -> str:
        """The file as it should be: its steps and comments, each step followed by what really came of it."""
        lines = []
        for line in text.splitlines():
            if line.startswith((" ", "\t")):
                continue
            lines.append(line.rstrip())
            if line.strip() and not line.startswith("#"):
                self._rows.clear()
                actions = self._step(line.split("#")[0].split())
                lines += [f"    {_action(action)}" for action in actions]
                lines += [f"    {row}" for row in self._rows]
        return "\n".join(lines) + "\n"

    def _step(self, words: list[str]) -> list[act.Action]:
        verb, *rest = words
        plain, options = _options(rest)
        step = getattr(self, f"_do_{verb.replace('-', '_')}", None)
        if step is not None:
            found: list[act.Action] = step(plain, options)
            return found
        name, _, token = verb.partition("@")
        effect = self._effect(name, plain[0], plain[1:], options)
        return self._world.effect(name, effect, token=int(token) if token else None)

    def _do_invoke(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        name, text = words
        target = _target(text)
        self._targets[invocation_id(name)] = target
        retention_ms = int(options.get("retain", "0"))
        return self._world.invoke(
            name,
            target,
            body=options.get("body", "").encode(),
            sink=_client(options),
            completion_retention_ms=retention_ms,
            journal_retention_ms=int(options.get("retain-journal", "0")),
            idempotency_key=options.get("idempotency-key"),
            execution_time_ms=_number(options.get("at")),
            submit_request=_number(options.get("submit")),
        )

    def _do_attach(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        sink = _client(options)
        assert sink is not None, "attach needs client="
        return self._world.apply(
            rec.Attach(invocation_id(words[0]), sink, block=options.get("block") != "no")
        )

    def _do_signal(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        name, key, *value = words
        return self._world.apply(rec.SendSignal(invocation_id(name), _key(key), _result(value)))

    def _do_awakeable(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        name, index, value = words
        return self._world.apply(rec.CompleteAwakeable(invocation_id(name), int(index), _outcome(value)))

    def _do_cancel(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        return self._terminate(words[0], rec.TerminateKind.CANCEL, options)

    def _do_kill(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        return self._terminate(words[0], rec.TerminateKind.KILL, options)

    def _terminate(self, name: str, kind: rec.TerminateKind, options: dict[str, str]) -> list[act.Action]:
        return self._world.apply(rec.Terminate(invocation_id(name), kind, _number(options.get("admin"))))

    def _do_purge(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        return self._operate(words[0], rec.Operation.PURGE, options)

    def _do_purge_journal(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        return self._operate(words[0], rec.Operation.PURGE_JOURNAL, options)

    def _do_pause(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        return self._operate(words[0], rec.Operation.PAUSE, options)

    def _do_resume(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        request = _number(options.get("admin"))
        return self._world.apply(rec.Resume(invocation_id(words[0]), _move(options), request))

    def _do_restart_as_new(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        old, new = (invocation_id(name) for name in words)
        if old in self._targets:
            self._targets[new] = self._targets[old]
        last_index, request = int(options.get("from", "0")), _number(options.get("admin"))
        return self._world.apply(rec.RestartAsNew(old, new, last_index, _move(options), request))

    def _do_patch(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        service, key = words[0].split("/")
        known = options.get("knows")
        version = None if known is None else state_version(_state(known.split(",") if known else []))
        return self._world.apply(rec.PatchState(Generation.MODERN, service, key, _state(words[1:]), version))

    def _operate(self, name: str, operation: rec.Operation, options: dict[str, str]) -> list[act.Action]:
        return self._world.apply(rec.Operate(invocation_id(name), operation, _number(options.get("admin"))))

    def _do_time(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        return self._world.fire(int(words[0]))

    def _do_restart(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        return self._world.restart()

    def _do_drain(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        return self._world.apply(rec.DrainOutbox(int(words[0])))

    def _do_schema(self, words: list[str], options: dict[str, str]) -> list[act.Action]:
        version, *pairs = words
        changed = tuple(
            (name.encode(), None if value == "-" else value.encode())
            for name, _, value in (pair.partition(":") for pair in pairs)
        )
        return self._world.apply(rec.ChangeSchema(int(version), changed, _number(options.get("admin"))))

    def _effect(self, name: str, verb: str, words: list[str], options: dict[str, str]) -> rec.Effect:
        generation = self._targets[invocation_id(name)].generation
        effect = self._command(generation, verb, words, options)
        pin = PIN if options.get("pin") else None
        ack = "ack" in options
        if isinstance(effect, rec.AppendCommand):
            return rec.AppendCommand(
                effect.code, effect.raw, effect.ack or ack, effect.completed, effect.callee, pin
            )
        if isinstance(effect, rec.ProposeRun):
            return rec.ProposeRun(effect.completion_id, effect.result, ack, pin)
        return effect

    def _command(
        self, generation: Generation, verb: str, words: list[str], options: dict[str, str]
    ) -> rec.Effect:
        if verb in ("call", "send"):
            return self._call(
                generation, verb, words, [int(i) for i in options.get("ids", "").split(",") if i], options
            )
        first = int(options.get("id", "0"))
        simple: dict[str, Callable[[], rec.Effect]] = {
            "output": lambda: wire.output(generation, _outcome(words[0])),
            "end": rec.End,
            "fail": lambda: rec.Failed(_failure(words[0])),
            "pause": lambda: rec.Paused(_failure(words[0]) if words else None),
            "paused-as-asked": lambda: rec.Paused(_failure(words[0]), asked=True),
            "suspend": lambda: rec.Suspended(_awaiting(words)),
            "get": lambda: wire.get_state(generation, words[0].encode(), first),
            "get-eager": lambda: wire.get_eager_state(generation, words[0].encode(), words[1].encode()),
            "eager-keys": lambda: wire.eager_state_keys([word.encode() for word in words]),
            "keys": lambda: wire.state_keys(generation, first),
            "set": lambda: wire.set_state(generation, words[0].encode(), words[1].encode()),
            "clear": lambda: wire.clear_state(generation, words[0].encode()),
            "clear-all": lambda: wire.clear_all_state(generation),
            "sleep": lambda: wire.sleep(generation, int(words[0]), first),
            "run": lambda: wire.run(first),
            "propose": lambda: wire.propose(first, _outcome(words[0])),
            "side-effect": lambda: wire.side_effect(words[0].encode()),
            "new-awakeable": wire.awakeable,
            "resolve": lambda: wire.complete_awakeable(
                generation, words[0], invocation_id(words[1]), int(words[2]), _outcome(words[3])
            ),
            "send-signal": lambda: wire.send_signal(invocation_id(words[0]), _key(words[1])),
            "attach-to": lambda: wire.attach(invocation_id(words[0]), first),
            "output-of": lambda: wire.get_output(invocation_id(words[0]), first),
            "get-promise": lambda: wire.get_promise(words[0], first),
            "peek-promise": lambda: wire.peek_promise(words[0], first),
            "complete-promise": lambda: wire.complete_promise(words[0], first, _outcome(words[1])),
        }
        return simple[verb]()

    def _call(
        self, generation: Generation, verb: str, words: list[str], ids: list[int], options: dict[str, str]
    ) -> rec.AppendCommand:
        name, text = words
        callee, target = invocation_id(name), _target(text)
        self._targets[callee] = target
        body = options.get("body", "").encode()
        if verb == "call":
            pair = (ids[0], ids[1]) if ids else (0, 0)
            return wire.call(generation, callee, target, ids=pair, body=body)
        at_ms = int(options.get("at", "0"))
        return wire.send(
            generation, callee, target, completion_id=ids[0] if ids else 0, body=body, at_ms=at_ms
        )

    def _see(self, writes: list[Write]) -> None:
        shown = {_row(table, key, value, self._targets) for table, key, value in writes if table in _SHOWN}
        self._rows += sorted(shown, key=lambda row: row[2:])


def _options(words: list[str]) -> tuple[list[str], dict[str, str]]:
    plain, options = [], {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name.replace("-", "").isalpha():
            options[name] = value
        else:
            plain.append(word)
    return plain, options


def _target(text: str) -> Target:
    kind, _, path = text.partition(":")
    service_type, handler_type = _KINDS[kind]
    service, *key, handler = path.split("/")
    return Target(service, handler, key[0] if key else None, service_type, handler_type)


def _client(options: dict[str, str]) -> Sink | None:
    return IngressSink(int(options["client"])) if "client" in options else None


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _move(options: dict[str, str]) -> rec.Move | None:
    """`on=dp_2`, `latest=dp_2`, `on=-` for a deployment that is not there; speaks=5-7 are its protocol versions."""
    name = options.get("on", options.get("latest"))
    if name is None:
        return None
    low, _, high = options.get("speaks", "5-7").partition("-")
    return rec.Move(None if name == "-" else name, "latest" in options, int(low), int(high))


def _state(pairs: list[str]) -> tuple[tuple[bytes, bytes], ...]:
    """From `name:value`."""
    return tuple(
        sorted((name.encode(), value.encode()) for name, _, value in (p.partition(":") for p in pairs))
    )


def _key(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _failure(text: str) -> Failure:
    code, _, message = text.removeprefix("!").partition(":")
    return Failure(int(code), message)


def _outcome(text: str) -> Outcome:
    return _failure(text) if text.startswith("!") else Success(text.encode())


def _result(words: list[str]) -> Result:
    return _outcome(words[0]) if words else Void()


def _awaiting(words: list[str]) -> Awaiting:
    """`3` is a completion (classic: an entry index), `s17` and `s:name` are signals; any of them wakes up."""
    return Awaiting(
        Combinator.UNKNOWN,
        tuple(int(word) for word in words if word.isdigit()),
        tuple(int(word[1:]) for word in words if word[:1] == "s" and word[1:].isdigit()),
        tuple(word[2:] for word in words if word.startswith("s:")),
    )


def _text(value: bytes) -> str:
    return repr(value.decode())


def _show(result: Result | None) -> str:
    match result:
        case None:
            return "nothing yet"
        case Success(value):
            return _text(value)
        case Failure(code, message):
            return f"!{code}:{message}"
        case StateKeys(names):
            return f"keys {', '.join(name.decode() for name in names) or '-'}"
        case CalleeId(invocation):
            return f"is {name_of(InvocationId(invocation))}"
        case Void():
            return "Void"


def _sink(sink: Sink) -> str:
    if isinstance(sink, CallSink):
        return f"{name_of(sink.caller)}#{sink.completion_id}"
    return f"client {sink.request_id}"


def _action(action: act.Action) -> str:
    match action:
        case act.StartAttempt(id=invocation, token=token, record=record):
            return f"StartAttempt {name_of(invocation)}@{token} journal={record.journal_length}"
        case act.EndSpan(id=invocation):
            return f"EndSpan {name_of(invocation)}"
        case act.AbortAttempt(id=invocation, token=token):
            return f"AbortAttempt {name_of(invocation)}" + ("" if token is None else f"@{token}")
        case act.AckCommand(id=invocation, token=token, command_index=index):
            return f"AckCommand {name_of(invocation)}@{token} command={index}"
        case act.JournalGrew(id=invocation, token=token, length=length):
            return f"JournalGrew {name_of(invocation)}@{token} length={length}"
        case act.PauseAttempt(id=invocation, token=token) | act.ResumeAttempt(id=invocation, token=token):
            return f"{type(action).__name__} {name_of(invocation)}@{token}"
        case act.SetTimer(key=key) | act.UnsetTimer(key=key):
            return f"{type(action).__name__} {_timer(key)}"
        case act.IngressReply(
            request_id=request, id=invocation, outcome=outcome, expiry_ms=expiry, not_found=not_found
        ):
            text = "not found" if not_found else _show(outcome)
            return f"IngressReply client={request} {name_of(invocation)} {text}" + (
                f" expires={expiry}" if expiry else ""
            )
        case act.SubmitReply(request_id=request, id=invocation, execution_time_ms=at_ms, is_new=is_new):
            when = "" if at_ms is None else f" at={at_ms}"
            return (
                f"SubmitReply request={request} {name_of(invocation)}{when} {'new' if is_new else 'exists'}"
            )
        case act.AdminReply(request_id=request, outcome=done):
            return f"AdminReply request={request} {done.value}"
        case act.PublishSchema(version=version, rows=changed):
            return f"PublishSchema version={version} rows={len(changed)}"
        case act.PauseAttempt(id=invocation) | act.ResumeAttempt(id=invocation):
            return f"{type(action).__name__} {name_of(invocation)}"
        case act.DrainLater():
            return "DrainLater"


def _timer(key: TimerKey) -> str:
    index = f" #{key.index}" if key.kind is TimerKind.SLEEP else ""
    return f"{key.due_ms} {key.kind.name.lower()} {name_of(key.id)}{index}"


def _invocation(invocation: InvocationId, record: InvocationRecord) -> str:
    parts = [f"invocation {name_of(invocation)}: {record.status.name.lower()} {record.target}"]
    if record.pin is not None:
        parts.append(f"on {record.pin.deployment_id}")
    if record.sinks:
        parts.append("for " + ", ".join(_sink(sink) for sink in record.sinks))
    if record.status is Status.SUSPENDED and record.awaiting is not None:
        waits = record.awaiting
        names = [f"{i}" for i in waits.completions] + [f"s{i}" for i in waits.signals]
        parts.append("awaits " + " ".join(names + [f"s:{name}" for name in waits.named_signals]))
    if record.outcome is not None:
        parts.append(f"= {_show(record.outcome)}")
    return " ".join(parts)


def _journal(
    invocation: InvocationId, index: int, row: JournalRow, targets: dict[InvocationId, Target]
) -> str:
    where = f"journal {name_of(invocation)}[{index}]:"
    if isinstance(row, CommandRow):
        kind = kind_of(targets[invocation].generation, row.code)
        callee = "" if row.callee is None else f" -> {name_of(row.callee.invocation)}"
        return f"{where} {kind}{callee}"
    kind = "signal" if row.is_signal else "completion"
    return f"{where} {kind} {row.key} {_show(row.result)}"


_SHOWN = (keys.INV, keys.JOURNAL, keys.LOCK, keys.INBOX, keys.STATE, keys.PROMISE, keys.TIMERS, keys.OUTBOX)


def _row(
    table: str, key: bytes, value: bytes | DeleteUpTo | None, targets: dict[InvocationId, Target]
) -> str:
    if isinstance(value, DeleteUpTo):
        return f"- {table} of {name_of(InvocationId(key[:24]))}"
    sign = "-" if value is None else "+"
    return f"{sign} {_named(table, key, value, targets)}"


def _named(table: str, key: bytes, value: bytes | None, targets: dict[InvocationId, Target]) -> str:
    invocation = InvocationId(key[:24])
    if table == keys.INV:
        return (
            f"invocation {name_of(invocation)}"
            if value is None
            else _invocation(invocation, rows.INVOCATION.decode(value))
        )
    if table == keys.JOURNAL:
        if value is None:
            return f"journal {name_of(invocation)}"
        index = int.from_bytes(key[24:], "big")
        return _journal(invocation, index, rows.JOURNAL_ROW.decode(value), targets)
    if table == keys.TIMERS:
        return f"timer {_timer(keys.parse_timer_key(key))}"
    if table == keys.OUTBOX:
        return f"outbox {int.from_bytes(key, 'big')}"
    place, rest = _object(key)
    if table == keys.LOCK:
        return f"lock {place}" + ("" if value is None else f": {name_of(rows.decode_invocation_id(value))}")
    if table == keys.INBOX:
        entry = None if value is None else rows.decode_inbox_entry(value)
        who = f": {name_of(entry)}" if isinstance(entry, bytes) else ": patch" if entry else ""
        return f"inbox {place} {int.from_bytes(rest, 'big')}{who}"
    if table == keys.STATE:
        shown = "" if value is None else f" = {_text(rows.decode_bytes(value))}"
        return f"state {place} {rest.decode()}{shown}"
    if value is None:
        return f"promise {place} {rest.decode()}"
    row = rows.PROMISE.decode(value)
    waiting = ", ".join(f"{name_of(one.invocation)}#{one.completion_id}" for one in row.listeners)
    return f"promise {place} {rest.decode()} = {_show(row.outcome)}" + (f" for {waiting}" if waiting else "")


def _object(raw: bytes) -> tuple[str, bytes]:
    """(service/key, the rest) of an object's row key."""
    size = int.from_bytes(raw[8:10], "big")
    service, rest = raw[10 : 10 + size].decode(), raw[10 + size :]
    size = int.from_bytes(rest[:4], "big")
    return f"{service}/{rest[4 : 4 + size].decode()}", rest[4 + size :]
