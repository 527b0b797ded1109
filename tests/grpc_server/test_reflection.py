"""The answers of reflection, request by request."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from restate.runtime.grpc_server.reflection import reflect
from restate.runtime.pb.reflection_pb2 import ExtensionRequest, ServerReflectionRequest
from restate.runtime.rpc.status import RpcError
from restate.runtime.schema.symbols import SymbolIndex
from restate.runtime.schema.symbols_builtin import BUILTIN_SERVICES, builtin_files

INDEX = SymbolIndex(builtin_files(), BUILTIN_SERVICES)


def names(files: list[bytes]) -> list[str]:
    return [FileDescriptorProto.FromString(encoded).name for encoded in files]


def test_the_request_comes_back_with_the_answer() -> None:
    request = ServerReflectionRequest(host="h", list_services="*")
    answer = reflect(request, INDEX)
    assert (answer.valid_host, answer.original_request) == ("h", request)
    assert [each.name for each in answer.list_services_response.service] == list(BUILTIN_SERVICES)


def test_a_file_comes_alone_by_its_name() -> None:
    answer = reflect(ServerReflectionRequest(file_by_filename="dev/restate/services.proto"), INDEX)
    files = list(answer.file_descriptor_response.file_descriptor_proto)
    assert names(files) == ["dev/restate/services.proto"]


def test_a_service_comes_with_what_it_needs_and_a_message_alone() -> None:
    answer = reflect(ServerReflectionRequest(file_containing_symbol="dev.restate.Awakeables"), INDEX)
    assert len(answer.file_descriptor_response.file_descriptor_proto) == 3
    answer = reflect(ServerReflectionRequest(file_containing_symbol="dev.restate.InvokeRequest"), INDEX)
    assert len(answer.file_descriptor_response.file_descriptor_proto) == 1


@pytest.mark.parametrize(
    "request_",
    [
        ServerReflectionRequest(file_by_filename="nope"),
        ServerReflectionRequest(file_containing_symbol="nope"),
    ],
)
def test_what_is_unknown_is_an_error_of_that_request_only(request_: ServerReflectionRequest) -> None:
    answer = reflect(request_, INDEX)
    assert (answer.error_response.error_code, answer.error_response.error_message) == (5, "nope")


def test_extensions_are_not_looked_up() -> None:
    extension = ExtensionRequest(containing_type="google.protobuf.FieldOptions", extension_number=51234)
    answer = reflect(ServerReflectionRequest(file_containing_extension=extension), INDEX)
    assert answer.WhichOneof("message_response") == "file_descriptor_response"
    assert not answer.file_descriptor_response.file_descriptor_proto
    answer = reflect(ServerReflectionRequest(all_extension_numbers_of_type="x"), INDEX)
    assert answer.WhichOneof("message_response") == "all_extension_numbers_response"


def test_an_empty_request_ends_the_stream() -> None:
    with pytest.raises(RpcError, match="Unexpected empty MessageRequest"):
        reflect(ServerReflectionRequest(host="h"), INDEX)
