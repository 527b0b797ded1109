"""Addresses of deployments, as people write them and as they are stored."""

import re
from urllib.parse import urlsplit, urlunsplit

_MAX_ARN_LENGTH = 2048
_MAX_URI_LENGTH = 8192
"""What common servers take as a request line, and more than anybody needs."""
_HOST_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}(?:[/?].*)?")


class AddressSyntaxError(ValueError):
    """Not the address of a deployment; str() says why. relative: what is missing is scheme or authority."""

    def __init__(self, message: str, *, relative: bool = False) -> None:
        super().__init__(message)
        self.relative = relative


def parse_uri(text: str, *, assume_http: bool) -> str:
    """The absolute form, `http://host:port/path?query`, with at least `/` as path and without fragment.

    assume_http: `host:port` without scheme means `http://host:port`. Raises AddressSyntaxError.
    """
    stripped = text.strip()
    if assume_http and _HOST_PORT.fullmatch(stripped):
        stripped = f"http://{stripped}"
    if not stripped.isascii() or re.search(r"[\x00-\x20\x7f<>\"{}|\\^`]", stripped):
        raise AddressSyntaxError(f"expected an http:// or https:// address in ASCII, got {text[:200]!r}")
    if len(stripped) > _MAX_URI_LENGTH:
        raise AddressSyntaxError(
            f"expected an address of at most {_MAX_URI_LENGTH} characters, got {len(stripped)}: {stripped[:100]!r}..."
        )
    try:
        parts = urlsplit(stripped)
        port = parts.port
    except ValueError as error:
        raise AddressSyntaxError(
            f"expected an http:// or https:// address, got {text[:200]!r}: {error}"
        ) from None
    if not parts.scheme or not parts.netloc:
        raise AddressSyntaxError(f"the address {text[:200]!r} has no scheme or no host", relative=True)
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise AddressSyntaxError(f"expected an http:// or https:// address with a host, got {text[:200]!r}")
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", parts.query, ""))


def parse_arn(text: str) -> str:
    """The ARN of a Lambda function with version or alias, as it is given. Raises AddressSyntaxError.

    The words of the faults are those that clients of the official server know.
    """
    parts = text.split(":", 7)
    if len(parts) < 7:
        raise AddressSyntaxError("A qualified ARN must have 8 components delimited by `:`")
    if len(parts) < 8 or not parts[7]:
        raise AddressSyntaxError(
            "A qualified ARN needs a version or alias suffix. If you want to use the unpublished version, provide"
            " $LATEST and make sure your shell doesn't treat it as a variable"
        )
    prefix, partition, service, region, account, resource, function, _ = parts
    if prefix != "arn":
        raise AddressSyntaxError("First component of the ARN must be `arn`")
    if resource != "function":
        raise AddressSyntaxError("ARN must refer to a `function` resource")
    if service != "lambda":
        raise AddressSyntaxError("ARN must be for the lambda service")
    if not all((partition, region, account, function)):
        raise AddressSyntaxError(
            "Partition, service, region, account ID, function name and version must all be non-empty"
        )
    if not text.isascii() or re.search(r"[\x00-\x20\x7f]", text) or len(text) > _MAX_ARN_LENGTH:
        raise AddressSyntaxError(
            f"expected at most {_MAX_ARN_LENGTH} printable ASCII characters, got {text[:200]!r}"
        )
    return text


def join_path(uri: str, suffix: str) -> bytes:
    """The request path of `suffix`, such as `/discover`, below a deployment's address, with the address's query."""
    parts = urlsplit(uri)
    path = parts.path.removesuffix("/") + suffix
    return (f"{path}?{parts.query}" if parts.query else path).encode()
