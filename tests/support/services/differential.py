# mypy: ignore-errors
# (restate-sdk lives in an environment of its own, so a type checker of this project cannot see it.)
"""Services on the Python SDK whose handlers do the steps of their request; `differential.mjs` does the same on
TypeScript. Started like `modern.py`, which describes the settings.

A request is a list of steps `[operation, argument...]`, the answer is the list of their results. Operations that the
SDK offers as futures can be begun without waiting for them, `["begin", name, step]`, and awaited later by name:
`["await", name]`, `["race", name...]`, `["all", name...]`. See `_FUTURES` and `_STEPS` for all of them.
"""

import asyncio
import json
import os
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Never

from serving import serve

import restate
from restate.serde import BytesSerde

BED = Path(os.environ["BED_DIR"])
RAW = BytesSerde()

# Counts attempts, which durable state cannot.
attempts: Counter[str] = Counter()
first_seen: dict[str, float] = {}


def write(name: str, text: str) -> None:
    """Write a file in one step, so that a polling test never reads half of it."""
    draft = BED / f".{name}.{os.getpid()}"
    draft.write_text(text)
    draft.replace(BED / name)


def from_file(text: str) -> str:
    """`@name` is what has been written under this name."""
    return (BED / text[1:]).read_text() if text.startswith("@") else text


async def written(name: str) -> None:
    while not (BED / name).exists():  # noqa: ASYNC110 (another process writes it)
        await asyncio.sleep(0.01)


def ms(count: float) -> timedelta:
    return timedelta(milliseconds=count)


class Player:
    """Does the steps of one attempt."""

    def __init__(self, ctx: restate.Context) -> None:
        self.ctx = ctx
        self.id = ctx.request().id
        self.begun = {}

    async def play(self, script: list) -> list:
        return [await self.step(*step) for step in script]

    async def step(self, operation: str, *arguments: object) -> object:
        if operation in _FUTURES:
            return await self.value(operation, _FUTURES[operation](self, *arguments))
        return await _STEPS[operation](self, *arguments)

    async def value(self, operation: str, future: restate.RestateDurableFuture) -> object:
        value = await future
        return (json.loads(value) if value else None) if operation == "call" else value

    # Futures.

    def run(self, name: str, value: object) -> object:
        return self.ctx.run_typed(name, lambda: value)

    def run_fails(self, name: str, code: int, message: str) -> object:
        def fail() -> None:
            raise restate.TerminalError(message, code)

        return self.ctx.run_typed(name, fail)

    def run_flaky(self, name: str, failures: int, most: int | None = None) -> object:
        """Fails so many times, then gives its number; given up after `most` attempts."""

        def execute() -> int:
            attempts[f"{self.id}/{name}"] += 1
            if attempts[f"{self.id}/{name}"] <= failures:
                raise RuntimeError("not yet")
            return attempts[f"{self.id}/{name}"]

        options = restate.RunOptions(max_attempts=most, initial_retry_interval=ms(10))
        return self.ctx.run_typed(name, execute, options)

    def run_slow(self, name: str, milliseconds: float) -> object:
        async def work() -> str:
            await asyncio.sleep(milliseconds / 1000)
            return "worked"

        return self.ctx.run_typed(name, work)

    def run_until(self, name: str, file: str) -> object:
        """Works until the test has written this file."""

        async def work() -> str:
            await written(file)
            return "worked"

        return self.ctx.run_typed(name, work)

    def sleep(self, milliseconds: float) -> object:
        return self.ctx.sleep(ms(milliseconds))

    def call(
        self, service: str, handler: str, key: str | None, body: object, options: dict | None = None
    ) -> object:
        options = options or {}
        return self.ctx.generic_call(
            service,
            handler,
            json.dumps(body).encode(),
            key,
            idempotency_key=options.get("idempotency"),
            headers=options.get("headers"),
        )

    def awakeable(self, name: str) -> object:
        """Its id is written under this name at each attempt."""
        awakeable_id, future = self.ctx.awakeable()
        write(name, awakeable_id)
        return future

    def promise(self, name: str) -> object:
        return self.ctx.promise(name).value()

    def signal(self, name: str) -> object:
        return self.ctx.signal(name)

    def attach(self, target: str) -> object:
        return self.ctx.attach_invocation(from_file(target))

    # Steps.

    async def begin(self, name: str, step: list) -> None:
        self.begun[name] = (step[0], _FUTURES[step[0]](self, *step[1:]))

    async def wait(self, name: str) -> object:
        return await self.value(*self.begun[name])

    async def race(self, *names: str) -> object:
        won, _ = await restate.select(**{name: self.begun[name][1] for name in names})
        return won

    async def all(self, *names: str) -> object:
        await restate.gather(*(self.begun[name][1] for name in names))
        return [await self.wait(name) for name in names]

    async def send(
        self, service: str, handler: str, key: str | None, body: object, options: dict | None = None
    ) -> object:
        options = options or {}
        handle = self.ctx.generic_send(
            service,
            handler,
            json.dumps(body).encode(),
            key,
            send_delay=ms(options["delay"]) if "delay" in options else None,
            idempotency_key=options.get("idempotency"),
            headers=options.get("headers"),
        )
        if "id_to" in options:
            write(options["id_to"], await handle.invocation_id())

    async def callee(self, name: str, file: str) -> None:
        """Write the id of the invocation that a begun call has started."""
        write(file, await self.begun[name][1].invocation_id())

    async def cancel(self, target: str) -> None:
        self.ctx.cancel_invocation(from_file(target))

    async def resolve(self, awakeable_id: str, value: object) -> None:
        self.ctx.resolve_awakeable(from_file(awakeable_id), value)

    async def reject(self, awakeable_id: str, reason: str) -> None:
        self.ctx.reject_awakeable(from_file(awakeable_id), reason)

    async def resolve_signal(self, target: str, name: str, value: object) -> None:
        self.ctx.resolve_signal(from_file(target), name, value)

    async def reject_signal(self, target: str, name: str, reason: str) -> None:
        self.ctx.reject_signal(from_file(target), name, reason)

    async def get(self, name: str) -> object:
        return await self.ctx.get(name)

    async def set(self, name: str, value: object) -> None:
        self.ctx.set(name, value)

    async def clear(self, name: str) -> None:
        self.ctx.clear(name)

    async def clear_all(self) -> None:
        self.ctx.clear_all()

    async def keys(self) -> list[str]:
        return sorted(await self.ctx.state_keys())

    async def peek(self, name: str) -> object:
        return await self.ctx.promise(name).peek()

    async def fulfil(self, name: str, value: object) -> None:
        await self.ctx.promise(name).resolve(value)

    async def refuse(self, name: str, reason: str) -> None:
        await self.ctx.promise(name).reject(reason)

    async def attempt(self, step: list) -> object:
        """The step's result, or the terminal error it ends with."""
        try:
            return await self.step(*step)
        except restate.TerminalError as error:
            return {"code": error.status_code, "message": error.message}

    async def fail(self, code: int, message: str) -> Never:
        raise restate.TerminalError(message, code)

    async def fail_with(self, code: int, message: str, metadata: dict) -> Never:
        raise restate.TerminalError(message, code, metadata)

    async def boom(self, times: int) -> None:
        """An error that is retried, at so many attempts."""
        attempts[self.id] += 1
        if attempts[self.id] <= times:
            raise RuntimeError("boom")

    async def mark(self, name: str) -> None:
        write(name, self.id)

    async def boom_until(self, file: str) -> None:
        """An error that is retried, until the test has written this file."""
        if not (BED / file).exists():
            raise RuntimeError("boom")

    async def until(self, file: str) -> None:
        """A wait that the server does not know of, until the test has written this file."""
        await written(file)

    async def header(self, name: str) -> str | None:
        return self.ctx.request().headers.get(name)

    async def key(self) -> str:
        return self.ctx.key()

    async def value_(self, value: object) -> object:
        return value

    async def text(self, length: int) -> str:
        return "x" * length

    async def random(self) -> bool:
        """Whether two attempts see the same random numbers; suspends in between."""
        seen = self.ctx.random().random()
        first = first_seen.setdefault(self.id, seen)
        await self.ctx.sleep(ms(1200))
        return first == seen


_FUTURES = {
    "run": Player.run,
    "runFails": Player.run_fails,
    "runFlaky": Player.run_flaky,
    "runSlow": Player.run_slow,
    "runUntil": Player.run_until,
    "sleep": Player.sleep,
    "call": Player.call,
    "awakeable": Player.awakeable,
    "promise": Player.promise,
    "signal": Player.signal,
    "attach": Player.attach,
}
_STEPS = {
    "begin": Player.begin,
    "await": Player.wait,
    "race": Player.race,
    "all": Player.all,
    "send": Player.send,
    "callee": Player.callee,
    "cancel": Player.cancel,
    "resolve": Player.resolve,
    "reject": Player.reject,
    "resolveSignal": Player.resolve_signal,
    "rejectSignal": Player.reject_signal,
    "get": Player.get,
    "set": Player.set,
    "clear": Player.clear,
    "clearAll": Player.clear_all,
    "keys": Player.keys,
    "peek": Player.peek,
    "fulfil": Player.fulfil,
    "refuse": Player.refuse,
    "try": Player.attempt,
    "fail": Player.fail,
    "failWith": Player.fail_with,
    "boom": Player.boom,
    "mark": Player.mark,
    "boomUntil": Player.boom_until,
    "until": Player.until,
    "header": Player.header,
    "key": Player.key,
    "value": Player.value_,
    "text": Player.text,
    "random": Player.random,
}


def policy(most: int, then: str) -> restate.InvocationRetryPolicy:
    return restate.InvocationRetryPolicy(initial_interval=ms(20), max_attempts=most, on_max_attempts=then)


def service(name: str, **options: object) -> restate.Service:
    made = restate.Service(name, **options)

    @made.handler()
    async def play(ctx: restate.Context, script: list) -> list:
        return await Player(ctx).play(script)

    @made.handler(
        "raw", accept="*/*", content_type="application/octet-stream", input_serde=RAW, output_serde=RAW
    )
    async def raw(ctx: restate.Context, body: bytes) -> bytes:
        return body

    return made


def virtual_object(name: str, **options: object) -> restate.VirtualObject:
    made = restate.VirtualObject(name, **options)

    @made.handler()
    async def play(ctx: restate.ObjectContext, script: list) -> list:
        return await Player(ctx).play(script)

    @made.handler(kind="shared")
    async def look(ctx: restate.ObjectSharedContext, script: list) -> list:
        return await Player(ctx).play(script)

    return made


flow = restate.Workflow("Flow")


@flow.main()
async def run(ctx: restate.WorkflowContext, script: list) -> list:
    return await Player(ctx).play(script)


@flow.handler()
async def look(ctx: restate.WorkflowSharedContext, script: list) -> list:
    return await Player(ctx).play(script)


app = restate.app(
    [
        service("Plain"),
        service("Pausing", invocation_retry_policy=policy(2, "pause")),
        service("Killing", invocation_retry_policy=policy(2, "kill")),
        service("Forgetful", journal_retention=ms(0)),
        virtual_object("Object"),
        virtual_object("Lazy", enable_lazy_state=True),
        virtual_object("PausingObject", invocation_retry_policy=policy(2, "pause")),
        flow,
    ],
    protocol=os.environ.get("BED_PROTOCOL", "bidi"),
)

serve(app)
