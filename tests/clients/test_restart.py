"""SIGTERM and the next start, with a real SDK: nothing accepted is lost, nothing is done twice."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.clients.conftest import INACTIVITY, Bed, make_server, start_program
from tests.support.caller import Caller, Reply, eventually
from tests.support.programs import Sdk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SOON_S = 40.0
"""Far below the grace period of a minute; later the server is killed, and its status tells that."""

PATIENT = attrs.evolve(INACTIVITY, inactivity_timeout="1m")
"""Nothing suspends unless the server asks for it."""


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """A server of its own for each test, which may end it."""
    program = start_program(Sdk.PYTHON, tmp_path / "bed")
    server = make_server("ours", tmp_path, PATIENT)
    try:
        with Caller(server) as caller:
            caller.register(program.uri)
            yield Bed(server, program, caller)
    finally:
        server.stop()
        program.stop()


def end(bed: Bed) -> None:
    """SIGTERM, and status 0 soon."""
    assert bed.server.process.stop(grace_seconds=SOON_S) == 0, bed.server.log_text()


def test_what_is_accepted_just_before_the_end_is_done_after_it(bed: Bed) -> None:
    sent = [bed.caller.send(f"Counter/k{n % 3}/slowAdd", {"n": 1, "ms": 300}) for n in range(12)]
    end(bed)
    bed.server.start()
    for invocation in sent:
        assert bed.caller.attach(invocation).status == 200
    assert [bed.caller.call(f"Counter/k{n}/get").ok() for n in range(3)] == [4, 4, 4]


def test_a_delayed_send_that_was_due_meanwhile_runs_right_after_the_start(bed: Bed) -> None:
    sent = bed.caller.call("Counter/late/add/send?delay=500ms", 7).ok()["invocationId"]
    end(bed)
    time.sleep(0.6)
    bed.server.start()
    assert bed.caller.attach(sent).ok() == 7


def test_suspended_invocations_go_on(bed: Bed) -> None:
    sleeping = bed.caller.send("Steps/sleep", {"name": "s", "ms": 4000})
    waiting = bed.caller.send("Steps/awaits", "a")
    awakeable = eventually(lambda: bed.program.read("a.awakeable"), what="an awakeable")
    eventually(lambda: bed.program.read("s.sleeping"), what="the sleep")
    end(bed)
    bed.server.start()
    assert bed.caller.resolve(awakeable, "yes").status == 202
    assert bed.caller.attach(waiting).ok() == "yes"
    # The first attempt was asked to suspend by the server that ended.
    assert bed.caller.attach(sleeping).ok() == 2


def test_a_client_that_waits_is_told_to_come_back_and_finds_the_result(bed: Bed) -> None:
    replies: list[Reply] = []

    def call() -> None:
        request = {"name": "w", "ms": 4000}
        replies.append(bed.caller.call("Steps/sleep", request, idempotency_key="once"))

    client = threading.Thread(target=call)
    client.start()
    eventually(lambda: bed.program.read("w.sleeping"), what="the sleep")
    end(bed)
    client.join()
    assert replies[0].status == 503
    assert "shutting down" in replies[0].value["message"]
    bed.server.start()
    again = bed.caller.call("Steps/sleep", {"name": "w", "ms": 4000}, idempotency_key="once")
    assert again.ok() == 2


def test_a_step_in_work_is_finished_and_its_client_answered(bed: Bed) -> None:
    replies: list[Reply] = []

    def call() -> None:
        replies.append(bed.caller.call("Steps/longRun", {"ms": 700}))

    client = threading.Thread(target=call)
    client.start()
    time.sleep(0.3)
    end(bed)
    client.join()
    # The SDK may take the end of its request as a wish to suspend; then the step's result is there at the next start.
    assert replies[0].status in (200, 503), replies[0].body


def test_a_handler_that_fails_all_the_time_does_not_hold_up_the_end(bed: Bed) -> None:
    bed.program.stop()
    sent = [bed.caller.send("Greeter/greet", f"n{n}") for n in range(5)]
    eventually(lambda: "RT0010" in bed.server.log_text(), what="a failed attempt")
    end(bed)
    program = start_program(Sdk.PYTHON, bed.program.bed, port=bed.program.port)
    try:
        bed.server.start()
        assert [bed.caller.attach(invocation).status for invocation in sent] == [200] * 5
    finally:
        program.stop()
