"""Where a deployment is, as bodies give it: URI or ARN, and the headers that its requests get."""

from restate.runtime.admin.errors import Refusal
from restate.runtime.schema.address import AddressSyntaxError, parse_arn, parse_uri

Headers = tuple[tuple[str, str], ...]

_WRONG_SHAPE = "Failed to deserialize the JSON body into the target type"


def read_uri(text: str, *, assume_http: bool) -> str:
    """The absolute form. assume_http: `host:port` stands for `http://host:port`. Raises Refusal 400 or 422."""
    try:
        return parse_uri(text, assume_http=assume_http)
    except AddressSyntaxError as error:
        if error.relative:
            raise Refusal(
                400,
                f"The request field 'uri' is invalid. Reason: The provided uri {text[:200]} is not absolute, only"
                " absolute URIs can be used.",
            ) from None
        raise Refusal(422, f"{_WRONG_SHAPE}: uri: {error}") from None


def read_arn(text: str) -> str:
    """Raises Refusal 400."""
    try:
        return parse_arn(text)
    except AddressSyntaxError as error:
        raise Refusal(400, f"The request field 'arn' is invalid. Reason: {error}") from None


def read_headers(given: dict[str, str]) -> Headers:
    """Lower-case names, in order. Raises Refusal 422 where HTTP does not allow them."""
    seen: set[str] = set()
    for name, value in given.items():
        if name.lower() in seen:
            raise Refusal(
                422,
                f"{_WRONG_SHAPE}: additional_headers: expected each header once, got {name[:100]!r} again",
            )
        seen.add(name.lower())
        if not _is_token(name) or not _is_header_value(value):
            raise Refusal(
                422,
                f"{_WRONG_SHAPE}: additional_headers: {name[:100]!r} is not a header with a value that HTTP allows",
            )
    return tuple(sorted((name.lower(), value.strip()) for name, value in given.items()))


def _is_token(name: str) -> bool:
    return bool(name) and name.isascii() and all(char.isalnum() or char in "!#$%&'*+-.^_`|~" for char in name)


def _is_header_value(value: str) -> bool:
    return all(char == "\t" or " " <= char <= "~" for char in value)
