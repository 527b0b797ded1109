"""Which operation a path means, and what is said of one that means none."""

from __future__ import annotations

import pytest

from restate.runtime.ingress.errors import IngressError
from restate.runtime.ingress.paths import (
    AwakeablePath,
    HealthPath,
    IdempotentPath,
    InvocationPath,
    Path,
    ServicePath,
    TargetPath,
    WorkflowPath,
    decode_key,
    normalize,
    parse,
    split_handler,
    split_idempotent,
)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/S/h", ("/S/h", "")),
        (b"//S/h//", ("/S/h", "")),
        (b"/S//h", ("/S//h", "")),
        (b"/S/h?a=/b/", ("/S/h", "a=/b/")),
        (b"/S/h/?a?b", ("/S/h", "a?b")),
        (b"/", ("/", "")),
        (b"*", ("/*", "")),
    ],
)
def test_outer_slashes_do_not_count(target: bytes, expected: tuple[str, str]) -> None:
    assert normalize(target) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/S/h", ServicePath("S", ("h",))),
        ("/S//h", ServicePath("S", ("", "h"))),
        ("/S/a/b/c/d/e/f", ServicePath("S", ("a", "b", "c", "d", "e", "f"))),
        ("/restate/call/S/h", ServicePath("S", ("h",), "call")),
        ("/restate/send/O/k/h", ServicePath("O", ("k", "h"), "send")),
        ("/restate/scope/a%20b/call/S/h", ServicePath("S", ("h",), "call", "a b")),
        ("/restate/health", HealthPath()),
        ("/restate/health/a/b", HealthPath()),
        ("/restate/invocation/inv_1/attach", InvocationPath("inv_1", True)),
        ("/restate/invocation/inv_1/output", InvocationPath("inv_1", False)),
        ("/restate/attach/inv_1", InvocationPath("inv_1", True)),
        ("/restate/output/inv_1", InvocationPath("inv_1", False)),
        ("/restate/invocation/S/h/i/attach", IdempotentPath("S", ("h", "i", "attach"))),
        ("/restate/workflow/W/k%2F/attach", WorkflowPath("W", "k/", True)),
        ("/restate/workflow/W/k/output/tail", WorkflowPath("W", "k", False)),
        ("/restate/attach", TargetPath("attach")),
        ("/restate/lookup", TargetPath("lookup")),
        ("/restate/awakeables/x/resolve", AwakeablePath("x", True)),
        ("/restate/a/x/reject", AwakeablePath("x", False)),
    ],
)
def test_a_path_means_an_operation(path: str, expected: Path) -> None:
    assert parse(path) == expected


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/", 400, "bad path: /"),
        ("/S", 400, "bad path: /S"),
        ("/S/2/3/4/5/6/7/8", 400, "bad path: /S/2/3/4/5/6/7/8"),
        ("/openapi/x", 404, "not found"),
        ("/restate/x", 404, "not found"),
        ("/restate/call/S", 400, "bad path, expected /restate/call/"),
        ("/restate/scope/s/call/S", 400, "bad path, expected /restate/call/"),
        ("/restate/scope/s/x/S/h", 400, "bad path, expected /restate/call/"),
        ("/restate/lookup/x", 400, "bad path, expected /restate/call/"),
        ("/restate/invocation", 400, "bad path, expected either /restate/invocation/"),
        ("/restate/invocation/i", 400, "bad path, expected either /restate/invocation/"),
        ("/restate/invocation/i/x", 404, "not found"),
        ("/restate/workflow/W/k", 400, "bad path, expected either /restate/workflow/"),
        ("/restate/workflow/W/k/x", 404, "not found"),
        ("/restate/workflow/W/%ff/output", 400, "bad path, cannot decode key: "),
        ("/restate/awakeables/x", 400, "bad path, expected either /restate/awakeables/"),
        ("/restate/awakeables/x/x", 404, "not found"),
    ],
)
def test_other_paths_are_refused(path: str, status: int, text: str) -> None:
    with pytest.raises(IngressError) as refused:
        parse(path)
    assert refused.value.status == status
    assert refused.value.message.startswith(text)


def test_long_paths_are_read_like_short_ones() -> None:
    key = "k" * 5000
    assert parse(f"/O/{key}/h") == ServicePath("O", (key, "h"))


@pytest.mark.parametrize(
    ("segment", "key"), [("", ""), ("a%2Fb", "a/b"), ("a+b", "a+b"), ("%C3%A9", "é"), ("%zz", "%zz")]
)
def test_keys_are_percent_decoded(segment: str, key: str) -> None:
    assert decode_key(segment) == key


@pytest.mark.parametrize(
    ("segments", "keyed", "explicit", "expected"),
    [
        (("h",), False, "", (None, "h", False)),
        (("h", "send"), False, "", (None, "h", True)),
        (("send",), False, "", (None, "send", False)),
        (("k", "h"), True, "", ("k", "h", False)),
        (("k", "send"), True, "", ("k", "send", False)),
        (("k", "h", "send"), True, "", ("k", "h", True)),
        (("", "h"), True, "", ("", "h", False)),
        (("h",), False, "send", (None, "h", True)),
        (("send",), False, "call", (None, "send", False)),
    ],
)
def test_segments_mean_key_and_handler_by_the_type_of_the_service(
    segments: tuple[str, ...], keyed: bool, explicit: str, expected: tuple[str | None, str, bool]
) -> None:
    assert split_handler(segments, keyed=keyed, explicit=explicit) == expected


@pytest.mark.parametrize(
    ("segments", "keyed", "explicit", "text"),
    [
        (("h",), True, "", "expected either /:service-name/:handler or"),
        (("h", "x"), False, "", "expected either /:service-name/:handler or"),
        (("h", "send", "x"), False, "", "expected either /:service-name/:handler or"),
        (("h", "send"), False, "call", "expected /restate/call/"),
        (("h",), True, "send", "expected /restate/call/"),
    ],
)
def test_too_few_or_too_many_segments_are_refused(
    segments: tuple[str, ...], keyed: bool, explicit: str, text: str
) -> None:
    with pytest.raises(IngressError, match=text):
        split_handler(segments, keyed=keyed, explicit=explicit)


def test_a_call_is_found_by_its_idempotency_key() -> None:
    assert split_idempotent(("h", "%41", "output"), keyed=False) == (None, "h", "%41", False)
    assert split_idempotent(("k%2F", "h", "", "attach", "tail"), keyed=True) == ("k/", "h", "", True)
    with pytest.raises(IngressError, match="idempotency_key"):
        split_idempotent(("h", "i", "output"), keyed=True)
    with pytest.raises(IngressError, match="not found"):
        split_idempotent(("h", "i", "junk"), keyed=False)
