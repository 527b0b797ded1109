"""Work in flight while a server is killed under it, and the account of what must be true afterwards.

Every operation is repeated until it is answered, under one idempotency key, as a careful client does. What an
answer promised is booked; `Load.settle` compares the books with the counters.
"""

from __future__ import annotations

import functools
import random
import threading
import time
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import httpx

from tests.support.caller import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.caller import Caller, Reply
    from tests.support.programs import ServiceProgram

_GIVE_UP_SECONDS = 90
_PAUSE_SECONDS = 0.05
_KEYS = 16
_STEP_MS = 60


class Dialect(Protocol):
    """How one generation is spoken to at the ingress."""

    def call(self, ask: Ask, target: str, request: object, *, key: str | None = None) -> Reply: ...
    def value(self, reply: Reply) -> Any: ...
    def resolve(self, caller: Caller, awakeable_id: str) -> Reply: ...


class Ask:
    """One operation: asked again and again under one idempotency key until there is an answer."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._idempotency_key = uuid.uuid4().hex

    def post(self, path: str, body: object) -> Reply:
        """body: None sends none, which is what a handler without input wants."""
        arguments = (path,) if body is None else (path, body)
        call = functools.partial(self.caller.call, *arguments, idempotency_key=self._idempotency_key)
        return until_answered(call, what=path)


class Modern:
    """Services, virtual objects, JSON bodies."""

    def call(self, ask: Ask, target: str, request: object, *, key: str | None = None) -> Reply:
        service, handler = target.split("/")
        path = f"{service}/{handler}" if key is None else f"{service}/{key}/{handler}"
        return ask.post(path, request)

    def value(self, reply: Reply) -> Any:
        return reply.value

    def resolve(self, caller: Caller, awakeable_id: str) -> Reply:
        return caller.resolve(awakeable_id, "yes")


class Classic:
    """Routers; requests and responses are wrapped."""

    def call(self, ask: Ask, target: str, request: object, *, key: str | None = None) -> Reply:
        service, handler = target.split("/")
        body = {"request": request} if key is None else {"key": key, "request": request}
        return ask.post(f"{service.lower()}/{handler}", body)

    def value(self, reply: Reply) -> Any:
        return reply.value.get("response")

    def resolve(self, caller: Caller, awakeable_id: str) -> Reply:
        body = {"id": awakeable_id, "json_result": "yes"}
        return caller.call("dev.restate.Awakeables/Resolve", body)


@attrs.define
class Load:
    """Threads that keep every kind of step in flight on one service program.

    expected: increments promised per counter key. failures: answers that broke a promise, as text.
    """

    caller: Caller
    program: ServiceProgram
    dialect: Dialect
    seed: int
    workers: int = 8
    expected: Counter[str] = attrs.field(factory=Counter)
    finished: Counter[str] = attrs.field(factory=Counter)
    failures: list[str] = attrs.field(factory=list)
    _accepted: list[str] = attrs.field(factory=list)
    _lock: threading.Lock = attrs.field(factory=threading.Lock)
    _over: threading.Event = attrs.field(factory=threading.Event)
    _settled: threading.Event = attrs.field(factory=threading.Event)
    _threads: list[threading.Thread] = attrs.field(factory=list)

    def start(self) -> None:
        for number in range(self.workers):
            self._threads.append(
                threading.Thread(target=self._work, args=(random.Random(self.seed + number),), daemon=True)
            )
        self._threads.append(threading.Thread(target=self._resolve_awakeables, daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no more operations."""
        self._over.set()

    def abandon(self) -> None:
        """End every thread soon, settled or not."""
        self._over.set()
        self._settled.set()

    def settle(self) -> None:
        """After `stop`: wait until every accepted invocation has ended and every counter is right."""
        *workers, resolver = self._threads
        for thread in workers:
            thread.join()
        for invocation_id in self._accepted:
            reply = until_answered(
                functools.partial(self.caller.attach, invocation_id), what="an accepted send"
            )
            self._check(reply.status == 200, f"accepted {invocation_id} ended with {reply.status}")
        self._settled.set()
        resolver.join()
        deadline = time.monotonic() + 60
        while self._counted() != self.expected and time.monotonic() < deadline:
            time.sleep(0.1)
        # A doubled increment may still be under way.
        time.sleep(1)
        counted = self._counted()
        self._check(counted == self.expected, _difference(counted, self.expected))
        assert not self.failures, self.failures

    def _work(self, chance: random.Random) -> None:
        """Do one operation after another until the load is over."""
        steps: list[Callable[[random.Random], None]] = [
            self._add,
            self._add_slowly,
            self._flow,
            self._flow,
            self._send_from_handler,
            self._ask_twice,
            self._fail,
        ]
        if isinstance(self.dialect, Modern):
            steps += [self._send, self._send, self._cancel]
        while not self._over.is_set():
            step = chance.choice(steps)
            try:
                step(chance)
            except Exception as error:
                self._check(False, f"{step.__name__}: {error!r}")
                return
            with self._lock:
                self.finished[step.__name__.strip("_")] += 1

    def _add(self, chance: random.Random) -> None:
        key = _key(chance)
        self._book(self.dialect.call(Ask(self.caller), "Counter/add", 1, key=key), key, 1)

    def _add_slowly(self, chance: random.Random) -> None:
        key = _key(chance)
        request = {"n": 1, "ms": _STEP_MS}
        self._book(self.dialect.call(Ask(self.caller), "Counter/slowAdd", request, key=key), key, 1)

    def _flow(self, chance: random.Random) -> None:
        key, name = _key(chance), uuid.uuid4().hex
        request = {"key": key, "name": name, "ms": _STEP_MS, "failures": chance.choice((0, 0, 1))}
        reply = self.dialect.call(Ask(self.caller), "Steps/flow", request)
        self._book(reply, key, 4)
        if reply.status == 200:
            result = {"name": name, "stamped": True, "answer": "yes", "depth": 2}
            self._check(
                self.dialect.value(reply) == result, f"{reply.invocation_id} gave {reply.value}, not {result}"
            )

    def _send_from_handler(self, chance: random.Random) -> None:
        key = _key(chance)
        request = {"key": key, "count": 3, "delay_ms": chance.choice((0, _STEP_MS, 10 * _STEP_MS))}
        self._book(self.dialect.call(Ask(self.caller), "Steps/sends", request), key, 3)

    def _ask_twice(self, chance: random.Random) -> None:
        key, ask = _key(chance), Ask(self.caller)
        first, second = (self.dialect.call(ask, "Counter/add", 1, key=key) for _ in range(2))
        self._book(first, key, 1)
        self._check(first.value == second.value, f"one key, two answers: {first.value}, {second.value}")

    def _fail(self, _chance: random.Random) -> None:
        reply = self.dialect.call(Ask(self.caller), "Steps/terminal", {"code": 6, "message": "no way"})
        self._check("no way" in str(reply.value), f"a terminal error became {reply.status} {reply.value}")

    def _send(self, chance: random.Random) -> None:
        key, delay = _key(chance), chance.choice(("", "?delay=60ms", "?delay=1s"))
        reply = Ask(self.caller).post(f"Counter/{key}/add/send{delay}", 1)
        if self._book(reply, key, 1, status=202):
            self._accepted.append(reply.value["invocationId"])

    def _cancel(self, _chance: random.Random) -> None:
        name = uuid.uuid4().hex
        reply = Ask(self.caller).post("Steps/stuck/send", {"name": name, "depth": 2})
        if not self._check(reply.status == 202, f"a send gave {reply.status} {reply.value}"):
            return
        sent = reply.value["invocationId"]
        eventually(lambda: self.program.read(f"{name}.stuck.1"), what="a child", timeout_seconds=30)
        # Asked again after a crash, the first cancel may have done its work already.
        cancelled = until_answered(lambda: self.caller.cancel(sent), what="a cancel")
        self._check(cancelled.status in (202, 409), f"a cancel gave {cancelled.status} {cancelled.value}")
        ended = until_answered(lambda: self.caller.attach(sent), what="a cancelled invocation")
        self._check(ended.status == 409, f"a cancelled invocation gave {ended.status} {ended.value}")

    def _resolve_awakeables(self) -> None:
        """Complete every awakeable that a flow announces, until all is settled."""
        done = 0
        while not self._settled.is_set():
            ids = self.program.lines("flow.ids")
            for awakeable_id in ids[done:]:
                resolve = functools.partial(self.dialect.resolve, self.caller, awakeable_id)
                reply = until_answered(resolve, what="an awakeable")
                self._check(reply.status in (200, 202), f"an awakeable gave {reply.status} {reply.value}")
            done = len(ids)
            time.sleep(0.01)

    def _book(self, reply: Reply, key: str, increments: int, *, status: int = 200) -> bool:
        """Note what an answer promised."""
        if not self._check(reply.status == status, f"{reply.status} {reply.body.decode()}"):
            return False
        with self._lock:
            self.expected[key] += increments
        return True

    def _check(self, held: bool, broken: str) -> bool:
        if not held:
            with self._lock:
                self.failures.append(broken)
        return held

    def _counted(self) -> Counter[str]:
        replies = {
            key: self.dialect.call(Ask(self.caller), "Counter/get", None, key=key) for key in self.expected
        }
        return Counter({key: self.dialect.value(reply) for key, reply in replies.items()})


def until_answered(ask: Callable[[], Reply], *, what: str) -> Reply:
    """Repeat a request that got no answer at all; AssertionError when the server stays silent."""
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    while True:
        try:
            return ask()
        except httpx.TransportError as error:
            if time.monotonic() > deadline:
                raise AssertionError(f"no answer for {what} in {_GIVE_UP_SECONDS} s: {error!r}") from error
            time.sleep(_PAUSE_SECONDS)


def _key(chance: random.Random) -> str:
    return f"load{chance.randrange(_KEYS)}"


def _difference(counted: Counter[str], expected: Counter[str]) -> str:
    wrong = {key: (counted[key], expected[key]) for key in expected if counted[key] != expected[key]}
    return f"{{key: (counted, expected)}} = {wrong}"
