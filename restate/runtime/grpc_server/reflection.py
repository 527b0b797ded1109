"""The reflection service, in both versions (ingress.md §1.7)."""

from collections.abc import Callable, Iterator

import attrs

from restate.runtime.grpc_server.bases.reflection_grpc import ServerReflectionBase
from restate.runtime.grpc_server.call import Call
from restate.runtime.grpc_server.method import Method, methods_of
from restate.runtime.pb.reflection_pb2 import (
    ErrorResponse,
    ExtensionNumberResponse,
    FileDescriptorResponse,
    ListServiceResponse,
    ServerReflectionRequest,
    ServerReflectionResponse,
    ServiceResponse,
)
from restate.runtime.rpc.status import Code, RpcError
from restate.runtime.schema.symbols import SymbolIndex
from restate.runtime.schema.symbols_builtin import REFLECTION_ALPHA


def reflection_methods(index: Callable[[], SymbolIndex]) -> Iterator[Method]:
    """index: asked for every request, so that a client sees changes on the stream it has."""
    for method in methods_of(_Reflection(index)).values():
        yield method
        # The messages of both versions are the same but for their names, which are not on the wire.
        yield attrs.evolve(method, service=f"{REFLECTION_ALPHA}.ServerReflection")


@attrs.frozen(eq=False)
class _Reflection(ServerReflectionBase):
    _index: Callable[[], SymbolIndex]

    async def ServerReflectionInfo(self, call: Call) -> None:
        async for request in call:
            await call.send_message(reflect(request, self._index()))


def reflect(request: ServerReflectionRequest, index: SymbolIndex) -> ServerReflectionResponse:
    """The answer to one request. Raises RpcError INVALID_ARGUMENT when nothing is asked for."""
    answer = ServerReflectionResponse(valid_host=request.host, original_request=request)
    asked = request.WhichOneof("message_request")
    if asked == "file_by_filename":
        file = index.file(request.file_by_filename)
        _files(answer, None if file is None else [file], request.file_by_filename)
    elif asked == "file_containing_symbol":
        _files(answer, index.containing(request.file_containing_symbol), request.file_containing_symbol)
    elif asked == "file_containing_extension":
        answer.file_descriptor_response.CopyFrom(FileDescriptorResponse())
    elif asked == "all_extension_numbers_of_type":
        answer.all_extension_numbers_response.CopyFrom(ExtensionNumberResponse())
    elif asked == "list_services":
        services = [ServiceResponse(name=name) for name in index.services]
        answer.list_services_response.CopyFrom(ListServiceResponse(service=services))
    else:
        raise RpcError(Code.INVALID_ARGUMENT, "Unexpected empty MessageRequest")
    return answer


def _files(answer: ServerReflectionResponse, files: list[bytes] | None, name: str) -> None:
    if files is None:
        answer.error_response.CopyFrom(ErrorResponse(error_code=Code.NOT_FOUND, error_message=name))
    else:
        answer.file_descriptor_response.CopyFrom(FileDescriptorResponse(file_descriptor_proto=files))
