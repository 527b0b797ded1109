"""Names in paths: what stands between two slashes is one name, also with an encoded slash in it.

ASGI servers decode a path as a whole, after which a slash of a name looks like one between two names.
"""

from typing import Any
from urllib.parse import unquote

from quart import request
from quart_trio import QuartTrio

from restate.runtime.admin.errors import Refusal, path_as_sent

_SLASH = "\udc2f"
"""Stands for an encoded slash while routes are looked for: no text that was decoded has it."""


def add_path_decoding(app: QuartTrio) -> None:
    serve = app.asgi_app

    async def decoding(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            # The framework fails for a request without a path, such as `GET ?a=b`.
            scope = {**scope, "path": _decoded(scope["raw_path"]) or "/"}
        await serve(scope, receive, send)

    app.asgi_app = decoding  # type: ignore[method-assign]

    @app.before_request
    async def check() -> None:
        names = request.view_args or {}
        for parameter, text in names.items():
            name = text.replace(_SLASH, "/")
            if not _is_unicode(name):
                raise Refusal(400, f"Invalid URL: expected UTF-8 in `{parameter}`, got {path_as_sent()}")
            names[parameter] = name


def _decoded(raw: bytes) -> str:
    parts = raw.decode("latin-1").split("/")
    return "/".join(unquote(part, errors="surrogateescape").replace("/", _SLASH) for part in parts)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)
