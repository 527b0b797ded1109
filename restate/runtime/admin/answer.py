"""Answers: JSON bodies, and errors as {"message", "restate_code"}."""

from typing import Any

import msgspec
from quart import Response

_encoder = msgspec.json.Encoder()


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_encoder.encode(body), status, headers, content_type="application/json")


def empty_response(status: int, headers: dict[str, str] | None = None) -> Response:
    response = Response(b"", status, headers)
    # The framework calls everything HTML that is not called anything else.
    del response.headers["content-type"]
    return response


def error_response(
    status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """The only body that the official client shows; the message starts with the code where there is one."""
    text = message if code is None else f"[{code}] {message}"
    return json_response({"message": text, "restate_code": code}, status, headers)
