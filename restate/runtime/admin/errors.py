"""The one error handler of the port: everything that is refused leaves through here, with its specified status."""

import logging

from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge
from werkzeug.routing import WebsocketMismatch

from restate.runtime.admin.answer import error_response
from restate.runtime.errors import RestateError
from restate.runtime.partition.handle import Overloaded

log = logging.getLogger("restate.admin")


class Refusal(Exception):
    """A request that is refused for a reason without code."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


def add_error_handlers(app: QuartTrio) -> None:
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(RestateError, _failed)
    app.register_error_handler(HTTPException, _by_framework)
    app.register_error_handler(Exception, _crashed)


async def _refused(error: Refusal) -> Response:
    return error_response(error.status, error.message, headers=error.headers)


async def _failed(error: RestateError) -> Response:
    if isinstance(error, Overloaded):
        return error_response(503, error.message)
    message = error.message if error.hint is None else f"{error.message.removesuffix('.')}. {error.hint}"
    return error_response(error.http_status, message, error.code)


async def _by_framework(error: HTTPException) -> Response:
    """404, 405, 413 and whatever else Quart decides by itself. `allow` is the one header of its own that counts."""
    headers = {name: value for name, value in error.get_headers() if name.lower() == "allow"}
    return error_response(error.code or 500, _words(error), headers=headers)


def _words(error: HTTPException) -> str:
    """The framework's own are for people who look at a web page."""
    match error:
        case NotFound():
            return f"There is no path {path_as_sent()} on the admin port; GET /openapi describes those there are."
        case MethodNotAllowed():
            allowed = ", ".join(sorted(error.valid_methods or ()))
            return f"The path {path_as_sent()} has no method {request.method}; expected one of: {allowed}."
        case WebsocketMismatch():
            return (
                "The admin port has no WebSockets; send the request without the header `upgrade: websocket`."
            )
        case RequestEntityTooLarge():
            limit = request.max_content_length
            return f"The body is larger than the {limit} bytes that admin.request_size_limit allows."
        case _:
            return error.description or error.name


def path_as_sent() -> str:
    """The path of the request, still encoded, for people."""
    raw: bytes = request.scope["raw_path"]
    return raw[:200].decode("ascii", "backslashreplace")


async def _crashed(error: Exception) -> Response:
    log.error("a request failed by a fault of the server", exc_info=error)
    return error_response(500, "the server failed to answer; its log has the reason")
