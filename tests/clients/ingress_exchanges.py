"""The requests that both servers' ingress must answer alike, in the order in which they are sent.

`{id:NAME}` in a path or body is the invocation id in the answer of the exchange NAME, `{awakeable:NAME}` what is put on
the board under NAME, `{run}` a word of this run's own.
"""

from collections.abc import Mapping
from types import MappingProxyType

import attrs

JSON = {"content-type": "application/json"}


@attrs.frozen
class Exchange:
    """One request. path: one character per byte. body None: neither a body nor a content-length. chunked: no content-length either.

    loose_body: only the status and headers of the answer are compared, its text is the program's own. until_done: sent
    again while the answer is that the invocation has not completed.
    """

    name: str
    method: str
    path: str
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes | None = None
    chunked: bool = False
    loose_body: bool = False
    until_done: bool = False


def call(
    name: str, path: str, body: str | bytes = b'"x"', *, method: str = "POST", **headers: str
) -> Exchange:
    """A JSON call; header names with `_` for `-`."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    content = body.encode() if isinstance(body, str) else body
    return Exchange(name, method, path, JSON | named, content)


def bare(name: str, method: str, path: str, body: bytes | None = None, **headers: str) -> Exchange:
    """A request with exactly these headers."""
    return Exchange(
        name, method, path, {key.replace("_", "-"): value for key, value in headers.items()}, body
    )


def done(name: str, invocation: str) -> Exchange:
    """The output of an invocation that is about to complete."""
    return Exchange(name, "GET", f"/restate/invocation/{invocation}/output", until_done=True)


PATHS = (
    call("call", "/Edge/echo"),
    call("double leading slash", "//Edge/echo"),
    call("trailing slash", "/Edge/echo/"),
    call("several trailing slashes", "/Edge/echo///"),
    call("double inner slash", "/Edge//echo"),
    call("query is ignored", "/Edge/echo?a=b&c"),
    call("object", "/Board/k/key", b"", method="GET"),
    bare("object without body", "GET", "/Board/k/key"),
    bare("empty key", "GET", "/Board//key"),
    bare("escaped key", "GET", "/Board/a%2Fb%20c%C3%A9/key"),
    bare("key in UTF-8", "GET", "/Board/a%20\xc3\xa9\xe2\x82\xac/key"),
    bare("query in UTF-8", "GET", "/Board/k/key?\xc3\xa9"),
    bare("plus in a key", "GET", "/Board/a+b/key"),
    bare("key that is not UTF-8", "GET", "/Board/%ff/key"),
    bare("key with a broken escape", "GET", "/Board/%zz/key"),
    bare("escaped handler", "GET", "/Board/k/ke%79"),
    bare("escaped service", "GET", "/Boar%64/k/key"),
    bare("root", "GET", "/"),
    bare("one segment", "GET", "/Edge"),
    bare("one segment and a slash", "GET", "/Edge/"),
    bare("seven segments", "GET", "/Edge/b/c/d/e/f/g"),
    bare("eight segments", "GET", "/Edge/b/c/d/e/f/g/h"),
    bare("unknown, four segments", "GET", "/Nope/b/c/d"),
    bare("unknown, one segment", "GET", "/Nope"),
    bare("missing key", "GET", "/Board/key"),
    bare("missing key with send", "GET", "/Board/key/send"),
    bare("junk behind the handler", "GET", "/Board/k/key/junk"),
    bare("junk behind a service's handler", "GET", "/Edge/echo/junk"),
    bare("junk behind send", "GET", "/Edge/echo/send/junk"),
    call("handler named send", "/Edge/send"),
    call("object handler named send", "/Board/k/send"),
    bare("unknown service", "POST", "/Nope/x"),
    bare("unknown service, DELETE", "DELETE", "/Nope/x"),
    bare("unknown handler", "POST", "/Edge/nope"),
    bare("unknown handler, DELETE", "DELETE", "/Edge/nope"),
    bare("private service", "POST", "/Secret/tell"),
    bare("private service, DELETE", "DELETE", "/Secret/tell"),
    bare("private handler", "POST", "/Edge/hidden"),
    bare("PUT", "PUT", "/Edge/echo"),
    bare("DELETE", "DELETE", "/Edge/echo"),
    bare("PATCH", "PATCH", "/Edge/echo"),
    bare("HEAD", "HEAD", "/Edge/echo"),
    call("explicit call", "/restate/call/Edge/echo"),
    bare("explicit call of an object", "GET", "/restate/call/Board/k/key"),
    bare("explicit call without handler", "GET", "/restate/call/Edge"),
    bare("explicit call without service", "GET", "/restate/call"),
    bare("explicit call with junk", "GET", "/restate/call/Edge/echo/junk"),
    bare("explicit call without key", "GET", "/restate/call/Board/key"),
    bare("explicit call, unknown service", "GET", "/restate/call/Nope/echo"),
    call("explicit call of a handler named send", "/restate/call/Edge/send"),
    bare("health", "GET", "/restate/health"),
    bare("health with a tail", "GET", "/restate/health/a/b"),
    bare("health, POST", "POST", "/restate/health"),
    bare("health, HEAD", "HEAD", "/restate/health"),
    bare("openapi", "GET", "/openapi/Edge"),
    bare("openapi, POST", "POST", "/openapi/Edge"),
    bare("openapi alone", "GET", "/openapi"),
    bare("restate alone", "GET", "/restate"),
    bare("restate and junk", "GET", "/restate/junk"),
    bare("restate in another case", "GET", "/Restate/health"),
    bare("restate with a long tail", "GET", "/restate/a/b/c/d/e/f/g"),
    bare("unknown with send", "POST", "/Nope/x/send"),
    bare("empty segments", "GET", "///"),
    bare("scope, alone", "GET", "/restate/scope"),
    bare("scope and call", "POST", "/restate/scope/s/call/Edge/echo"),
    bare("scope and junk", "POST", "/restate/scope/s/junk/Edge/echo"),
    bare("scope that is not allowed", "POST", "/restate/scope/a%20b/call/Edge/echo"),
    bare("scope of an unknown service", "POST", "/restate/scope/s/call/Nope/echo"),
    bare("scope that is not allowed, unknown service", "POST", "/restate/scope/a%20b/call/Nope/echo"),
    bare("scope, DELETE", "DELETE", "/restate/scope/s/call/Edge/echo"),
    bare("scope, private", "POST", "/restate/scope/s/call/Secret/tell"),
    bare("scope of an object", "POST", "/restate/scope/s/call/Board/k/get"),
    bare("scope and send", "POST", "/restate/scope/s/send/Edge/echo"),
    bare("scope without handler", "POST", "/restate/scope/s/send/Edge"),
    bare("scope without key", "POST", "/restate/scope/s/call/Board/get"),
    bare("scope without target", "POST", "/restate/scope/s"),
    bare("scope, workflow with key", "POST", "/restate/scope/s/call/Flow/k/run", idempotency_key="k"),
    bare("scope, bad delay", "POST", "/restate/scope/s/send/Edge/nothing?delay=x"),
    bare("empty scope", "POST", "/restate/scope//call/Edge/echo"),
    bare("long scope", "POST", "/restate/scope/aaaaaaaaaabbbbbbbbbbccccccccccdddddde/call/Edge/echo"),
    bare("scope that is not UTF-8", "POST", "/restate/scope/%ff/call/Edge/echo"),
    call("limit key without scope", "/Edge/echo", x_restate_limit_key="a"),
    call("bad limit key without scope", "/Edge/echo", x_restate_limit_key="a b"),
    call("empty limit key", "/Edge/echo", x_restate_limit_key=""),
    bare("limit key and a bad body", "POST", "/Edge/nothing", b"x", x_restate_limit_key="a"),
    call("limit key and a bad delay", "/Edge/echo/send?delay=x", x_restate_limit_key="a"),
    call("limit key and a delayed call", "/Edge/echo?delay=1s", x_restate_limit_key="a"),
    call("limit key and a bad header", "/Edge/echo", x_restate_limit_key="a", x_custom="\xe9"),
    call("limit key that is not ASCII", "/Edge/echo", x_restate_limit_key="\xe9"),
)

BODIES = (
    bare("no body, no type", "POST", "/Edge/echo"),
    bare("no body, GET", "GET", "/Edge/echo"),
    bare("type without body", "POST", "/Edge/echo", content_type="application/json"),
    bare("empty body with type", "POST", "/Edge/echo", b"", content_type="application/json"),
    bare("empty body without type", "POST", "/Edge/echo", b""),
    bare("body without type", "POST", "/Edge/echo", b'"x"'),
    bare("wrong type without body", "POST", "/Edge/echo", content_type="text/plain"),
    bare("blank before the parameters", "POST", "/Edge/echo", b'"x"', content_type="application/json ; a=b"),
    bare("type that only begins right", "POST", "/Edge/echo", b'"x"', content_type="application/jsonp"),
    bare(
        "text with a blank before the parameters", "POST", "/Edge/text", b"x", content_type="text/plain ;a=b"
    ),
    bare("text without subtype", "POST", "/Edge/text", b"x", content_type="text"),
    bare("text and a slash", "POST", "/Edge/text", b"x", content_type="text/"),
    bare("any, nonsense type", "POST", "/Edge/raw", b"x", content_type="nonsense"),
    bare("any, empty type", "POST", "/Edge/raw", b"x", content_type=""),
    bare("two types", "POST", "/Edge/raw", b"x", content_type="a/b, c/d"),
    bare("type that is not ASCII", "POST", "/Edge/raw", b"x", content_type="a/\xe9"),
    bare("type that is not ASCII, none expected", "POST", "/Edge/nothing", b"x", content_type="a/\xe9"),
    bare("wrong type", "POST", "/Edge/echo", b"x", content_type="text/plain"),
    bare(
        "type with parameters", "POST", "/Edge/echo", b'"x"', content_type="application/json; charset=utf-8"
    ),
    bare("type with blanks", "POST", "/Edge/echo", b'"x"', content_type=" application/json "),
    bare("type in upper case", "POST", "/Edge/echo", b'"x"', content_type="APPLICATION/JSON"),
    bare("json suffix", "POST", "/Edge/echo", b'"x"', content_type="application/problem+json"),
    bare("nonsense type", "POST", "/Edge/echo", b'"x"', content_type="nonsense"),
    bare("empty type", "POST", "/Edge/echo", b'"x"', content_type=""),
    Exchange("bad JSON", "POST", "/Edge/echo", JSON, b"{", loose_body=True),
    Exchange("chunked", "POST", "/Edge/echo", JSON, b'"chunked"', chunked=True),
    Exchange("chunked and empty", "POST", "/Edge/echo", JSON, b"", chunked=True),
    bare(
        "gzip is not looked at",
        "POST",
        "/Edge/raw",
        b"\x1f\x8bx",
        content_type="a/b",
        content_encoding="gzip",
    ),
    bare("none expected, none sent", "POST", "/Edge/nothing"),
    bare("none expected, length 0", "POST", "/Edge/nothing", b""),
    bare("none expected, sent", "POST", "/Edge/nothing", b'"x"', content_type="application/json"),
    bare("none expected, sent without type", "POST", "/Edge/nothing", b'"x"'),
    bare("none expected, type only", "POST", "/Edge/nothing", content_type="application/json"),
    bare("none expected, odd type only", "POST", "/Edge/nothing", content_type='a/b; c="d"'),
    bare("any, nothing", "POST", "/Edge/raw"),
    bare("any, body without type", "POST", "/Edge/raw", b"\x00\xff"),
    bare("any, type without body", "POST", "/Edge/raw", b"", content_type="image/png"),
    bare("any, both", "POST", "/Edge/raw", b"abc", content_type="image/png"),
    bare("any, protobuf", "POST", "/Edge/raw", b"abc", content_type="application/proto"),
    bare("text, plain", "POST", "/Edge/text", b"abc", content_type="text/plain"),
    bare("text, html with parameter", "POST", "/Edge/text", b"abc", content_type="text/html;charset=utf-8"),
    bare("text, other", "POST", "/Edge/text", b"abc", content_type="application/json"),
    bare("text, upper case", "POST", "/Edge/text", b"abc", content_type="TEXT/PLAIN"),
    bare("text, body without type", "POST", "/Edge/text", b"abc"),
    bare("text, type without body", "POST", "/Edge/text", b"", content_type="text/plain"),
    bare("text, nothing", "POST", "/Edge/text"),
    bare("xml, JSON", "POST", "/Edge/xml", b"{}", content_type="application/json"),
    bare("xml, xml", "POST", "/Edge/xml", b"<a/>", content_type="application/xml"),
    bare("empty output", "POST", "/Board/k/put", b'"v"', content_type="application/json"),
    bare("null output", "POST", "/Edge/echo", b"null", content_type="application/json"),
)

HEADERS = (
    Exchange(
        "headers to the handler",
        "POST",
        "/Edge/headers?a=b%20c",
        {
            "X-Custom": "value",
            "accept": "*/*",
            "te": "trailers",
            "keep-alive": "timeout=5",
            "x-restate-id": "mine",
            "idempotency-expires": "never",
            "idempotency-retention-period": "5",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "connect-protocol-versions": "1",
            "origin": "https://example.org",
            "content-type": "a/b",
        },
        b"x",
    ),
    bare("header that is not ASCII", "POST", "/Edge/headers", b"x", content_type="a/b", x_custom="\xe9"),
    bare("header with an empty value", "POST", "/Edge/headers", b"x", content_type="a/b", x_custom=""),
    bare(
        "idempotency key that is not ASCII",
        "POST",
        "/Edge/headers",
        b"x",
        content_type="a/b",
        idempotency_key="\xe9",
    ),
    bare("bad idempotency key and method", "DELETE", "/Edge/raw", idempotency_key="\xe9"),
    bare("bad idempotency key, private", "POST", "/Secret/tell", idempotency_key="\xe9"),
    bare("bad idempotency key, workflow", "POST", "/Flow/x/run", idempotency_key="\xe9"),
    bare("bad idempotency key and type", "POST", "/Edge/echo", b"x", idempotency_key="\xe9"),
    bare("bad header and another", "POST", "/Edge/raw", x_a="\xe9", x_b="\xe8"),
    bare("control character in a header", "POST", "/Edge/headers", x_a="a\tb"),
    bare("dropped header that is not ASCII", "POST", "/Edge/raw", idempotency_expires="\xe9"),
    bare("bad origin", "POST", "/Edge/raw", origin="\xe9"),
    bare("path with more slashes", "GET", "//Edge/headers//?a=/b/"),
    bare("path with an empty query", "GET", "/Edge/headers?"),
    bare("spaces behind a header", "GET", "/Edge/headers", x_a="a b \t "),
    bare("own ingress path", "POST", "/Edge/headers", x_restate_ingress_path="mine"),
    bare("CORS on success", "POST", "/Edge/raw", b"x", content_type="a/b", origin="https://example.org"),
    bare("CORS on an error", "POST", "/Nope/raw", b"x", origin="https://example.org"),
    bare("preflight without anything", "OPTIONS", "/Edge/echo"),
    bare(
        "preflight",
        "OPTIONS",
        "/any/path",
        origin="https://example.org",
        access_control_request_method="POST",
        access_control_request_headers="a, b",
    ),
    bare("preflight of the root", "OPTIONS", "/", origin="null"),
)

SENDS = (
    call("send", "/Edge/echo/send"),
    bare("send by GET", "GET", "/Edge/nothing/send"),
    call("explicit send", "/restate/send/Edge/echo"),
    call("explicit send of an object", "/restate/send/Board/sent/put"),
    bare("send, unknown handler", "POST", "/Edge/nope/send"),
    bare("send, private", "POST", "/Secret/tell/send"),
    bare("send, bad body", "POST", "/Edge/nothing/send", b"x"),
    bare("send, DELETE", "DELETE", "/Edge/nothing/send"),
    call("send of a handler named send", "/Edge/send/send"),
    *(
        call(f"delay {value}", f"/Edge/echo/send?delay={value}")
        for value in (
            "0", "0s", "60ms", "1s", "PT1S", "P1D", "pt1s", "1%20hour%2030m", "1h30m", "2+days", "1d", "24h",
            "1w", "P1W", "1month", "P1M", "P1Y", "1y", "-1s", "-PT1S", "5", "1000", "", "abc", "1.5s", "PT1.5S",
            "1s%20ago", "00:00:01", "1%20s", "PT", "P", "10us", "1ns", "%20%201s", "1s,%202ms", "2ms%201s",
            "999999999999h", "PT36H", "1.5h", "1,5s", "1sec", "1SEC", "%2B1s", "3%20seconds,%204%20millis",
            "1:2:3", "0:61:0", "00:00:01.5", "1d%2002:03:04", "1d,%202:03:04", "1h%2002:03:04", "1:2",
        )
    ),
    call("delay by an escaped name", "/Edge/echo/send?de%6Cay=1s"),
    call("delay in upper case", "/Edge/echo/send?DELAY=1s"),
    call("two delays", "/Edge/echo/send?delay=1s&delay=nonsense"),
    call("two delays, first bad", "/Edge/echo/send?delay=nonsense&delay=1s"),
    call("delay among others", "/Edge/echo/send?a=1&delay=1s&b"),
    call("delay without value", "/Edge/echo/send?delay"),
    call("delay on a call", "/Edge/echo?delay=1s"),
    call("bad delay on a call", "/Edge/echo?delay=nonsense"),
    call("zero delay on a call", "/Edge/echo?delay=0"),
    call("explicit delay", "/restate/send/Edge/echo?delay=1s"),
    call("explicit call with delay", "/restate/call/Edge/echo?delay=1s"),
    bare("delay and a bad body", "POST", "/Edge/nothing/send?delay=nonsense", b"x"),
    bare("delay and a bad header", "POST", "/Edge/raw/send?delay=nonsense", b"x", content_type="a/b", x_custom="\xe9"),
    bare("delay on a call and a bad header", "POST", "/Edge/raw?delay=1s", b"x", content_type="a/b", x_custom="\xe9"),
    call("limit key parameter", "/Edge/echo?limit-key=a"),
)  # fmt: skip

IDEMPOTENCY = (
    call("keyed", "/Edge/echo", '"first"', idempotency_key="{run}"),
    call("keyed again", "/Edge/echo", '"second"', idempotency_key="{run}"),
    call("keyed, other handler", "/Edge/send", '"second"', idempotency_key="{run}"),
    call("keyed, other service", "/Board/{run}/send", '"second"', idempotency_key="{run}"),
    call("keyed, other object", "/Board/{run}o/send", '"second"', idempotency_key="{run}"),
    call(
        "keyed with retention",
        "/Edge/echo",
        '"r"',
        idempotency_key="{run}r",
        idempotency_retention_period="x",
    ),
    call("empty key value", "/Board/{run}/send", '"first"', idempotency_key=""),
    call("empty key value again", "/Board/{run}/send", '"second"', idempotency_key=""),
    call("keyed failure", "/Edge/fails", '{"code":418,"message":"tea"}', idempotency_key="{run}"),
    call("keyed failure again", "/Edge/fails", '{"code":418,"message":"tea"}', idempotency_key="{run}"),
    call("keyed send", "/Edge/echo/send", idempotency_key="{run}s"),
    call("keyed send again", "/Edge/echo/send", idempotency_key="{run}s"),
    call("keyed send with delay", "/Edge/echo/send?delay=1h", idempotency_key="{run}d"),
    call("keyed send with other delay", "/Edge/echo/send?delay=2h", idempotency_key="{run}d"),
    call("keyed send without delay", "/Edge/echo/send", idempotency_key="{run}d"),
    bare("output by key", "GET", "/restate/invocation/Edge/echo/{run}/output"),
    bare("attach by key", "GET", "/restate/invocation/Edge/echo/{run}/attach"),
    bare("output by key, object", "GET", "/restate/invocation/Board/{run}/send/{run}/output"),
    bare("attach by key, failure", "GET", "/restate/invocation/Edge/fails/{run}/attach"),
    bare("output by key, scheduled", "GET", "/restate/invocation/Edge/echo/{run}d/output"),
    bare("output by unknown key", "GET", "/restate/invocation/Edge/echo/{run}nope/output"),
    bare("attach by unknown key", "GET", "/restate/invocation/Edge/echo/{run}nope/attach"),
    bare("output by key, unknown service", "GET", "/restate/invocation/Nope/echo/{run}/output"),
    bare("output by key, unknown handler", "GET", "/restate/invocation/Edge/nope/{run}/output"),
    bare("output by key, private", "GET", "/restate/invocation/Secret/tell/{run}/output"),
    bare("output by key, too few", "GET", "/restate/invocation/Board/send/{run}/output"),
    bare("output by key, too many", "GET", "/restate/invocation/Edge/a/echo/{run}/output"),
    bare("output by key, empty", "GET", "/restate/invocation/Board/{run}/send//output"),
    call("workflow run", "/Flow/{run}/run", '"w"'),
    call("workflow run again", "/Flow/{run}/run", '"v"'),
    call("workflow run, sent again", "/Flow/{run}/run/send", '"v"'),
    call("workflow run, sent", "/Flow/{run}s/run/send", '"v"'),
    call("workflow run, sent with delay", "/Flow/{run}d/run/send?delay=1h", '"v"'),
    call("workflow run with key", "/Flow/{run}k/run", '"w"', idempotency_key="k"),
    call("workflow run with key, sent", "/Flow/{run}k/run/send", '"w"', idempotency_key="k"),
    bare("workflow run with key and DELETE", "DELETE", "/Flow/{run}k/run", idempotency_key="k"),
    bare("workflow shared with key", "GET", "/Flow/{run}/peek", idempotency_key="k"),
    bare("workflow shared with key again", "GET", "/Flow/{run}/peek", idempotency_key="k"),
    bare("workflow output", "GET", "/restate/workflow/Flow/{run}/output"),
    bare("workflow attach", "GET", "/restate/workflow/Flow/{run}/attach"),
    bare("workflow output, scheduled", "GET", "/restate/workflow/Flow/{run}d/output"),
    bare("workflow output, unknown key", "GET", "/restate/workflow/Flow/{run}nope/output"),
    bare("workflow attach, unknown key", "GET", "/restate/workflow/Flow/{run}nope/attach"),
    bare("workflow output, unknown workflow", "GET", "/restate/workflow/Nope/{run}/output"),
    bare("workflow output, not a workflow", "GET", "/restate/workflow/Edge/{run}/output"),
    bare("workflow, junk", "GET", "/restate/workflow/Flow/{run}/junk"),
    bare("workflow, short", "GET", "/restate/workflow/Flow"),
    bare("workflow, bad key", "GET", "/restate/workflow/Flow/%ff/output"),
    bare("workflow output, POST", "POST", "/restate/workflow/Flow/{run}/output"),
    bare("long workflow", "POST", "/LongFlow/{run}/run/send"),
    bare("long workflow output", "GET", "/restate/workflow/LongFlow/{run}/output"),
)

INVOCATIONS = (
    bare("output", "GET", "/restate/invocation/{id:call}/output"),
    bare("attach", "GET", "/restate/invocation/{id:call}/attach"),
    bare("short output", "GET", "/restate/output/{id:call}"),
    bare("short attach", "GET", "/restate/attach/{id:call}"),
    bare("attach to a send", "GET", "/restate/invocation/{id:explicit send}/attach"),
    bare("output of empty output", "GET", "/restate/invocation/{id:empty output}/output"),
    bare("output, scheduled", "GET", "/restate/invocation/{id:delay P1D}/output"),
    bare("output, POST", "POST", "/restate/invocation/{id:call}/output"),
    bare("output, DELETE", "DELETE", "/restate/invocation/{id:call}/output"),
    bare("output, HEAD", "HEAD", "/restate/invocation/{id:call}/output"),
    bare("short output, POST", "POST", "/restate/output/{id:call}"),
    bare("short attach, POST", "POST", "/restate/attach/{id:call}"),
    bare("output, unknown id", "GET", "/restate/invocation/inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz/output"),
    bare("attach, unknown id", "GET", "/restate/invocation/inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz/attach"),
    bare("output, nonsense id", "GET", "/restate/invocation/nonsense/output"),
    bare("attach, nonsense id", "GET", "/restate/invocation/nonsense/attach"),
    bare("output, empty id", "GET", "/restate/invocation//output"),
    bare("output, short id", "GET", "/restate/invocation/inv_1abc/output"),
    bare("output, other version", "GET", "/restate/invocation/inv_2gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz/output"),
    bare("output, other resource", "GET", "/restate/invocation/dp_1gdJBtdVEcM942bjcDmb1/output"),
    bare("output, unknown resource", "GET", "/restate/invocation/foo_1gdJBtdVEcM942bjcDmb1/output"),
    bare("output, no body", "GET", "/restate/invocation/inv_/output"),
    bare("output, bad base62", "GET", "/restate/invocation/inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hb-/output"),
    bare("output, too large", "GET", "/restate/invocation/inv_1ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ/output"),
    bare("output and a tail", "GET", "/restate/invocation/{id:call}/output/tail"),
    bare("output and a longer tail", "GET", "/restate/invocation/{id:call}/output/a/output"),
    bare("output, unknown service", "GET", "/restate/invocation/Nope/output/output"),
    bare("output of a handler output", "GET", "/restate/invocation/Edge/output/output"),
    bare("junk by key", "GET", "/restate/invocation/Edge/echo/{run}/junk"),
    bare("junk by key, unknown service", "GET", "/restate/invocation/Nope/echo/{run}/junk"),
    bare("junk by key, object", "GET", "/restate/invocation/Board/k/get/{run}/junk"),
    bare("output by key and a tail", "GET", "/restate/invocation/Edge/echo/{run}/output/a"),
    bare("output by key, workflow", "GET", "/restate/invocation/Flow/{run}/peek/k/output"),
    bare("output by key, workflow run", "GET", "/restate/invocation/Flow/{run}/run/k/output"),
    bare("output by escaped key", "GET", "/restate/invocation/Edge/echo/%61/output"),
    bare("output by key, POST", "POST", "/restate/invocation/Edge/echo/{run}/output"),
    bare("output by key, unknown service, POST", "POST", "/restate/invocation/Nope/echo/{run}/output"),
    bare("output, nonsense id, POST", "POST", "/restate/invocation/nonsense/output"),
    bare("workflow and a tail", "GET", "/restate/workflow/Flow/{run}/output/tail"),
    bare("workflow with two parts", "GET", "/restate/workflow/Flow/{run}"),
    bare("workflow alone", "GET", "/restate/workflow"),
    bare("short output, nonsense", "GET", "/restate/output/nonsense"),
    bare("invocation alone", "GET", "/restate/invocation"),
    bare("invocation and id alone", "GET", "/restate/invocation/{id:call}"),
    bare("invocation and junk", "GET", "/restate/invocation/{id:call}/junk"),
    bare("short output and junk", "GET", "/restate/output/{id:call}/junk"),
    bare("short output alone", "GET", "/restate/output"),
    bare("short attach alone", "GET", "/restate/attach"),
    bare("lookup with junk", "GET", "/restate/lookup/a"),
)

TARGETS = (
    call("lookup id", "/restate/lookup", '{"target":"invocation","invocationId":"{id:call}"}'),
    call(
        "lookup workflow", "/restate/lookup", '{"target":"workflow","workflowName":"Flow","workflowKey":"a"}'
    ),
    call(
        "lookup unknown workflow",
        "/restate/lookup",
        '{"target":"workflow","workflowName":"N","workflowKey":"a"}',
    ),
    call(
        "lookup idempotent",
        "/restate/lookup",
        '{"target":"idempotentInvocation","service":"Edge","handler":"echo","idempotencyKey":"i"}',
    ),
    call(
        "lookup idempotent object",
        "/restate/lookup",
        '{"target":"idempotentInvocation","service":"Board","key":"k","handler":"get","idempotencyKey":"i"}',
    ),
    call(
        "lookup idempotent, null key",
        "/restate/lookup",
        '{"target":"idempotentInvocation","service":"Edge","key":null,"handler":"echo","idempotencyKey":"i"}',
    ),
    call(
        "lookup unknown fields", "/restate/lookup", '{"target":"invocation","invocationId":"{id:call}","a":1}'
    ),
    *(
        call(
            f"{operation} in scope {scope}",
            f"/restate/{operation}",
            f'{{"target":"workflow","workflowName":"Flow","workflowKey":"{{run}}","scope":"{scope}"}}',
        )
        for operation in ("lookup", "output", "attach")
        for scope in ("s", "a b", "")
    ),
    call(
        "lookup idempotent in a bad scope",
        "/restate/lookup",
        '{"target":"idempotentInvocation","service":"Edge","handler":"echo","idempotencyKey":"i","scope":"/"}',
    ),
    call("lookup, bad id", "/restate/lookup", '{"target":"invocation","invocationId":"nonsense"}'),
    Exchange("lookup, bad JSON", "POST", "/restate/lookup", JSON, b"{", loose_body=True),
    Exchange("lookup, no body", "POST", "/restate/lookup", loose_body=True),
    Exchange("lookup, unknown target", "POST", "/restate/lookup", JSON, b'{"target":"x"}', loose_body=True),
    Exchange(
        "lookup without type",
        "POST",
        "/restate/lookup",
        {},
        b'{"target":"invocation","invocationId":"{id:call}"}',
    ),
    bare("lookup, GET", "GET", "/restate/lookup"),
    call("output by body", "/restate/output", '{"target":"invocation","invocationId":"{id:call}"}'),
    call("attach by body", "/restate/attach", '{"target":"invocation","invocationId":"{id:call}"}'),
    call(
        "output by body, workflow",
        "/restate/output",
        '{"target":"workflow","workflowName":"Flow","workflowKey":"{run}"}',
    ),
    call(
        "output by body, unknown",
        "/restate/output",
        '{"target":"workflow","workflowName":"N","workflowKey":"a"}',
    ),
    call(
        "attach by body, unknown",
        "/restate/attach",
        '{"target":"workflow","workflowName":"N","workflowKey":"a"}',
    ),
)

AWAKEABLES = (
    call("awaits", "/Edge/awaits/send", '"{run}a"'),
    bare("resolve, GET", "GET", "/restate/awakeables/{awakeable:{run}a}/resolve"),
    bare("resolve", "POST", "/restate/awakeables/{awakeable:{run}a}/resolve", b"resolved \xc3\xa9"),
    bare("resolve again", "POST", "/restate/awakeables/{awakeable:{run}a}/resolve", b"twice"),
    done("resolved", "{id:awaits}"),
    bare("resolve when gone", "POST", "/restate/a/{awakeable:{run}a}/resolve", b"twice"),
    call("awaits rejection", "/Edge/awaits/send", '"{run}b"'),
    bare("reject", "POST", "/restate/a/{awakeable:{run}b}/reject", b"no \xc3\xa9"),
    done("rejected", "{id:awaits rejection}"),
    bare("reject, not UTF-8", "POST", "/restate/a/{awakeable:{run}b}/reject", b"\xff"),
    bare("resolve, nonsense", "POST", "/restate/awakeables/nonsense/resolve", b"x"),
    bare("resolve, empty id", "POST", "/restate/awakeables//resolve", b"x"),
    bare("resolve, invocation id", "POST", "/restate/awakeables/{id:call}/resolve", b"x"),
    bare("resolve, short id", "POST", "/restate/awakeables/sign_1abc/resolve", b"x"),
    bare("resolve, bad base64", "POST", "/restate/awakeables/sign_1!!!/resolve", b"x"),
    bare("resolve, short prom", "POST", "/restate/awakeables/prom_1abc/resolve", b"x"),
    bare("resolve, no version", "POST", "/restate/awakeables/sign_/resolve", b"x"),
    bare("resolve, other version", "POST", "/restate/awakeables/sign_2abc/resolve", b"x"),
    bare(
        "resolve, other type",
        "POST",
        "/restate/awakeables/{awakeable:{run}b}/resolve",
        b"{}",
        content_type="text/plain",
    ),
    bare("awakeable, junk", "POST", "/restate/awakeables/{awakeable:{run}b}/junk", b"x"),
    bare("awakeable, short", "POST", "/restate/awakeables/{awakeable:{run}b}", b"x"),
    bare("awakeable and a tail", "POST", "/restate/awakeables/{awakeable:{run}b}/resolve/tail", b"x"),
    bare("awakeable, version only", "POST", "/restate/awakeables/sign_1/resolve", b"x"),
    bare("awakeable, prom version only", "POST", "/restate/awakeables/prom_1/resolve", b"x"),
    bare("awakeable, bad prom", "POST", "/restate/awakeables/prom_1!!!/resolve", b"x"),
    bare("awakeable, deployment id", "POST", "/restate/awakeables/dp_1gdJBtdVEcM942bjcDmb1/resolve", b"x"),
    bare("nonsense, GET", "GET", "/restate/awakeables/nonsense/resolve"),
    bare("awakeable, junk, GET", "GET", "/restate/awakeables/nonsense/junk"),
    bare("lookup, DELETE", "DELETE", "/restate/lookup"),
    bare("awakeable alone", "POST", "/restate/awakeables", b"x"),
    bare("reject, nonsense", "POST", "/restate/awakeables/nonsense/reject", b"x"),
)

FAILURES = (
    *(
        call(f"terminal {code}", "/Edge/fails", f'{{"code":{code},"message":"m"}}')
        for code in (200, 204, 304, 400, 404, 409, 418, 500, 599, 600, 999, 1000, 99, 5, 1, 101, 65535)
    ),
    call(
        "terminal with metadata and text", "/Edge/fails", '{"code":1000,"message":"é","metadata":{"é":"☺"}}'
    ),
    call("terminal with text", "/Edge/fails", '{"code":418,"message":"é \\" \\n ☺"}'),
    call("terminal with metadata", "/Edge/fails", '{"code":418,"message":"m","metadata":{"a":"b"}}'),
    call("terminal, sent", "/Edge/fails/send", '{"code":418,"message":"m"}'),
    done("terminal, output", "{id:terminal, sent}"),
    bare("terminal, attached", "GET", "/restate/invocation/{id:terminal, sent}/attach"),
)

EXCHANGES = (*PATHS, *BODIES, *HEADERS, *SENDS, *IDEMPOTENCY, *INVOCATIONS, *TARGETS, *AWAKEABLES, *FAILURES)
