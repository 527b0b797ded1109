"""JSON Patch (RFC 6902): a list of operations that make one document out of another."""

import copy
from typing import Any

from restate.runtime.cli.problems import CommandError

_OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")


class PatchError(CommandError):
    """The patch is malformed, or does not fit the document."""


def apply(document: Any, patch: Any) -> Any:
    """The changed document; the given one is left alone. Raises PatchError, with nothing half done."""
    if not isinstance(patch, list):
        raise PatchError("a JSON patch is a list of operations")
    document = copy.deepcopy(document)
    for operation in patch:
        document = _apply_one(document, operation)
    return document


def _apply_one(document: Any, operation: Any) -> Any:
    if not isinstance(operation, dict):
        raise PatchError(f"an operation of a JSON patch is an object, not {operation!r}")
    name = operation.get("op")
    path = _tokens(_member(operation, "path"))
    match name:
        case "add":
            return _add(document, path, _member(operation, "value"))
        case "remove":
            return _remove(document, path)[0]
        case "replace":
            value = _member(operation, "value")
            return _add(_remove(document, path)[0], path, value) if path else value
        case "move":
            source = _tokens(_member(operation, "from"))
            if path[: len(source)] == source and path != source:
                raise PatchError("a value cannot be moved into itself")
            document, value = _remove(document, source)
            return _add(document, path, value)
        case "copy":
            return _add(document, path, copy.deepcopy(_find(document, _tokens(_member(operation, "from")))))
        case "test":
            if not same(_find(document, path), _member(operation, "value")):
                raise PatchError(f"the test of '{operation['path']}' failed")
            return document
        case _:
            raise PatchError(f"the operation {name!r} is unknown; known are: {', '.join(_OPERATIONS)}")


def _member(operation: dict[str, Any], name: str) -> Any:
    if name not in operation:
        raise PatchError(f"the operation '{operation.get('op')}' needs '{name}'")
    return operation[name]


def _tokens(pointer: Any) -> list[str]:
    """A JSON pointer's parts."""
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise PatchError(f"a path begins with '/', not {pointer!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _find(document: Any, path: list[str]) -> Any:
    for token in path:
        document = document[_place(document, token, existing=True)]
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _find(document, path[:-1])
    place = _place(parent, path[-1], existing=False)
    if isinstance(parent, list):
        parent.insert(place, value)
    else:
        parent[place] = value
    return document


def _remove(document: Any, path: list[str]) -> tuple[Any, Any]:
    """The document without it, and what was there."""
    if not path:
        return None, document
    parent = _find(document, path[:-1])
    return document, parent.pop(_place(parent, path[-1], existing=True))


def _place(parent: Any, token: str, *, existing: bool) -> Any:
    """The key or index that a token means in its parent."""
    if isinstance(parent, dict):
        if existing and token not in parent:
            raise PatchError(f"there is no '{token}'")
        return token
    if not isinstance(parent, list):
        raise PatchError(f"there is nothing below a value like {parent!r}, so no '{token}'")
    if token == "-" and not existing:
        return len(parent)
    if not (token.isascii() and token.isdigit()) or (len(token) > 1 and token[0] == "0"):
        raise PatchError(f"'{token}' is no index of a list")
    if int(token) > len(parent) - existing:
        raise PatchError(f"the list has no index {token}")
    return int(token)


def same(one: Any, other: Any) -> bool:
    """Equality of JSON, where true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
