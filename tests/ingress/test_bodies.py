"""Input rules: the whole table of content type against body."""

from __future__ import annotations

import pytest

from restate.runtime.ingress.bodies import check_input
from restate.runtime.ingress.errors import IngressError
from restate.runtime.schema.deployment import InputRule

NONE, JSON, ANY, TEXT = InputRule(None), InputRule("application/json"), InputRule("*/*"), InputRule("text/*")
NEEDED = InputRule("application/json", required=True)
ARRAY, VALUE = (
    InputRule("application/json", json_schema=b'{"type":"array"}'),
    InputRule("*/*", json_schema=b"true"),
)


@pytest.mark.parametrize(
    ("rule", "content_type", "body"),
    [
        (NONE, None, b""),
        (JSON, None, b""),
        (ANY, None, b""),
        (JSON, b"application/json", b"{}"),
        (JSON, b"application/json;charset=utf-8", b"not checked"),
        (JSON, b"application/json ; a=b", b"{}"),
        (NEEDED, b"application/json", b"{}"),
        (TEXT, b"text/plain", b"x"),
        (TEXT, b"text/html; a=b", b"x"),
        (ANY, b"nonsense", b"x"),
        (ANY, b"", b"x"),
        (ARRAY, None, b""),
        (ARRAY, b"application/json", b"[]"),
        (JSON, b"application/json", b""),
        (ANY, b"a/b", b""),
    ],
)
def test_what_fits_passes(rule: InputRule, content_type: bytes | None, body: bytes) -> None:
    check_input(rule, content_type, body)


@pytest.mark.parametrize(
    ("rule", "content_type", "body", "reason"),
    [
        (NEEDED, None, b"", "Empty body not allowed"),
        (NEEDED, b"application/json", b"", "Empty body not allowed"),
        (ARRAY, b"application/json", b"", "Empty body not allowed"),
        (VALUE, b"a/b", b"", "Empty body not allowed"),
        (JSON, None, b"{}", "Empty content-type"),
        (ANY, None, b"{}", "Empty content-type"),
        (JSON, b"text/plain", b"", "Content-type 'text/plain' does not match 'application/json'"),
        (
            JSON,
            b"APPLICATION/JSON",
            b"{}",
            "Content-type 'APPLICATION/JSON' does not match 'application/json'",
        ),
        (
            JSON,
            b"application/jsonp",
            b"{}",
            "Content-type 'application/jsonp' does not match 'application/json'",
        ),
        (TEXT, b"text", b"x", "Content-type 'text' does not match 'text/*'"),
        (NONE, None, b"x", "Expected body and content-type to be empty, but wasn't with content-type 'None'"),
        (
            NONE,
            b'a/b;c="d"',
            b"",
            'Expected body and content-type to be empty, but wasn\'t with content-type \'Some("a/b;c=\\"d\\"")\'',
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    rule: InputRule, content_type: bytes | None, body: bytes, reason: str
) -> None:
    with pytest.raises(IngressError) as refused:
        check_input(rule, content_type, body)
    assert (refused.value.status, refused.value.message) == (400, f"input validation error: {reason}")


def test_a_content_type_must_be_ascii() -> None:
    with pytest.raises(IngressError, match="bad header content-type"):
        check_input(ANY, b"a/\xe9", b"x")
