"""Contracts for modern services, which have none: one descriptor file per service, made from its manifest (ingress.md §4.1).

Every handler is a method from `dev.restate.synth.RpcRequest` to `RpcResponse`. These two are ours and the same for all
services, so calls need no pool of descriptors; the files are for reflection and for people.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from restate.runtime.model.target import Generation, HandlerType, ServiceType
from restate.runtime.pb import ext_pb2, synth_pb2
from restate.runtime.schema.deployment import Handler, InputRule, Service
from restate.runtime.schema.legal_names import legal_name
from restate.runtime.schema.symbols import ContractFile

SHARED_FILE = "dev/restate/synth.proto"
EXTENSION_FILE = "dev/restate/ext.proto"
JSON_TYPE = "application/json"

_SERVICE_TYPE: Any = ext_pb2.service_type
_REQUEST = f".{synth_pb2.RpcRequest.DESCRIPTOR.full_name}"
_RESPONSE = f".{synth_pb2.RpcResponse.DESCRIPTOR.full_name}"
_SERVICE_PATH = (6, 0)  # FileDescriptorProto.service[0]
_METHOD_FIELD = 2  # ServiceDescriptorProto.method
_LONGEST_LINE = 80  # characters of a JSON schema
_RUNS = {
    HandlerType.EXCLUSIVE: "One call at a time per key.",
    HandlerType.SHARED: "Any number of calls at a time; reads state.",
    HandlerType.WORKFLOW: "Runs once per key.",
}


def synthesize(service: Service) -> FileDescriptorProto:
    """The file of a modern service with its public handlers, in their order; documentation stands in comments."""
    assert service.type.generation is Generation.MODERN
    package, _, name = legal_name(service.name).rpartition(".")
    file = FileDescriptorProto(
        name=f"dev/restate/synth/{service.name}.proto",
        package=package,
        syntax="proto3",
        dependency=[EXTENSION_FILE, SHARED_FILE],
    )
    contract = file.service.add(name=name)
    unkeyed = service.type is ServiceType.SERVICE
    contract.options.Extensions[_SERVICE_TYPE] = ext_pb2.UNKEYED if unkeyed else ext_pb2.KEYED
    _comment(file, _SERVICE_PATH, _of_service(service))
    for index, handler in enumerate(filter(service.is_public, service.handlers)):
        contract.method.add(name=handler.name, input_type=_REQUEST, output_type=_RESPONSE)
        _comment(file, (*_SERVICE_PATH, _METHOD_FIELD, index), _of_handler(handler))
    return file


# A service changes with its deployment only, while reflection asks again after every change of the registry.
@lru_cache(maxsize=1024)
def synthesized_file(service: Service) -> ContractFile:
    return ContractFile.of(synthesize(service))


def takes_json(rule: InputRule) -> bool:
    """Whether a handler can be called through its contract with an input."""
    return rule.content_type in (JSON_TYPE, "application/*", "*/*")


def _comment(file: FileDescriptorProto, path: tuple[int, ...], lines: Iterator[str]) -> None:
    text = "".join(f" {line}\n" for line in lines)
    if text:
        # Positions are required; there is no text to point at.
        file.source_code_info.location.add(path=path, span=[0, 0, 0], leading_comments=text)


def _of_service(service: Service) -> Iterator[str]:
    if service.documentation:
        yield from service.documentation.splitlines()
    if legal_name(service.name) != service.name:
        yield f"Registered as {service.name}."


def _of_handler(handler: Handler) -> Iterator[str]:
    if handler.documentation:
        yield from handler.documentation.splitlines()
    if handler.type in _RUNS:
        yield _RUNS[handler.type]
    if handler.input.content_type is None:
        yield "Takes no request."
    elif not takes_json(handler.input):
        yield f"Takes {handler.input.content_type}, so it cannot be called this way."
    yield from _schema("request", handler.input.json_schema)
    yield from _schema("response", handler.output.json_schema)


def _schema(field: str, schema: bytes | None) -> Iterator[str]:
    """JSON schema; one that allows everything tells nothing."""
    if schema is None:
        return
    try:
        value = json.loads(schema)
        text = json.dumps(value, ensure_ascii=False)
        if len(text) > _LONGEST_LINE:
            text = json.dumps(value, ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        value, text = None, schema.decode("utf-8", "replace")
    if value in (True, {}):
        return
    first, *more = text.splitlines() or [""]
    yield f"JSON schema of {field}: {first}"
    yield from more
