"""The configuration file described for editors and checkers: a JSON Schema (draft 2020-12), and an example in TOML."""

import json
from typing import Any

from restate.runtime.config.documentation import descriptions
from restate.runtime.config.listing import default_text
from restate.runtime.config.names import known_names, setting_name
from restate.runtime.config.tree import SETTINGS, Setting
from restate.runtime.config.values import (
    Address,
    Attempts,
    Count,
    Factor,
    Ip,
    KafkaClusters,
    LogFormat,
    Millis,
    OnMaxAttempts,
    OtlpProtocol,
    PositiveMillis,
    Ratio,
    RetryType,
    Size,
    Threads,
    WholeWindow,
    Window,
)

JsonObject = dict[str, Any]

_POSITIVE_DURATION: JsonObject = {"type": "string", "examples": ["500ms", "10s", "1m 30s", "PT1H"]}
_DURATION: JsonObject = {
    "anyOf": [{"type": "string"}, {"const": 0}],
    "examples": _POSITIVE_DURATION["examples"],
}
_SIZE: JsonObject = {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1}], "examples": ["32MiB"]}
_COUNT: JsonObject = {"type": "integer", "minimum": 1}
_KINDS: list[tuple[Any, JsonObject]] = [
    (bool, {"type": "boolean"}),
    (Address, {"type": ["string", "integer"], "examples": ["127.0.0.1:8080", ":8080", 8080]}),
    (Millis, _DURATION),
    (PositiveMillis, _POSITIVE_DURATION),
    (Size, _SIZE),
    (Window, _SIZE),
    (WholeWindow, _SIZE),
    (Count, _COUNT),
    (Threads, {**_COUNT, "maximum": 1024}),
    (Factor, {"type": "number", "minimum": 1}),
    (Ratio, {"type": "number", "minimum": 0, "maximum": 1}),
    (Attempts, {"anyOf": [_COUNT, {"enum": ["unlimited"]}, {"type": "null"}]}),
    (Ip, {"type": "string", "examples": ["127.0.0.1", "0.0.0.0", "::1"]}),
    (LogFormat, {"type": "string", "examples": ["pretty", "compact", "json"]}),
    (OnMaxAttempts, {"type": "string", "examples": ["pause", "kill"]}),
    (RetryType, {"type": "string", "examples": ["exponential", "fixed_delay", "none"]}),
    (OtlpProtocol, {"type": "string", "examples": ["http", "grpc"]}),
    (KafkaClusters, {"type": ["array", "object", "string"]}),
]


def print_schema() -> str:
    """`json_schema` as text."""
    return json.dumps(json_schema(), indent=2) + "\n"


def json_schema() -> JsonObject:
    """Every key that a file may hold, those of both upstream generations marked as deprecated. `-` and `_` are the same
    to the server; the schema has the keys with `_`.
    """
    schema: JsonObject = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "restate-server",
        **_section(""),
    }
    for name, setting in SETTINGS.items():
        _insert(schema, name, _described(setting))
    for name in known_names():
        target = setting_name(name)
        if target is not None and target != name:
            leaf = {
                **_shape(SETTINGS[target].kind),
                "deprecated": True,
                "description": f"The same as {target}.",
            }
            _insert(schema, name, leaf)
    return schema


def _described(setting: Setting) -> JsonObject:
    text = descriptions().get(setting.name, "")
    return {**_shape(setting.kind), "description": f"{text} Default: {default_text(setting.name)}.".strip()}


def _shape(kind: object) -> JsonObject:
    for known, shape in _KINDS:
        if kind in (known, known | None):
            return shape
    return {"type": "string"}


def _section(name: str) -> JsonObject:
    section: JsonObject = {"type": "object", "properties": {}, "additionalProperties": False}
    text = descriptions().get(name)
    return section if text is None else {"description": text, **section}


def _insert(schema: JsonObject, name: str, leaf: JsonObject) -> None:
    *sections, key = name.split(".")
    path = ""
    for part in sections:
        path = f"{path}.{part}" if path else part
        schema = schema["properties"].setdefault(part, _section(path))
        if "properties" not in schema:  # a setting of ours that is a section under another vocabulary
            return
    schema["properties"].setdefault(key, leaf)


def example() -> str:
    """A file in TOML that changes nothing: every setting with its text and default, commented out."""
    lines = [
        "# restate-server: every setting with its default. Remove the # before a line to change it.",
        "# Each one can also be given as RESTATE_SECTION__KEY in the environment or as --set section.key=value.",
    ]
    for section in dict.fromkeys(name.rpartition(".")[0] for name in SETTINGS):
        if section:
            lines += ["", *_comment(descriptions().get(section, "")), f"[{section}]"]
        for name in SETTINGS:
            head, _, key = name.rpartition(".")
            if head == section:
                lines += ["", *_comment(descriptions().get(name, "")), _assignment(name, key)]
    return "\n".join(lines) + "\n"


def _assignment(name: str, key: str) -> str:
    text = default_text(name)
    value = SETTINGS[name].default
    return f"# {key} = ...  # {text}" if value is None else f"# {key} = {text}"


def _comment(text: str) -> list[str]:
    return [f"## {text}"] if text else []
