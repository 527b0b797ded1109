"""Subscriptions: from a Kafka topic to a handler. They are stored and checked; nothing consumes records by them."""

import re

import attrs
import msgspec

_URI = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<authority>[^/?#]*)(?P<path>/[^?#]*)?(?:[?#].*)?"
)
_LEGAL = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%|-]+")


class UriSyntaxError(ValueError):
    """The text is no URI; str() says why."""


@attrs.frozen
class Uri:
    """scheme: None without one. path: empty, or with its leading slash. Query and fragment mean nothing here."""

    scheme: str | None
    authority: str
    path: str

    def __str__(self) -> str:
        if self.scheme is None:
            return f"{self.authority}{self.path}"
        return f"{self.scheme}://{self.authority}{self.path or '/'}"


def parse_uri(text: str) -> Uri:
    """Raises UriSyntaxError."""
    if not text:
        raise UriSyntaxError("empty string")
    if not _LEGAL.fullmatch(text):
        raise UriSyntaxError("invalid uri character")
    match = _URI.fullmatch(text)
    if match is None or (match["scheme"] is not None and not match["authority"]):
        raise UriSyntaxError("invalid format")
    return Uri(match["scheme"], match["authority"], match["path"] or "")


class Subscription(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """source: `kafka://cluster/topic`. sink: `service://Service/handler`. options: properties of the consumer."""

    id: str
    source: str
    sink: str
    options: tuple[tuple[str, str], ...]

    @property
    def cluster(self) -> str:
        return parse_uri(self.source).authority
