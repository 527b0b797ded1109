"""One scenario on one server: does what it says, and observes what came of it."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import attrs
import httpx

from tests.support.caller import eventually
from tests.support.inspection import Inspector, Invocation, mask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.programs import ServiceProgram
    from tests.support.server import Server

Steps = list[list[Any]]
"""What a handler does: see `tests/support/services/differential.py`."""

Observation = list[str]
"""What the two servers must have in common: the lines of answers, of invocations with their journals and of state."""

_SETTLE_SECONDS = 12
_LOOK_AGAIN_SECONDS = 0.1
_SHOWN = 400
"""Longer answers are observed by their length."""
_OPERATIONS = {"cancel": "PATCH", "kill": "PATCH"}


@attrs.frozen
class Stage:
    """Where scenarios are played: a server with the services of `differential.py` or `.mjs`."""

    server: Server
    program: ServiceProgram
    inspector: Inspector
    http: httpx.Client


class Play:
    """What a scenario works with. Labels name its requests, and the invocations they start, in the observation."""

    def __init__(self, name: str, stage: Stage) -> None:
        """name: the scenario's own; its keys, files and idempotency keys derive from it."""
        self.key = name
        self.leaves: set[str] = set()
        """Statuses other than `completed` in which invocations stand at the end of the scenario."""
        self._stage = stage
        self._ids: dict[str, str] = {}
        self._answers: dict[str, str] = {}
        self._objects: list[tuple[str, str]] = []
        self._begun: dict[str, threading.Thread] = {}
        self._failures: list[BaseException] = []

    # What a scenario does.

    def call(self, label: str, path: str, body: object, **options: Any) -> None:
        """A call through the ingress. body: JSON, or bytes as they are. options: idempotency, headers."""
        reply = self._post(path, body, **options)
        self._ids.setdefault(label, reply.headers.get("x-restate-id", ""))
        self._answered(label, reply)

    def begin(self, label: str, path: str, body: object, **options: Any) -> None:
        """The same, without waiting for the answer."""

        def work() -> None:
            try:
                self.call(label, path, body, **options)
            except BaseException as error:
                self._failures.append(error)

        self._begun[label] = threading.Thread(target=work)
        self._begun[label].start()

    def answer(self, label: str) -> None:
        """Wait for the answer to a call that was begun."""
        self._begun[label].join(_SETTLE_SECONDS)
        assert not self._begun[label].is_alive(), f"no answer to {label}"

    def send(self, label: str, path: str, body: object, **options: Any) -> str:
        """A one-way call through the ingress; the invocation's id. options: also delay, in milliseconds."""
        delay = options.pop("delay", None)
        reply = self._post(f"{path}/send" + (f"?delay={delay}ms" if delay else ""), body, **options)
        invocation_id = str(json.loads(reply.content)["invocationId"])
        self._ids.setdefault(label, invocation_id)
        self._answered(label, reply)
        return invocation_id

    def attach(self, label: str, to: str) -> None:
        """Wait for the result of the invocation with the label `to`."""
        self._get(label, f"restate/invocation/{self._ids[to]}/attach")

    def output(self, label: str, of: str) -> None:
        """Look at the result of the invocation with the label `of`."""
        self._get(label, f"restate/invocation/{self._ids[of]}/output")

    def fetch(self, label: str, path: str) -> None:
        """GET from the ingress."""
        self._get(label, path)

    def operate(self, label: str, operation: str, on: str) -> None:
        """An operator's request about the invocation with the label `on`: cancel, kill."""
        method = _OPERATIONS[operation]
        url = f"{self._stage.server.admin}/invocations/{self._ids[on]}/{operation}"
        reply = self._stage.http.request(method, url)
        # The bodies are the admin's business.
        self._answers[label] = str(reply.status_code)

    def resolve(self, label: str, awakeable: str, value: object) -> None:
        """Resolve the awakeable whose id a handler writes, or has written, under this name."""
        self._answered(label, self._post(f"restate/awakeables/{self.file(awakeable)}/resolve", value))

    def reject(self, label: str, awakeable: str, reason: str) -> None:
        path = f"restate/awakeables/{self.file(awakeable)}/reject"
        self._answered(label, self._post(path, reason.encode(), headers={"content-type": "text/plain"}))

    def file(self, name: str) -> str:
        """What a handler writes under this name, once it has."""
        return eventually(lambda: self._stage.program.read(name), what=f"the file {name}")

    def go_on(self, name: str) -> None:
        """Write the file that a handler waits for."""
        (self._stage.program.bed / name).write_text("go on")

    def follow(self, label: str, file: str) -> None:
        """Give the invocation whose id a handler writes under this name a label."""
        self._ids[label] = self.file(file)

    def until(self, label: str, status: str) -> None:
        """Wait for the invocation's status; `gone` if there is none."""
        eventually(
            lambda: self._status(label) == status,
            what=f"{label} to be {status}",
            timeout_seconds=_SETTLE_SECONDS,
        )

    def until_entry(self, label: str, kind: str, *, count: int = 1) -> None:
        """Wait for so many entries of this kind in the invocation's journal."""
        journal = self._stage.inspector.journal
        eventually(
            lambda: sum(entry.kind == kind for entry in journal(self._ids[label])) >= count,
            what=f"{kind} in the journal of {label}",
        )

    def watch(self, service: str, key: str | None = None) -> None:
        """Observe this object's state at the end."""
        self._objects.append((service, self.key if key is None else key))

    # What came of it.

    def observe(self) -> Observation:
        """Wait for everything that was begun to end, or to stand as the scenario leaves it; then look."""
        for label in self._begun:
            self.answer(label)
        for failure in self._failures:
            raise failure
        invocations = self._settle()
        lines = [f"answer to {label}: {answer}" for label, answer in sorted(self._answers.items())]
        for label, invocation_id in sorted(self._ids.items()):
            if invocation_id:
                root, *below = self._lines(invocations, invocation_id)
                lines += [f"invocation of {label}: {root}", *below]
        for service, key in self._objects:
            lines.append(f"state of {service}/{key}: {self._stage.inspector.state(service, key)}")
        return lines

    def _settle(self) -> Mapping[str, Invocation]:
        standing = self.leaves | {"completed"}
        deadline = time.monotonic() + _SETTLE_SECONDS
        before = None
        while True:
            invocations = self._stage.inspector.invocations()
            now = [invocations[each] for root in self._ids.values() for each in _tree(invocations, root)]
            # Twice the same, because what one invocation sends to another may not be stored yet.
            if (
                now == before and all(each.status in standing for each in now)
            ) or time.monotonic() > deadline:
                return invocations
            before = now
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _lines(
        self, invocations: Mapping[str, Invocation], invocation_id: str, indent: str = ""
    ) -> list[str]:
        """The invocation, its journal, and its children in the order in which the journal names them."""
        found = invocations.get(invocation_id)
        if found is None:
            return [f"{indent}gone"]
        outcome = "" if found.outcome is None else f": {mask(found.outcome)}"
        lines = [f"{indent}{found.target} {found.status}{outcome}"]
        journal = self._stage.inspector.journal(invocation_id)
        lines += [f"{indent}  {entry.text}" for entry in journal]
        children = {each.id for each in invocations.values() if each.parent == invocation_id}
        named = list(dict.fromkeys(each for entry in journal for each in entry.ids if each in children))
        unnamed = sorted(children - set(named))
        for child in named + unnamed:
            lines += self._lines(invocations, child, indent + "    ")
        return lines

    def _status(self, label: str) -> str:
        found = self._stage.inspector.invocation(self._ids[label])
        return "gone" if found is None else found.status

    def _answered(self, label: str, reply: httpx.Response) -> None:
        text = mask(reply.content.decode("utf-8", "backslashreplace"))
        if len(text) > _SHOWN:
            text = f"... {len(text)} characters"
        self._answers[label] = f"{reply.status_code} {text}".rstrip()

    def _post(
        self,
        path: str,
        body: object,
        *,
        idempotency: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json", **(headers or {})}
        if idempotency is not None:
            given["idempotency-key"] = idempotency
        return self._stage.http.post(f"{self._stage.server.ingress}/{path}", content=content, headers=given)

    def _get(self, label: str, path: str) -> None:
        self._answered(label, self._stage.http.get(f"{self._stage.server.ingress}/{path}"))


def _tree(invocations: Mapping[str, Invocation], root: str) -> list[str]:
    """The invocation and all below it, as far as they exist."""
    if root not in invocations:
        return []
    children = [each.id for each in invocations.values() if each.parent == root]
    return [root, *(deeper for child in children for deeper in _tree(invocations, child))]
