from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProtocolMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BIDI_STREAM: _ClassVar[ProtocolMode]
    REQUEST_RESPONSE: _ClassVar[ProtocolMode]
BIDI_STREAM: ProtocolMode
REQUEST_RESPONSE: ProtocolMode

class ServiceDiscoveryRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ServiceDiscoveryResponse(_message.Message):
    __slots__ = ("files", "services", "min_protocol_version", "max_protocol_version", "protocol_mode")
    FILES_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    MIN_PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    MAX_PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MODE_FIELD_NUMBER: _ClassVar[int]
    files: _descriptor_pb2.FileDescriptorSet
    services: _containers.RepeatedScalarFieldContainer[str]
    min_protocol_version: int
    max_protocol_version: int
    protocol_mode: ProtocolMode
    def __init__(self, files: _Optional[_Union[_descriptor_pb2.FileDescriptorSet, _Mapping]] = ..., services: _Optional[_Iterable[str]] = ..., min_protocol_version: _Optional[int] = ..., max_protocol_version: _Optional[int] = ..., protocol_mode: _Optional[_Union[ProtocolMode, str]] = ...) -> None: ...
