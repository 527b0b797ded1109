"""Calls, sends and operations of modern services, against a partition that answers as told."""

from __future__ import annotations

import attrs
import pytest
import trio

from restate.runtime.engine.actions import IngressReply
from restate.runtime.ingress.headers import execution_time_text
from restate.runtime.model.ids import format_awakeable_id, format_invocation_id
from restate.runtime.model.result import Failure, Success
from restate.runtime.model.target import HandlerType, ServiceType, Target
from restate.runtime.net.http import Request
from restate.runtime.partition.handle import Overloaded, ShuttingDown
from restate.runtime.schema.addressing import idempotent_id, workflow_run_id
from tests.ingress.registries import both
from tests.schema.builders import registry
from tests.support.clock import EPOCH_MS
from tests.support.fake_partition import AN_ID, Answer, FakePartition, Port

ID_TEXT = format_invocation_id(AN_ID)


@pytest.fixture
def port() -> Port:
    return Port(both())


def refusal(answer: Answer) -> tuple[int, str]:
    assert answer.header("x-restate-error-source") == "ingress"
    assert answer.header("content-type") == "application/json"
    assert answer.json["code"] == answer.status
    assert answer.json["source"] == "ingress"
    return answer.status, answer.json["message"]


async def test_a_call_is_answered_with_the_outcome(port: Port) -> None:
    answer = await port.json("/Greeter/greet", '"Ada"', x_own="1", host="h", connection="close")
    assert (answer.status, answer.body) == (200, b'"done"')
    assert answer.header("content-type") == "application/json"
    ((kind, callee, body, headers),) = port.partition.asked
    assert (kind, body, callee.target.service, callee.target.handler) == (
        "call",
        b'"Ada"',
        "Greeter",
        "greet",
    )
    assert answer.header("x-restate-id") == format_invocation_id(callee.invocation)
    assert headers == {
        "x-own": "1",
        "content-type": "application/json",
        "x-restate-ingress-path": "/Greeter/greet",
    }
    assert answer.header("idempotency-expires") is None


async def test_only_the_first_of_repeated_headers_is_forwarded(port: Port) -> None:
    await port.ask(
        "GET", "/Greeter/raw?a=b", x_restate_ingress_path="mine", te="trailers", idempotency_expires="\xe9"
    )
    assert port.partition.asked[0][3] == {"x-restate-ingress-path": "mine", "te": "trailers"}


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("//Greeter/raw/?a=/b/", "/Greeter/raw?a=/b/"),
        ("/Greeter/raw/?", "/Greeter/raw?"),
        ("/Counter//add", "/Counter//add"),
    ],
)
async def test_a_handler_is_told_the_path_as_it_was_read(port: Port, target: str, told: str) -> None:
    await port.ask("GET", target)
    assert port.partition.asked[0][3] == {"x-restate-ingress-path": told}


@attrs.define(eq=False)
class Upload(Request):
    """A request after whose body the registry is another one."""

    partition: FakePartition = attrs.field(kw_only=True)

    async def _more(self) -> None:
        await trio.lowlevel.checkpoint()
        self.partition.schema = registry()
        self.arrived = True


async def test_a_service_that_goes_while_the_body_arrives_is_tried_again(port: Port) -> None:
    upload = Upload("POST", b"/Greeter/raw", [], "1.1", ("127.0.0.1", 1), partition=port.partition)
    answer = Answer()
    await port.ingress(upload, answer)
    assert refusal(answer) == (503, "the service 'Greeter' has just changed. Retry.")


async def test_the_key_of_an_object_is_decoded(port: Port) -> None:
    await port.ask("GET", "/Counter/a%2Fb/add")
    await port.ask("GET", "/Counter//add")
    assert [asked[1].target.key for asked in port.partition.asked] == ["a/b", ""]


@pytest.mark.parametrize(
    ("handler", "value", "content_type"),
    [
        ("greet", b"x", "application/json"),
        ("greet", b"", None),
        ("raw", b"x", "application/octet-stream"),
        ("none", b"", None),
        ("always", b"", "text/plain"),
    ],
)
async def test_the_content_type_is_the_handlers(
    port: Port, handler: str, value: bytes, content_type: str | None
) -> None:
    port.partition.outcome = Success(value)
    answer = await port.ask("GET", f"/Greeter/{handler}")
    assert (answer.status, answer.body, answer.header("content-type")) == (200, value, content_type)


@pytest.mark.parametrize(
    ("code", "status"),
    [(418, 418), (200, 200), (999, 999), (600, 600), (1000, 500), (99, 500), (5, 500), (101, 500), (204, 500), (205, 500),
     (304, 500), (65535, 500)],
)  # fmt: skip
async def test_a_failure_has_its_code_as_status_where_http_has_one(
    port: Port, code: int, status: int
) -> None:
    port.partition.outcome = Failure(code, 'é "x"', (("a", "b"),))
    answer = await port.ask("GET", "/Greeter/raw")
    assert answer.status == status
    assert answer.header("x-restate-error-source") == "invocation"
    assert answer.json == {"code": code, "message": 'é "x"', "source": "invocation", "metadata": {"a": "b"}}
    assert answer.header("x-restate-id") is not None


async def test_a_stored_outcome_tells_when_it_expires(port: Port) -> None:
    port.partition.expiry_ms = 1_700_000_000_064
    for outcome in (Success(b"x"), Failure(418, "m")):
        port.partition.outcome = outcome
        answer = await port.ask("GET", "/Greeter/raw", idempotency_key="i")
        assert answer.header("idempotency-expires") == "2023-11-14T22:13:20.064+00:00"


async def test_an_idempotency_key_decides_the_id(port: Port) -> None:
    for key in ("i", ""):
        answer = await port.ask("GET", "/Greeter/raw", idempotency_key=key)
        expected = idempotent_id("Greeter", None, "raw", key)
        assert answer.header("x-restate-id") == format_invocation_id(expected)
    callee = port.partition.asked[0][1]
    assert (callee.idempotency_key, callee.completion_retention_ms) == ("i", 86_400_000)
    assert "idempotency-key" not in port.partition.asked[0][3]


async def test_a_send_is_answered_once_it_is_accepted(port: Port) -> None:
    answer = await port.json("/Greeter/greet/send", '"x"')
    id_text = answer.header("x-restate-id")
    assert (answer.status, answer.json) == (202, {"invocationId": id_text, "status": "Accepted"})
    port.partition.is_new = False
    answer = await port.json("/restate/send/Greeter/greet", '"x"')
    assert answer.json["status"] == "PreviouslyAccepted"
    assert [asked[0] for asked in port.partition.asked] == ["send", "send"]


@pytest.mark.parametrize(("delay", "delay_ms"), [("2s", 2000), ("0", 0), ("1500", 1500)])
async def test_a_delayed_send_tells_its_time(port: Port, delay: str, delay_ms: int) -> None:
    answer = await port.ask("POST", f"/Greeter/raw/send?delay={delay}")
    assert port.partition.asked[0][3] == EPOCH_MS + delay_ms
    assert answer.json["executionTime"] == execution_time_text(EPOCH_MS + delay_ms)


@pytest.mark.parametrize(
    ("method", "target", "headers", "status", "message"),
    [
        ("GET", "/", {}, 400, "bad path: /"),
        (
            "POST",
            "/Nope/x",
            {},
            404,
            "service 'Nope' not found, make sure to register the service before calling it.",
        ),
        (
            "PUT",
            "/Nope/x",
            {},
            404,
            "service 'Nope' not found, make sure to register the service before calling it.",
        ),
        ("POST", "/restate/call/my.greeter/call", {}, 404, "service 'my.greeter' not found, make sure"),
        (
            "PUT",
            "/Greeter/nope",
            {},
            404,
            "the service 'Greeter' exists, but the handler 'nope' was not found",
        ),
        ("PUT", "/Greeter/hidden", {}, 400, "the invoked service is not public"),
        ("PUT", "/Secret/tell", {}, 400, "the invoked service is not public"),
        (
            "PUT",
            "/Flow/k/run",
            {"idempotency_key": "i"},
            400,
            "cannot use the idempotency key with workflow handlers.",
        ),
        ("PUT", "/Greeter/raw", {"idempotency_key": "\xe9"}, 400, "bad header idempotency-key: "),
        (
            "PUT",
            "/restate/scope/s/call/Greeter/raw",
            {},
            400,
            "scoped invocations require vqueues to be enabled",
        ),
        ("PUT", "/Greeter/raw", {}, 405, "method not allowed"),
        ("HEAD", "/Greeter/raw", {}, 405, "method not allowed"),
        (
            "POST",
            "/Greeter/none?delay=x",
            {"content_type": "a/b"},
            400,
            "input validation error: Expected body",
        ),
        (
            "POST",
            "/Greeter/raw?delay=x",
            {"x_a": "\xe9"},
            400,
            "bad delay query parameter, must be a ISO8601 duration: ",
        ),
        ("POST", "/Greeter/raw?limit-key=a", {"x_a": "\xe9"}, 400, "limit-key requires a scope to be set"),
        ("POST", "/Greeter/raw", {"x_restate_limit_key": "a b"}, 400, "invalid limit-key: "),
        ("POST", "/Greeter/raw?delay=1s", {"x_a": "\xe9"}, 400, "bad header x-a: ToStrError { _priv: () }"),
        ("POST", "/Greeter/raw?delay=1s", {}, 400, "cannot use the delay query parameter with calls."),
        ("POST", "/Greeter/raw/send?delay=999999w", {}, 400, "bad delay query parameter"),
        ("POST", "/Counter/add", {}, 400, "bad path, expected either /:service-name/:handler or "),
        ("PUT", "/restate/health", {}, 405, "method not allowed"),
        ("POST", f"/restate/invocation/{ID_TEXT}/attach", {}, 405, "method not allowed"),
        ("GET", "/restate/invocation/x/attach", {}, 400, "bad invocation id 'x': bad format"),
        ("GET", "/restate/invocation/Nope/h/i/attach", {}, 404, "service 'Nope' not found, make sure"),
        ("GET", "/restate/lookup", {}, 405, "method not allowed"),
        ("POST", "/restate/lookup", {}, 400, "cannot read body: "),
        ("GET", "/restate/awakeables/x/resolve", {}, 405, "method not allowed"),
        ("POST", "/restate/awakeables/x/resolve", {}, 400, "bad awakeable id 'x': bad format"),
        (
            "POST",
            "/restate/awakeables/sign_1x/resolve",
            {},
            400,
            "bad awakeable id 'sign_1x': id doesn't match",
        ),
    ],
)
async def test_refusals_come_in_the_order_of_the_checks(
    port: Port, method: str, target: str, headers: dict[str, str], status: int, message: str
) -> None:
    found, text = refusal(await port.ask(method, target, None, **headers))
    assert (found, text[: len(message)]) == (status, message)
    assert port.partition.asked == []


@pytest.mark.parametrize("body", [b'{"target":"\xff"}', b"[" * 20_000, b'{"target":"nope"}', b"{"])
async def test_targets_that_cannot_be_read_are_the_callers_mistake(port: Port, body: bytes) -> None:
    answer = await port.ask("POST", "/restate/lookup", body, content_type="application/json")
    assert answer.status == 400
    assert answer.json["message"].startswith("cannot read body: ")


async def test_an_empty_limit_key_is_none(port: Port) -> None:
    assert (await port.ask("GET", "/Greeter/raw", x_restate_limit_key="")).status == 200


async def test_health_lists_the_services(port: Port) -> None:
    answer = await port.ask("GET", "/restate/health")
    names = ["Counter", "Flow", "Greeter", "Secret", "my.counter", "my.greeter", "my.secret", "my.single"]
    assert (answer.status, answer.json) == (200, {"services": names})


@pytest.mark.parametrize(
    ("method", "target", "body", "block"),
    [
        ("GET", f"/restate/invocation/{ID_TEXT}/attach", None, True),
        ("GET", f"/restate/output/{ID_TEXT}", None, False),
        ("POST", "/restate/attach", f'{{"target":"invocation","invocationId":"{ID_TEXT}"}}'.encode(), True),
        ("POST", "/restate/output", f'{{"target":"invocation","invocationId":"{ID_TEXT}"}}'.encode(), False),
    ],
)
async def test_outcomes_are_read_by_id(
    port: Port, method: str, target: str, body: bytes | None, block: bool
) -> None:
    answer = await port.ask(method, target, body)
    assert port.partition.asked == [("attach", AN_ID, block)]
    assert (answer.status, answer.body, answer.header("x-restate-id")) == (200, b'"done"', ID_TEXT)


async def test_outcomes_are_read_by_idempotency_key_and_workflow(port: Port) -> None:
    await port.ask("GET", "/restate/invocation/Counter/k%2F/add/%41/output")
    await port.ask("GET", "/restate/workflow/Flow/k%2F/attach")
    assert port.partition.asked == [
        ("attach", idempotent_id("Counter", "k/", "add", "%41"), False),
        ("attach", workflow_run_id("Flow", "k/"), True),
    ]


async def test_lookup_computes_the_id_without_asking(port: Port) -> None:
    answer = await port.json("/restate/lookup", '{"target":"workflow","workflowName":"N","workflowKey":"k"}')
    assert answer.json == {"invocationId": format_invocation_id(workflow_run_id("N", "k"))}
    assert port.partition.asked == []


async def test_an_invocation_that_runs_has_no_output(port: Port) -> None:
    port.partition.reply = IngressReply(1, AN_ID, None, None)
    answer = await port.ask("GET", f"/restate/output/{ID_TEXT}")
    assert refusal(answer) == (470, "the invocation exists but has not completed yet")


async def test_an_unknown_invocation_is_not_found(port: Port) -> None:
    port.partition.reply = IngressReply(1, AN_ID, None, None, not_found=True)
    answer = await port.ask("GET", f"/restate/output/{ID_TEXT}")
    assert refusal(answer) == (404, "invocation not found")
    assert answer.header("x-restate-id") is None
    answer = await port.ask("GET", f"/restate/attach/{ID_TEXT}")
    assert (answer.status, answer.json) == (
        404,
        {"code": 404, "message": "not found", "source": "invocation"},
    )
    assert (answer.header("x-restate-error-source"), answer.header("x-restate-id")) == ("invocation", ID_TEXT)


async def test_a_classic_outcome_is_transcoded(port: Port) -> None:
    target = Target("my.counter", "call", "k", ServiceType.KEYED, HandlerType.EXCLUSIVE)
    messages = port.partition.schema.classic_method("my.counter", "call")
    assert messages is not None
    value = messages.output_class(response={"string_value": "x"}).SerializeToString()
    for outcome, status, body in (
        (Success(value), 200, {"response": "x"}),
        (Failure(5, "m"), 404, {"code": 404, "message": "m", "source": "invocation"}),
        (Failure(64, "killed"), 409, {"code": 409, "message": "killed", "source": "invocation"}),
    ):
        port.partition.reply = IngressReply(1, AN_ID, target, outcome)
        answer = await port.ask("GET", f"/restate/attach/{ID_TEXT}")
        assert (answer.status, answer.json) == (status, body)


@pytest.mark.parametrize(
    ("prefix", "operation", "asked"),
    [
        ("sign", "resolve", ("signal", AN_ID, 17, Success(b"v"))),
        ("sign", "reject", ("signal", AN_ID, 17, Failure(500, "v"))),
        ("prom", "resolve", ("complete_awakeable", AN_ID, 17, Success(b"v"))),
        ("prom", "reject", ("complete_awakeable", AN_ID, 17, Failure(2, "v"))),
    ],
)
async def test_awakeables_are_completed(
    port: Port, prefix: str, operation: str, asked: tuple[object, ...]
) -> None:
    answer = await port.ask(
        "POST", f"/restate/awakeables/{format_awakeable_id(prefix, AN_ID, 17)}/{operation}", b"v"
    )
    assert (answer.status, answer.body, port.partition.asked) == (202, b"", [asked])


async def test_a_full_partition_is_told_to_clients(port: Port) -> None:
    port.partition.error = Overloaded("full")
    answer = await port.ask("GET", "/Greeter/raw")
    assert refusal(answer) == (429, "too many requests, the ingress is overloaded. Retry later.")


async def test_shutting_down_is_told_to_clients(port: Port) -> None:
    port.partition.error = ShuttingDown("come back")
    assert refusal(await port.ask("GET", "/Greeter/raw")) == (503, "come back")
