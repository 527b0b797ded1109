"""The header block of an h2 request: what is malformed, and its head as a value.

The state machines leave these checks to us (they would end the connection, we end the stream), and jh2 has fewer.
"""

import re

import attrs

from restate.runtime.net.date import http_date
from restate.runtime.net.http import FRAMING_HEADERS, Headers
from restate.runtime.net.target import in_ascii

_NAME = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+").fullmatch
_BAD_VALUE = re.compile(rb"[\x00\r\n]").search
_BAD_PATH = re.compile(rb"[^\x21-\x7e]").search
_PSEUDO = frozenset((b":method", b":path", b":scheme", b":authority", b":protocol"))
_CONNECTION = FRAMING_HEADERS - {b"content-length"}


class MalformedHead(Exception):
    """The block breaks a rule of the protocol: the stream is reset."""


@attrs.frozen
class Head:
    method: str
    path: bytes
    headers: Headers  # regular ones, and a host made of :authority
    content_length: int | None
    refusal: tuple[int, str] | None  # status and reason, for a request that is well-formed but not acceptable


def parse_head(block: list[tuple[bytes, bytes]], most_bytes: int, most_headers: int) -> Head:
    """Check and sort the fields of a request. Raises MalformedHead."""
    pseudo: dict[bytes, bytes] = {}
    headers: Headers = []
    length: int | None = None
    has_host = False
    size = 0
    for name, value in block:
        size += len(name) + len(value) + 32
        if name[:1] == b":":
            if headers or name in pseudo or name not in _PSEUDO:
                raise MalformedHead(f"pseudo header {name!r} is unknown, repeated or late")
            pseudo[name] = value
            continue
        check_field(name, value)
        if name == b"host":
            has_host = True
        elif name == b"content-length":
            if not value.isdigit() or len(value) > 18:
                raise MalformedHead(f"content-length {value!r}")
            length = int(value)
        headers.append((bytes(name), bytes(value)))
    method, path = pseudo.get(b":method"), pseudo.get(b":path")
    if not method or not path or b":scheme" not in pseudo or not _is_token(method):
        raise MalformedHead("expected :method, :scheme and :path")
    authority = pseudo.get(b":authority")
    if authority and not has_host:
        headers.append((b"host", bytes(authority)))
    path = bytes(path)
    if not path.isascii():
        path = in_ascii(path)
    refusal = None
    if size > most_bytes or len(headers) > most_headers:
        refusal = (431, f"expected at most {most_headers} headers and {most_bytes} bytes")
    elif _BAD_PATH(path) or (not path.startswith(b"/") and (path, method) != (b"*", b"OPTIONS")):
        refusal = (
            400,
            "expected a path that begins with / and holds no spaces, and what is not ASCII in UTF-8",
        )
    return Head(method.decode(), path, headers, length, refusal)


def check_field(name: bytes, value: bytes) -> None:
    """Raises MalformedHead for a regular field that may not stand in an h2 block."""
    if not _NAME(name) or name in _CONNECTION:
        raise MalformedHead(f"header name {name!r}")
    if _BAD_VALUE(value) or (name == b"te" and value.lower() != b"trailers"):
        raise MalformedHead(f"value of header {name!r}")


def check_trailers(block: list[tuple[bytes, bytes]]) -> None:
    """Raises MalformedHead. The trailers of a request are then ignored."""
    for name, value in block:
        check_field(name, value)


def answer_head(status: int, headers: Headers) -> Headers:
    """The first block of an answer. Raises ValueError for a status or a header that would make it malformed."""
    if not 200 <= status <= 999:
        raise ValueError(f"expected a final status of three digits, got {status}")
    return [(b":status", b"%d" % status), *outgoing(headers), (b"date", http_date())]


def outgoing(headers: Headers) -> Headers:
    """The fields that may be sent. Raises ValueError for one that would make the block malformed."""
    block = [field for field in headers if field[0] not in FRAMING_HEADERS]
    for _, value in block:
        if _BAD_VALUE(value):
            raise ValueError(f"expected header values without line ends and zero bytes, got {headers!r}")
    return block


def _is_token(method: bytes) -> bool:
    return _NAME(method.lower()) is not None
