"""One attempt at a time: what the server makes of what a service does, with engine and partition behind it."""

import itertools

import pytest
import trio
from trio.testing import MockClock

from restate.runtime.config import Invoker, RetrySettings
from restate.runtime.engine.records import TerminateKind
from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.invocation import Status
from restate.runtime.model.result import Failure, Success
from restate.runtime.net.client import ConnectFailed, StreamReset
from tests.support.rig import Conversation, Rig
from tests.support.sdk_peer import ACK


async def test_a_call_gets_the_output_of_its_handler(nursery: trio.Nursery) -> None:
    async def greet(sdk: Conversation) -> None:
        start, command = await sdk.replay()
        assert start.message.known_entries == 1
        sdk.output(b"hello " + command.message.value.content)

    rig = Rig(nursery, greet)
    await rig.start()

    reply = await rig.call("Greeter", "greet", b"joe")

    assert reply.outcome == Success(b"hello joe")
    (conversation,) = rig.client.conversations
    assert conversation.path == b"/invoke/Greeter/greet"
    assert (b"content-type", b"application/vnd.restate.invocation.v6") in conversation.headers
    nursery.cancel_scope.cancel()


async def test_headers_come_in_the_order_of_the_official_server(nursery: trio.Nursery) -> None:
    async def add(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.output(b"1")

    rig = Rig(nursery, add)
    await rig.start()
    await rig.call("Counter", "add", b"", key="a/b")

    (conversation,) = rig.client.conversations
    content_type = b"application/vnd.restate.invocation.v6"
    (invocation,) = (value for name, value in conversation.headers if name == b"x-restate-invocation-id")
    assert conversation.headers == [
        (b"content-type", content_type),
        (b"accept", content_type),
        (b"x-restate-invocation-id", invocation),
        (b"x-restate-service-key", b"a%2Fb"),
        (b"x-own", b"1"),
        (b"x-restate-cluster-name", b"test"),
    ]
    nursery.cancel_scope.cancel()


async def test_the_request_is_ended_as_soon_as_the_terminal_message_came(nursery: trio.Nursery) -> None:
    ended = trio.Event()

    async def slow_to_close(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.say("Output", value={"content": b"1"})
        sdk.say("End")
        await sdk.ended()
        sdk.close()
        ended.set()

    rig = Rig(nursery, slow_to_close)
    await rig.start()

    assert (await rig.call("Greeter", "greet", b"")).outcome == Success(b"1")
    await ended.wait()
    nursery.cancel_scope.cancel()


async def test_a_run_is_acknowledged_and_kept_over_a_failure(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def flaky(sdk: Conversation) -> None:
        replayed = await sdk.replay()
        if len(rig.client.conversations) == 1:
            sdk.say("Run", result_completion_id=1)
            sdk.say("ProposeRunCompletion", result_completion_id=1, value=b"7")
            completion = await sdk.hear()
            assert (completion.name, completion.message.value.content) == ("RunCompletion", b"7")
            sdk.say("Error", code=500, message="boom")
            sdk.close()
        else:
            assert [heard.name for heard in replayed] == ["Start", "Input", "Run", "RunCompletion"]
            assert replayed[0].message.retry_count_since_last_stored_entry == 1
            sdk.output(replayed[3].message.value.content)

    rig = Rig(nursery, flaky)
    await rig.start()

    assert (await rig.call("Greeter", "greet", b"")).outcome == Success(b"7")
    nursery.cancel_scope.cancel()


async def test_a_command_that_asks_for_an_ack_gets_one_when_it_is_stored(nursery: trio.Nursery) -> None:
    async def asks(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.say("SetState", ACK, key=b"n", value={"content": b"1"})
        ack = await sdk.hear()
        assert (ack.name, ack.message.command_index) == ("CommandAck", 1)
        sdk.output(b"done")

    rig = Rig(nursery, asks)
    await rig.start()

    assert (await rig.call("Counter", "add", b"", key="k")).outcome == Success(b"done")
    nursery.cancel_scope.cancel()


async def test_an_attempt_after_the_clock_was_set_back_is_a_normal_one(nursery: trio.Nursery) -> None:
    async def flaky(sdk: Conversation) -> None:
        replayed = await sdk.replay()
        if len(rig.client.conversations) == 1:
            rig.clock.shift_ms = -3_600_000
            sdk.say("Error", code=500, message="boom")
            sdk.close()
        else:
            assert replayed[0].message.duration_since_last_stored_entry == 0
            sdk.output(b"done")

    rig = Rig(nursery, flaky, retry_policy=RetrySettings(initial_interval_ms=1))
    await rig.start()

    assert (await rig.call("Greeter", "greet", b"")).outcome == Success(b"done")
    nursery.cancel_scope.cancel()


async def test_retries_wait_longer_each_time(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    began: list[float] = []

    async def failing(sdk: Conversation) -> None:
        began.append(trio.current_time())
        await sdk.replay()
        if len(began) < 5:
            sdk.say("Error", code=500, message="boom")
            sdk.close()
        else:
            sdk.output(b"at last")

    rig = Rig(nursery, failing, retry_policy=RetrySettings(initial_interval_ms=100, factor=2.0))
    await rig.start()

    assert (await rig.call("Greeter", "greet", b"")).outcome == Success(b"at last")
    gaps = [later - earlier for earlier, later in itertools.pairwise(began)]
    for gap, least in zip(gaps, (0.1, 0.2, 0.4, 0.8), strict=True):
        # Up to 30 % and 3 ms of jitter are added.
        assert least <= gap <= least * 1.31 + 0.01
    nursery.cancel_scope.cancel()


async def test_a_service_that_names_its_delay_gets_it_and_uses_up_no_attempt(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    began: list[float] = []

    async def slow_down(sdk: Conversation) -> None:
        began.append(trio.current_time())
        await sdk.replay()
        if len(began) < 4:
            sdk.say("Error", code=500, message="slow down", next_retry_delay=700)
            sdk.close()
        else:
            sdk.output(b"ok")

    rig = Rig(nursery, slow_down, retry_policy=RetrySettings(max_attempts=2, on_max_attempts="kill"))
    await rig.start()

    assert (await rig.call("Greeter", "greet", b"")).outcome == Success(b"ok")
    assert [round(b - a, 1) for a, b in itertools.pairwise(began)] == [0.7, 0.7, 0.7]
    nursery.cancel_scope.cancel()


async def test_the_last_error_is_the_outcome_when_attempts_run_out_and_the_policy_kills(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def failing(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.say("Error", code=503, message="never")
        sdk.close()

    rig = Rig(nursery, failing, retry_policy=RetrySettings(max_attempts=3, on_max_attempts="kill"))
    await rig.start()

    assert (await rig.call("Greeter", "greet", b"")).outcome == Failure(503, "never")
    assert len(rig.client.conversations) == 3
    nursery.cancel_scope.cancel()


async def test_an_invocation_is_paused_when_attempts_run_out_and_the_policy_pauses(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def failing(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.say("Error", code=500, message="never")
        sdk.close()

    rig = Rig(nursery, failing, retry_policy=RetrySettings(max_attempts=2, on_max_attempts="pause"))
    await rig.start()
    callee = rig.callee("Greeter", "greet")
    await rig.partition.send(callee, b"", ())
    await trio.sleep(10)

    record = rig.reader.invocations.get(callee.invocation)
    assert record is not None
    assert record.status is Status.PAUSED
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (
            401,
            "RT0012",
            "unexpected http status code: 401 Unauthorized; if the service checks request identity",
        ),
        (
            404,
            "RT0012",
            "unexpected http status code: 404 Not Found; the deployment does not serve this handler",
        ),
        (500, "RT0012", "unexpected http status code: 500 Internal Server Error"),
        (413, "RT0019", "service replied with content too large"),
        (415, "RT0015", "error code 415"),
        (429, "RT0023", "service is rate limited due to '429 Too Many Requests'"),
        (502, "RT0010", "service is temporary unavailable '502 Bad Gateway'"),
        (503, "RT0023", "service is rate limited due to '503 Service Unavailable'"),
    ],
)
async def test_a_bad_status_is_logged_with_its_code_and_retried(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
    status: int,
    code: str,
    text: str,
) -> None:
    async def refusing(sdk: Conversation) -> None:
        if len(rig.client.conversations) == 1:
            sdk.answer(status)
            sdk.close()
        else:
            await sdk.replay()
            sdk.output(b"ok")

    rig = Rig(nursery, refusing)
    await rig.start()

    assert (await rig.call("Greeter", "greet", b"")).outcome == Success(b"ok")
    (line,) = [record for record in caplog.records if record.name == "restate.invoker"]
    assert f"[{code}]" in line.getMessage()
    assert text in line.getMessage()
    assert line.__dict__["deployment"] == "dp_10000000000000000000001"
    assert line.__dict__["invocation"].startswith("inv_1")
    nursery.cancel_scope.cancel()


async def test_retry_after_sets_the_delay(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    began: list[float] = []

    async def busy(sdk: Conversation) -> None:
        began.append(trio.current_time())
        if len(began) == 1:
            sdk.answer(503, (b"retry-after", b"7"))
            sdk.close()
        else:
            await sdk.replay()
            sdk.output(b"ok")

    rig = Rig(nursery, busy)
    await rig.start()

    await rig.call("Greeter", "greet", b"")
    assert began[1] - began[0] == pytest.approx(7, abs=0.01)
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (b"", "RT0007"),  # the stream ends without a terminal message
        (b"\x04\x01\x00\x00\x00\x00", "RT0012"),  # half a frame
        (b"\x03\x77\x00\x00\x00\x00\x00\x00", "RT0012"),  # an unknown type
        (b"\x04\x0c\x00\x00\x00\x00\x00\x02\xff\xff", "RT0012"),  # a sleep that does not decode
        (b"\x04\x01\x00\x00\x7f\xff\xff\xff", "RT0003"),  # a message over the limit
        (b"\x00\x03\x00\x00\x00\x00\x00\x00", "RT0012"),  # End without an Output
        (b"\x00\x01\x00\x00\x00\x00\x00\x00", "RT0012"),  # a suspension that waits for nothing
        (b"\x80\x0c\x00\x00\x00\x00\x00\x02\x08\x01", "RT0012"),  # a notification from the SDK
    ],
)
async def test_a_stream_that_breaks_the_protocol_is_retried(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
    broken: bytes,
    code: str,
) -> None:
    async def breaking(sdk: Conversation) -> None:
        await sdk.replay()
        if len(rig.client.conversations) == 1:
            if broken:
                sdk.send(broken)
            sdk.close()
        else:
            sdk.output(b"ok")

    rig = Rig(nursery, breaking)
    await rig.start()

    assert (await rig.call("Greeter", "greet", b"")).outcome == Success(b"ok")
    (line,) = [record for record in caplog.records if record.name == "restate.invoker"]
    assert f"[{code}]" in line.getMessage()
    nursery.cancel_scope.cancel()


async def test_what_came_before_a_broken_message_counts(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def breaking(sdk: Conversation) -> None:
        replayed = await sdk.replay()
        if len(rig.client.conversations) == 1:
            sdk.send(sdk.peer.say("Run", {"result_completion_id": 1}) + b"\x03\x77\x00\x00\x00\x00\x00\x00")
            sdk.close()
        else:
            assert [heard.name for heard in replayed] == ["Start", "Input", "Run"]
            sdk.output(b"ok")

    rig = Rig(nursery, breaking)
    await rig.start()

    assert (await rig.call("Greeter", "greet", b"")).outcome == Success(b"ok")
    nursery.cancel_scope.cancel()


async def test_an_unreachable_service_is_retried(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    async def greet(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.output(b"ok")

    rig = Rig(nursery, greet)
    rig.client.unreachable = [ConnectFailed("refused"), ConnectFailed("refused")]
    await rig.start()

    assert (await rig.call("Greeter", "greet", b"")).outcome == Success(b"ok")
    nursery.cancel_scope.cancel()


async def test_a_stream_reset_in_the_middle_is_retried_from_the_journal(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def reset(sdk: Conversation) -> None:
        replayed = await sdk.replay()
        if len(rig.client.conversations) == 1:
            sdk.say("SetState", ACK, key=b"n", value={"content": b"1"})
            await sdk.hear()
            sdk.break_off(StreamReset("reset by the peer", error_code=2))
        else:
            assert [heard.name for heard in replayed] == ["Start", "Input", "SetState"]
            assert [(entry.key, entry.value) for entry in replayed[0].message.state_map] == [(b"n", b"1")]
            sdk.output(b"ok")

    rig = Rig(nursery, reset)
    await rig.start()

    assert (await rig.call("Counter", "add", b"", key="k")).outcome == Success(b"ok")
    nursery.cancel_scope.cancel()


async def test_a_silent_service_is_asked_to_suspend_and_the_invocation_resumes_when_its_timer_fires(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def sleeper(sdk: Conversation) -> None:
        replayed = await sdk.replay()
        if len(rig.client.conversations) == 1:
            sdk.say("Sleep", wake_up_time=rig.clock.now_ms() + 60_000, result_completion_id=1)
            await sdk.ended()
            sdk.say("Suspension", waiting_completions=[1], waiting_signals=[1])
            sdk.close()
        else:
            assert [heard.name for heard in replayed] == ["Start", "Input", "Sleep", "SleepCompletion"]
            sdk.output(b"awake")

    rig = Rig(nursery, sleeper, invoker=Invoker(inactivity_timeout_ms=3_000))
    await rig.start()
    began = trio.current_time()

    assert (await rig.call("Greeter", "greet", b"")).outcome == Success(b"awake")
    assert trio.current_time() - began == pytest.approx(60, abs=0.1)
    nursery.cancel_scope.cancel()


async def test_a_service_that_does_not_suspend_is_cut_off_after_the_abort_timeout(
    nursery: trio.Nursery, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def deaf(sdk: Conversation) -> None:
        await sdk.replay()
        if len(rig.client.conversations) == 1:
            sdk.answer()
            while not sdk.aborted:
                await sdk.wait()
        else:
            sdk.output(b"ok")

    rig = Rig(nursery, deaf, invoker=Invoker(inactivity_timeout_ms=1_000, abort_timeout_ms=2_000))
    await rig.start()

    assert (await rig.call("Greeter", "greet", b"")).outcome == Success(b"ok")
    (line,) = [record for record in caplog.records if record.name == "restate.invoker"]
    assert (
        "[RT0001] the invocation stream was closed after the 'abort timeout' (2s) fired." in line.getMessage()
    )
    nursery.cancel_scope.cancel()


async def test_in_request_response_mode_the_request_ends_with_the_replay(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def one_shot(sdk: Conversation) -> None:
        replayed = await sdk.replay()
        assert sdk.request_ended
        if len(replayed) == 2:
            sdk.say("Run", result_completion_id=1)
            sdk.say("ProposeRunCompletion", result_completion_id=1, value=b"5")
            sdk.say("Suspension", waiting_completions=[1], waiting_signals=[1])
            sdk.close()
        else:
            sdk.output(replayed[3].message.value.content)

    rig = Rig(nursery, one_shot, protocol_type="RequestResponse")
    await rig.start()

    assert (await rig.call("Greeter", "greet", b"")).outcome == Success(b"5")
    assert len(rig.client.conversations) == 2
    nursery.cancel_scope.cancel()


async def test_kill_resets_the_stream_and_answers_the_caller(nursery: trio.Nursery) -> None:
    running = trio.Event()

    async def endless(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.say("Run", result_completion_id=1)
        running.set()
        while not sdk.aborted:
            await sdk.wait()

    rig = Rig(nursery, endless)
    await rig.start()
    callee = rig.callee("Greeter", "greet")
    outcomes: list[object] = []

    async def call() -> None:
        outcomes.append((await rig.partition.call(callee, b"", ())).outcome)

    async with trio.open_nursery() as calls:
        calls.start_soon(call)
        await running.wait()
        await rig.partition.terminate(callee.invocation, TerminateKind.KILL)
    assert outcomes == [Failure(409, "killed")]
    assert rig.client.conversations[0].aborted
    nursery.cancel_scope.cancel()


async def test_kill_ends_the_wait_for_a_retry(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    async def failing(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.say("Error", code=500, message="boom")
        sdk.close()

    rig = Rig(
        nursery, failing, retry_policy=RetrySettings(initial_interval_ms=3_600_000, max_interval_ms=3_600_000)
    )
    await rig.start()
    callee = rig.callee("Greeter", "greet")
    await rig.partition.send(callee, b"", ())
    await trio.sleep(1)
    await rig.partition.terminate(callee.invocation, TerminateKind.KILL)
    await trio.sleep(10_000)

    assert len(rig.client.conversations) == 1
    nursery.cancel_scope.cancel()


async def test_two_callers_of_one_key_never_overlap_and_run_in_order(nursery: trio.Nursery) -> None:
    running: list[bytes] = []
    order: list[bytes] = []

    async def add(sdk: Conversation) -> None:
        _, command = await sdk.replay()
        body = command.message.value.content
        running.append(body)
        assert running == [body]
        order.append(body)
        await trio.lowlevel.checkpoint()
        running.remove(body)
        sdk.output(body)

    rig = Rig(nursery, add)
    await rig.start()
    callees = [rig.callee("Counter", "add", "k") for _ in range(10)]
    for number, callee in enumerate(callees):
        await rig.partition.send(callee, str(number).encode(), ())
    for callee in callees:
        await rig.partition.attach(callee.invocation, block=True)

    assert order == [str(number).encode() for number in range(10)]
    nursery.cancel_scope.cancel()


async def test_no_more_attempts_run_than_the_concurrency_limit_lets(nursery: trio.Nursery) -> None:
    running = 0
    most = 0

    async def slow(sdk: Conversation) -> None:
        nonlocal running, most
        await sdk.replay()
        running += 1
        most = max(most, running)
        for _ in range(20):
            await trio.lowlevel.checkpoint()
        running -= 1
        sdk.output(b"")

    rig = Rig(nursery, slow, invoker=Invoker(concurrency_limit=3))
    await rig.start()
    async with trio.open_nursery() as calls:
        for _ in range(20):
            calls.start_soon(rig.call, "Greeter", "greet", b"")

    assert most == 3
    nursery.cancel_scope.cancel()


async def test_a_service_with_few_invocations_need_not_wait_for_one_with_many(nursery: trio.Nursery) -> None:
    order: list[str] = []

    async def slow(sdk: Conversation) -> None:
        await sdk.replay()
        order.append(sdk.path.decode().split("/")[2])
        await trio.lowlevel.checkpoint()
        sdk.output(b"")

    rig = Rig(nursery, slow, invoker=Invoker(concurrency_limit=1))
    await rig.start()
    callees = [rig.callee("Greeter", "greet") for _ in range(20)] + [rig.callee("Counter", "add", "k")]
    for callee in callees:
        await rig.partition.send(callee, b"", ())
    for callee in callees:
        await rig.partition.attach(callee.invocation, block=True)

    assert order.count("Greeter") == 20
    assert order.index("Counter") < 20
    nursery.cancel_scope.cancel()


async def test_an_invocation_stays_on_its_deployment_once_it_has_stored_a_command(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def stores_then_fails(sdk: Conversation) -> None:
        await sdk.replay()
        if len(rig.client.conversations) == 1:
            sdk.say("Run", result_completion_id=1)
            sdk.say("Error", code=500, message="boom")
            sdk.close()
        else:
            sdk.output(b"ok")

    rig = Rig(nursery, stores_then_fails)
    await rig.start()
    callee = rig.callee("Greeter", "greet")
    await rig.partition.send(callee, b"", ())
    await trio.sleep(0.05)
    await rig.register(DeploymentId("dp_10000000000000000000002"), revision=2)
    await rig.partition.attach(callee.invocation, block=True)

    record = rig.reader.invocations.get(callee.invocation)
    assert record is not None
    assert record.pin is not None
    assert record.pin.deployment_id == "dp_10000000000000000000001"
    nursery.cancel_scope.cancel()


async def test_without_a_stored_command_a_retry_goes_to_the_newest_deployment(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def fails_first(sdk: Conversation) -> None:
        await sdk.replay()
        if len(rig.client.conversations) == 1:
            sdk.say("Error", code=500, message="boom")
            sdk.close()
        else:
            sdk.output(b"ok")

    rig = Rig(nursery, fails_first)
    await rig.start()
    callee = rig.callee("Greeter", "greet")
    await rig.partition.send(callee, b"", ())
    await trio.sleep(0.05)
    await rig.register(DeploymentId("dp_10000000000000000000002"), revision=2)
    await rig.partition.attach(callee.invocation, block=True)

    record = rig.reader.invocations.get(callee.invocation)
    assert record is not None
    assert record.pin is not None
    assert record.pin.deployment_id == "dp_10000000000000000000002"
    nursery.cancel_scope.cancel()


async def test_a_call_to_an_unknown_service_fails_the_attempt_and_nothing_is_stored(
    nursery: trio.Nursery, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def calls_nobody(sdk: Conversation) -> None:
        replayed = await sdk.replay()
        assert len(replayed) == 2
        if len(rig.client.conversations) == 1:
            sdk.say(
                "Call",
                service_name="Nope",
                handler_name="x",
                result_completion_id=2,
                invocation_id_notification_idx=1,
            )
            while not sdk.aborted:
                await sdk.wait()
        else:
            sdk.output(b"ok")

    rig = Rig(nursery, calls_nobody)
    await rig.start()

    assert (await rig.call("Greeter", "greet", b"")).outcome == Success(b"ok")
    (line,) = [record for record in caplog.records if record.name == "restate.invoker"]
    assert "[RT0018] cannot process command Call (command index 1)" in line.getMessage()
    nursery.cancel_scope.cancel()


async def test_a_service_handler_may_not_write_state(
    nursery: trio.Nursery, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def writes(sdk: Conversation) -> None:
        await sdk.replay()
        if len(rig.client.conversations) == 1:
            sdk.say("SetState", key=b"n", value={"content": b"1"})
            while not sdk.aborted:
                await sdk.wait()
        else:
            sdk.output(b"ok")

    rig = Rig(nursery, writes)
    await rig.start()

    await rig.call("Greeter", "greet", b"")
    (line,) = [record for record in caplog.records if record.name == "restate.invoker"]
    assert "[RT0017]" in line.getMessage()
    nursery.cancel_scope.cancel()


async def test_draining_asks_running_attempts_to_suspend_and_starts_no_others(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def suspends(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.say("Sleep", wake_up_time=rig.clock.now_ms() + 3_600_000, result_completion_id=1)
        await sdk.ended()
        sdk.say("Suspension", waiting_completions=[1])
        sdk.close()

    rig = Rig(nursery, suspends)
    await rig.start()
    running, late = rig.callee("Greeter", "greet"), rig.callee("Greeter", "greet")
    await rig.partition.send(running, b"", ())
    await trio.sleep(0.1)
    began = trio.current_time()
    await rig.supervisor.drain()
    assert trio.current_time() - began < 1
    await rig.partition.send(late, b"", ())
    await trio.sleep(10)

    assert len(rig.client.conversations) == 1
    record = rig.reader.invocations.get(late.invocation)
    assert record is not None
    assert record.status is Status.INVOKED
    nursery.cancel_scope.cancel()
