"""What each setting is for, read from the strings below the fields, so that it is written once."""

import ast
import inspect
from functools import cache

import attrs

from restate.runtime.config import ports, tree, work
from restate.runtime.config.tree import Config
from restate.runtime.config.values import Address


@cache
def descriptions() -> dict[str, str]:
    """{setting or section: its text, on one line}. Settings without a text are missing."""
    classes = _class_texts()
    found: dict[str, str] = {}
    _collect(Config(), (), classes, found)
    return found


def _class_texts() -> dict[str, tuple[str, dict[str, str]]]:
    """{class: (its docstring, {field: the string below it})}."""
    return {
        node.name: (_line(ast.get_docstring(node) or ""), _field_texts(node))
        for module in (ports, work, tree)
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef)
    }


def _field_texts(node: ast.ClassDef) -> dict[str, str]:
    texts = {}
    for field, below in zip(node.body, node.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                texts[name] = _line(text)
    return texts


def _line(text: str) -> str:
    return " ".join(text.split())


def _collect(
    part: attrs.AttrsInstance,
    path: tuple[str, ...],
    classes: dict[str, tuple[str, dict[str, str]]],
    found: dict[str, str],
) -> None:
    section, fields = classes[type(part).__name__]
    if path:
        found[".".join(path)] = section
    for field in attrs.fields(type(part)):
        value = getattr(part, field.name)
        name = (*path, field.name.removesuffix("_ms"))
        if attrs.has(type(value)) and not isinstance(value, Address):
            _collect(value, name, classes, found)
        elif field.name in fields:
            found[".".join(name)] = fields[field.name]
