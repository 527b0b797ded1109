"""The forms of request that the documentations of both generations show, as command lines against our test services.

Order matters: `{name}` stands for what an earlier line's answer `saves`, `{awakeable:name}` for the id that the handler
`awaits` has announced under that name. Bodies are JSON; text stands for itself.
"""

from __future__ import annotations

from typing import Any

import attrs

ANY: Any = object()
"""A body that is not looked at."""


@attrs.frozen
class Line:
    """A command line and what it must be answered. saves: {name: field of the JSON answer}. has: text within the body."""

    text: str
    status: int = 200
    body: Any = ANY
    saves: tuple[tuple[str, str], ...] = ()
    has: str = ""


def accepted(text: str, name: str, status: str = "Accepted") -> Line:
    return Line(text, 202, saves=((name, "invocationId"),), has=f'"status":"{status}"')


_TYPE = "-H 'content-type: application/json'"
_ONCE = "-H 'idempotency-key: ad5472esg4dsg525dssdfa5loi'"
_OF_ONCE = '"target": "idempotentInvocation", "service": "Counter", "key": "mary", "handler": "add"'
_WORKFLOW = '\'{"target": "workflow", "workflowName": "Signup", "workflowKey": "someone"}\''

MODERN = (
    # Calls: with the explicit verb, and in the form before it.
    Line("curl localhost:8080/restate/call/Greeter/greet --json '\"Mary\"'", body="Hello Mary"),
    Line("curl -X POST localhost:8080/restate/call/Greeter/greet --json '\"Mary\"'", body="Hello Mary"),
    Line("curl localhost:8080/restate/call/Counter/mary/add --json 25", body=25),
    Line("curl -X POST localhost:8080/restate/call/Counter/mary/add --json 0", body=25),
    Line("curl localhost:8080/restate/call/Counter/mary/get", body=25),
    Line(f"curl localhost:8080/Greeter/greet {_TYPE} -d '\"Hi\"'", body="Hello Hi"),
    Line("curl localhost:8080/Greeter/greet --json '\"Hi\"'", body="Hello Hi"),
    Line("curl localhost:8080/Counter/mary/add --json 1", body=26),
    Line("curl -X POST localhost:8080/Counter/mary/get", body=26),
    Line("curl localhost:8080/Counter/mary/get", body=26),
    Line("curl localhost:8080/Edge/nothing", body="nothing"),
    Line('curl -H "Authorization: Bearer abc" localhost:8080/restate/call/Edge/nothing', body="nothing"),
    # Messages, at once and later.
    accepted("curl localhost:8080/restate/send/Greeter/greet --json '\"Mary\"'", "sent"),
    accepted("curl localhost:8080/restate/send/Counter/mary/add --json 1", "sent"),
    accepted("curl localhost:8080/Greeter/greet/send --json '\"Mary\"'", "sent"),
    accepted("curl localhost:8080/Counter/mary/add/send --json 1", "sent"),
    Line("curl localhost:8080/restate/attach/{sent}", body=28),
    accepted('curl "localhost:8080/restate/send/Greeter/greet?delay=1s" --json \'"Mary"\'', "late"),
    accepted('curl "localhost:8080/restate/send/Greeter/greet?delay=PT1S" --json \'"Mary"\'', "later"),
    accepted("curl localhost:8080/Greeter/greet/send?delay=5m --json '\"Mary\"'", "much_later"),
    Line("curl localhost:8080/restate/output/{much_later}", 470, has="not completed yet"),
    Line("curl -X PATCH http://localhost:9070/invocations/{much_later}/cancel"),
    Line("curl localhost:8080/restate/attach/{late}", body="Hello Mary"),
    Line("curl localhost:8080/restate/invocation/{later}/attach", body="Hello Mary"),
    Line("curl localhost:8080/restate/invocation/{later}/output", body="Hello Mary"),
    # Idempotency.
    Line(f"curl localhost:8080/restate/call/Greeter/greet {_ONCE} --json '\"Mary\"'", body="Hello Mary"),
    Line(f"curl localhost:8080/Greeter/greet {_ONCE} --json '\"Ann\"'", body="Hello Mary"),
    Line(f"curl localhost:8080/Counter/mary/add {_ONCE} --json 1", body=29),
    accepted(f"curl localhost:8080/Counter/mary/add/send {_ONCE} --json 1", "once", "PreviouslyAccepted"),
    Line("curl localhost:8080/Counter/mary/get", body=29),
    # Results, by id and by target.
    Line("curl localhost:8080/restate/output/{once}", body=29),
    Line(
        "curl localhost:8080/restate/attach --json '{"
        + _OF_ONCE
        + ', "idempotencyKey": "ad5472esg4dsg525dssdfa5loi"}\'',
        body=29,
    ),
    Line(
        "curl localhost:8080/restate/output --json "
        '\'{"target": "idempotentInvocation", "service": "Greeter", "handler": "greet", '
        '"idempotencyKey": "ad5472esg4dsg525dssdfa5loi"}\'',
        body="Hello Mary",
    ),
    Line(
        'curl localhost:8080/restate/attach --json \'{"target": "invocation", "invocationId": "{once}"}\'',
        body=29,
    ),
    Line(
        "curl localhost:8080/restate/invocation/Counter/mary/add/ad5472esg4dsg525dssdfa5loi/attach", body=29
    ),
    Line(
        "curl localhost:8080/restate/invocation/Counter/mary/add/ad5472esg4dsg525dssdfa5loi/output", body=29
    ),
    Line(
        "curl localhost:8080/restate/invocation/Greeter/greet/ad5472esg4dsg525dssdfa5loi/attach",
        body="Hello Mary",
    ),
    Line("curl localhost:8080/restate/output/inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz", 404, has="not found"),
    # Workflows.
    accepted("curl localhost:8080/restate/send/Signup/someone/run --json '\"Eve\"'", "workflow"),
    accepted(
        "curl localhost:8080/Signup/someone/run/send --json '\"Eve\"'", "workflow", "PreviouslyAccepted"
    ),
    Line("curl localhost:8080/restate/workflow/Signup/someone/output", 470, has="not completed yet"),
    Line("curl localhost:8080/Signup/someone/approve --json '\"welcome\"'", body=None),
    Line("curl localhost:8080/restate/workflow/Signup/someone/attach", body="Eve welcome"),
    Line("curl localhost:8080/restate/workflow/Signup/someone/output", body="Eve welcome"),
    Line(f"curl localhost:8080/restate/attach --json {_WORKFLOW}", body="Eve welcome"),
    Line(f"curl localhost:8080/restate/output --json {_WORKFLOW}", body="Eve welcome"),
    Line(f"curl localhost:8080/restate/lookup --json {_WORKFLOW}", has='{"invocationId":"{workflow}"}'),
    Line("curl localhost:8080/Signup/someone/run --json '\"Eve\"'", 409, has="already invoked"),
    Line("curl localhost:8080/restate/call/Flow/another/run --json '\"Eve\"'", body="Eve"),
    # Events from outside.
    accepted("curl localhost:8080/restate/send/Steps/awaits --json '\"good\"'", "good"),
    Line("curl localhost:8080/restate/awakeables/{awakeable:good}/resolve --json '\"Looks good!\"'", 202),
    Line("curl localhost:8080/restate/attach/{good}", body="Looks good!"),
    accepted("curl localhost:8080/restate/send/Steps/awaits --json '\"object\"'", "object"),
    Line(
        f'curl localhost:8080/restate/awakeables/{{awakeable:object}}/resolve {_TYPE} -d \'{{"hello": "world"}}\'',
        202,
    ),
    Line("curl localhost:8080/restate/attach/{object}", body={"hello": "world"}),
    accepted("curl localhost:8080/restate/send/Steps/awaits --json '\"bad\"'", "bad"),
    Line(
        "curl localhost:8080/restate/awakeables/{awakeable:bad}/reject -H 'content-type: text/plain' "
        "-d 'Review rejected: insufficient documentation'",
        202,
    ),
    Line("curl localhost:8080/restate/attach/{bad}", 500, has="Review rejected: insufficient documentation"),
    # Scopes belong to an experiment that is off.
    Line(
        "curl localhost:8080/restate/scope/tenant-a/call/Greeter/greet --json '\"Mary\"'",
        400,
        has="scoped invocations require",
    ),
    Line(
        'curl "localhost:8080/restate/scope/tenant-a/call/Greeter/greet?limit-key=premium/user42"'
        " --json '\"Mary\"'",
        400,
        has="scoped invocations require",
    ),
    Line(
        "curl localhost:8080/restate/scope/tenant-a/call/Greeter/greet -H 'x-restate-limit-key: premium/user42'"
        " --json '\"Mary\"'",
        400,
        has="scoped invocations require",
    ),
    # What is private, and what is there.
    Line(f"curl -X PATCH localhost:9070/services/Greeter {_TYPE} -d '{{\"public\": false}}'"),
    Line("curl localhost:8080/Greeter/greet --json '\"Mary\"'", 400, has="not public"),
    Line(f"curl -X PATCH localhost:9070/services/Greeter {_TYPE} -d '{{\"public\": true}}'"),
    Line("curl localhost:8080/restate/health", has='"Greeter"'),
)

_INVOKE = '{"service": "counter", "method": "add", "argument": {"key": "John Doe", "request": 1}}'
_ADD = '{"customerId": "Pete", "item": "tea", "count": 2}'

CLASSIC = (
    Line(
        f'curl localhost:8080/greeter/greet {_TYPE} -d \'{{"request": "Restate"}}\'',
        body={"response": "Hello Restate"},
    ),
    Line(
        f'curl localhost:8080/greeter-service/greet {_TYPE} -d \'{{"request": "John Doe"}}\'',
        body={"response": "Hello John Doe"},
    ),
    Line(
        f'curl localhost:8080/counter/add {_TYPE} -d \'{{"key": "John Doe", "request": 55}}\'',
        body={"response": 55},
    ),
    # With a contract of the user's own, as JSON and by reflection.
    Line(
        f"curl localhost:8080/acme.shop.v1.Carts/Add {_TYPE} -d '{_ADD}'",
        body={"customer": "Pete", "items": {"tea": "2"}},
    ),
    Line(
        f"grpcurl -plaintext -d '{_ADD}' localhost:8080 acme.shop.v1.Carts/Add",
        body={"customer": "Pete", "items": {"tea": "4"}},
    ),
    Line("grpcurl -plaintext localhost:8080 describe acme.shop.v1.Carts", has="rpc Add"),
    Line(
        f"curl localhost:8080/acme.shop.v1.Carts/Add -H 'idempotency-key: once' {_TYPE} -d '{_ADD}'",
        body={"customer": "Pete", "items": {"tea": "6"}},
    ),
    Line(
        "curl localhost:8080/acme.shop.v1.Carts/Add -H 'idempotency-key: once' "
        f"-H 'idempotency-retention-period: 3600' {_TYPE} -d '{_ADD}'",
        body={"customer": "Pete", "items": {"tea": "6"}},
    ),
    # One way.
    Line(f"curl localhost:8080/dev.restate.Ingress/Invoke {_TYPE} -d '{_INVOKE}'", has='"id":"inv_1'),
    Line(
        f'curl localhost:8080/counter/get {_TYPE} -d \'{{"key": "John Doe"}}\'',
        body={"response": 56},
    ),
    Line(
        "grpcurl -plaintext -d '" + _INVOKE + "' localhost:8080 dev.restate.Ingress/Invoke",
        has='"id": "inv_1',
    ),
    Line(
        f'curl localhost:8080/counter/get {_TYPE} -d \'{{"key": "John Doe"}}\'',
        body={"response": 57},
    ),
    # Awakeables.
    Line(
        "curl localhost:8080/dev.restate.Ingress/Invoke -H 'idempotency-key: good' --json "
        '\'{"service": "steps", "method": "awaits", "argument": {"request": "classic-good"}}\'',
        saves=(("good", "id"),),
    ),
    Line(
        f"curl localhost:8080/dev.restate.Awakeables/Resolve {_TYPE} "
        '-d \'{"id": "{awakeable:classic-good}", "json_result": {"hello": "world"}}\'',
        body={},
    ),
    Line("curl localhost:8080/restate/invocation/{good}/attach", body={"response": {"hello": "world"}}),
    Line(
        "curl localhost:8080/dev.restate.Ingress/Invoke -H 'idempotency-key: bad' --json "
        '\'{"service": "steps", "method": "awaits", "argument": {"request": "classic-bad"}}\'',
        saves=(("bad", "id"),),
    ),
    Line(
        f"curl localhost:8080/dev.restate.Awakeables/Reject {_TYPE} "
        '-d \'{"id": "{awakeable:classic-bad}", "reason": "Very bad error!"}\'',
        body={},
    ),
    Line("curl localhost:8080/restate/invocation/{bad}/attach", 500, has="Very bad error!"),
    # Errors, the health of a service, and what is private.
    Line(
        f'curl localhost:8080/steps/terminal {_TYPE} -d \'{{"request": {{"code": 5, "message": "gone"}}}}\'',
        404,
        body={"code": "not_found", "message": "gone"},
    ),
    Line(
        f'curl localhost:8080/grpc.health.v1.Health/Check {_TYPE} -d \'{{"service": "greeter"}}\'',
        body={"status": "SERVING"},
    ),
    Line(f"curl -X PATCH localhost:9070/services/counter {_TYPE} -d '{{\"public\": false}}'"),
    Line(
        f'curl localhost:8080/counter/add {_TYPE} -d \'{{"key": "John Doe", "request": 55}}\'',
        403,
        body={"code": "permission_denied", "message": "Service counter is not accessible"},
    ),
    Line(
        'grpcurl -plaintext -d \'{"key": "John Doe"}\' localhost:8080 counter/get',
        0,
        has="does not expose service",
    ),
)
