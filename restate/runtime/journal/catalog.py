"""The catalog of commands: (generation, message code) → how to read it, who may use it, what it does.

Two rules of the classic generation live here because they hold for all its entries: codes that the catalog does not
know are custom entries, and an entry that arrives with its result inside is only stored.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, ClassVar, Protocol, TypeVar, cast

import attrs
from google.protobuf.message import DecodeError

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.journal import Callee
from restate.runtime.model.promise import PromiseListener, PromiseRow
from restate.runtime.model.result import Outcome, Result
from restate.runtime.model.target import Generation, ServiceType, Target

CUSTOM_CODES = 0xFC00
"""A classic code with any of these bits is an entry; without them it is a control message."""


class UnknownCommand(ValueError):
    """No command of this generation has the code."""


class CommandDecodeError(ValueError):
    """The bytes are not the message that the code promises."""


class BadReference(CommandDecodeError):
    """The message is well formed, but an id inside it is none."""


class Access(IntEnum):
    """What the target of an invocation must be to use a command."""

    ANY = 0
    READS_STATE = 1
    WRITES_STATE = 2
    PROMISES = 3


class Context(Protocol):
    """The world as one command of one invocation sees it while it is applied.

    What it changes is part of the same write as the command itself.
    """

    @property
    def generation(self) -> Generation: ...

    @property
    def command_index(self) -> int: ...

    @property
    def callee(self) -> Callee:
        """The invocation that a call, send or attach refers to."""
        ...

    def complete(self, completion_id: int, result: Result) -> None:
        """Append the command's completion directly behind it."""

    def join_early_completion(self) -> None:
        """Show the attempt a completion that was stored before this command was."""

    def set_output(self, outcome: Outcome) -> None:
        """Set how the invocation will end; a later one replaces it."""

    def sleep_until(self, due_ms: int, completion_id: int) -> None:
        """Complete with Void when the time has come; at the next opportunity if it is past."""

    def call(
        self,
        parameter: bytes,
        headers: tuple[tuple[str, str], ...],
        *,
        callee_completion_id: int | None,
        result_completion_id: int | None,
        execution_time_ms: int | None = None,
    ) -> None:
        """Start the callee, or join it. callee_completion_id: gets the callee's id now. result_completion_id: gets
        its outcome at its end; None for a send.
        """

    def attach(self, completion_id: int, *, block: bool) -> None:
        """Complete with the callee's outcome at its end; unless `block`, at once, with Void if it has not ended."""

    def signal(self, target: InvocationId, key: int | str, result: Result) -> None:
        """Send a signal to another invocation."""

    def complete_awakeable(self, target: InvocationId, index: int, result: Outcome) -> None:
        """Complete a classic awakeable of another invocation."""

    def get_state(self, name: bytes) -> bytes | None:
        """One value of the object; None if absent, or if the target has no state. So for all state methods."""
        ...

    def state_names(self) -> tuple[bytes, ...]: ...

    def set_state(self, name: bytes, value: bytes) -> None: ...

    def clear_state(self, name: bytes) -> None: ...

    def clear_all_state(self) -> None: ...

    def listener(self, completion_id: int) -> PromiseListener:
        """This invocation, as somebody who waits for `completion_id`."""
        ...

    def get_promise(self, name: str) -> PromiseRow | None: ...

    def put_promise(self, name: str, row: PromiseRow) -> None: ...

    def respond(self, listener: PromiseListener, result: Outcome) -> None:
        """Complete what somebody else waits for."""


class Command(Protocol):
    """One decoded command. name: what the user's code called it; "" if nothing, and in the classic generation."""

    @property
    def name(self) -> str: ...

    @property
    def completion_ids(self) -> tuple[int, ...]:
        """Ids under which completions of this command will come; they lead back to it."""
        ...

    def apply(self, context: Context) -> None:
        """Do what the command stands for, once, when it is appended."""
        ...


class NoCompletion:
    """Base of commands that are never completed."""

    __slots__ = ()
    completion_ids: ClassVar[tuple[int, ...]] = ()


@attrs.frozen
class Entry:
    """One row of the catalog. kind: the class name, as people see it. completion_code: 0x80xx of its result."""

    kind: str
    read: Callable[[bytes, int], Command]
    access: Access
    completion_code: int


_entries: dict[tuple[Generation, int], Entry] = {}
_T = TypeVar("_T", bound=type)


def command(
    *,
    modern: int | None = None,
    classic: int | None = None,
    completion: int = 0,
    access: Access = Access.ANY,
) -> Callable[[_T], _T]:
    """Class decorator: put a command into the catalog under its code of each generation.

    The class has a class method per generation it exists in: `from_modern(raw)`, `from_classic(raw, command_index)`.
    Raises ValueError if a code is taken.
    """

    def register(cls: _T) -> _T:
        readers = cast("Any", cls)
        if modern is not None:
            read_modern = readers.from_modern
            read: Callable[[bytes, int], Command] = lambda raw, _index: read_modern(raw)  # noqa: E731
            _add(Generation.MODERN, modern, Entry(cls.__name__, read, access, completion))
        if classic is not None:
            _add(Generation.CLASSIC, classic, Entry(cls.__name__, readers.from_classic, access, completion))
        return cls

    return register


def _add(generation: Generation, code: int, entry: Entry) -> None:
    taken = _entries.setdefault((generation, code), entry)
    if taken is not entry:
        raise ValueError(f"expected one command per code, got {entry.kind} and {taken.kind} for {code:#06x}")


@attrs.frozen
class Custom(NoCompletion):
    """A classic entry that is only stored: custom codes (side effects are among them), and entries with a result."""

    code: int
    name: str = ""

    def apply(self, context: Context) -> None:
        """Nothing: the bytes mean something to the SDK alone."""


def is_command(generation: Generation, code: int) -> bool:
    """Whether a message with this code belongs into a journal; else it is a control message, or unknown."""
    if generation is Generation.CLASSIC and code & CUSTOM_CODES:
        return True
    return (generation, code) in _entries


def decode(
    generation: Generation, code: int, raw: bytes, *, command_index: int, completed: bool = False
) -> Command:
    """Read a command from its wire bytes. completed: the COMPLETED flag of a classic entry.

    Raises UnknownCommand or CommandDecodeError; both texts name the code.
    """
    entry = _entries.get((generation, code))
    if entry is None:
        if not is_command(generation, code):
            raise UnknownCommand(f"expected a {generation.name.lower()} command, got type {code:#06x}")
        return Custom(code)
    try:
        read = entry.read(raw, command_index)
    except DecodeError as error:
        raise CommandDecodeError(
            f"expected a {entry.kind} ({code:#06x}), got other bytes: {error}"
        ) from error
    # What is only stored is read all the same: bytes that are no message would fail every replay.
    return Custom(code) if completed and generation is Generation.CLASSIC else read


def kind_of(generation: Generation, code: int) -> str:
    """The name of a command type for people: `Sleep`, `SetState`; `Custom` for unknown classic codes."""
    entry = _entries.get((generation, code))
    return "Custom" if entry is None else entry.kind


def completion_code(generation: Generation, code: int) -> int:
    """The notification type of this command's result. KeyError if it has no completion."""
    return _entries[generation, code].completion_code


def refusal(generation: Generation, code: int, target: Target) -> str | None:
    """Why an invocation of `target` may not use this command; None if it may (service-protocol.md §4.4).

    Classic unkeyed services may use state commands, to no effect: their SDKs do not tell them apart.
    """
    entry = _entries.get((generation, code))
    if entry is None or generation is Generation.CLASSIC:
        return None
    if entry.access is Access.READS_STATE and not target.has_state:
        return f"{entry.kind} expects a virtual object or workflow, got the service handler {target}"
    if entry.access is Access.WRITES_STATE and not target.writes_state:
        return f"{entry.kind} expects an exclusive or workflow handler, got {target}"
    if entry.access is Access.PROMISES and target.service_type is not ServiceType.WORKFLOW:
        return f"{entry.kind} expects a workflow handler, got {target}"
    return None


def registered() -> Sequence[tuple[Generation, int, str]]:
    """All rows as (generation, code, kind), for tests and tables of names."""
    return [(generation, code, entry.kind) for (generation, code), entry in sorted(_entries.items())]
