"""Names in descriptors: every descriptor library refuses what is no identifier, while services are called anything."""

import re

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ILLEGAL = re.compile(r"[^A-Za-z0-9_]")


def is_identifier(text: str) -> bool:
    return _IDENTIFIER.fullmatch(text) is not None


def identifier(text: str) -> str:
    """A nonempty text with underscores for what is illegal."""
    legal = _ILLEGAL.sub("_", text)
    return f"_{legal}" if legal[0].isdigit() else legal


def legal_name(full_name: str) -> str:
    """The name of a service as descriptors have it: `a.b-c` becomes `a.b_c`. Two names may become the same one."""
    return ".".join(identifier(part) for part in full_name.split(".") if part)
