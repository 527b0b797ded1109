"""/ui: one page that shows what is registered and what runs, made of what the other routes answer; it changes nothing."""

import base64
import hashlib
import re
from pathlib import Path

from quart import Blueprint, Response, request

from restate.runtime.admin.answer import empty_response

_PAGE = Path(__file__).with_name("ui.html").read_bytes()


def _hashes(tag: bytes) -> str:
    """The page's own scripts or styles, by which a browser knows that nobody else has put them there."""
    texts = re.findall(rb"<%b>(.*?)</%b>" % (tag, tag), _PAGE, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" for text in texts)


_HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; script-src {_hashes(b'script')}; style-src {_hashes(b'style')}; connect-src 'self';"
        " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def add_ui_routes(blueprint: Blueprint, version: int | None) -> None:
    """version: that of the prefix; None without one."""
    if version is None:
        blueprint.add_url_rule("/", view_func=_to_page, methods=["GET"])
    blueprint.add_url_rule("/ui", "to_page", _to_page, methods=["GET"])
    blueprint.add_url_rule("/ui/", view_func=_page, methods=["GET"])
    blueprint.add_url_rule("/ui/<path:rest>", view_func=_page, methods=["GET"])


async def _to_page() -> Response:
    query = request.query_string.decode("latin-1")
    return empty_response(308, {"location": f"/ui/?{query}" if query else "/ui/"})


async def _page(rest: str = "") -> Response:
    """The same under every path: bookmarks of other pages than ours lead here, too."""
    del rest
    return Response(_PAGE, 200, _HEADERS, content_type="text/html; charset=utf-8")
