from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class ServiceType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNKEYED: _ClassVar[ServiceType]
    KEYED: _ClassVar[ServiceType]
    SINGLETON: _ClassVar[ServiceType]

class FieldType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KEY: _ClassVar[FieldType]
    EVENT_PAYLOAD: _ClassVar[FieldType]
    EVENT_METADATA: _ClassVar[FieldType]
UNKEYED: ServiceType
KEYED: ServiceType
SINGLETON: ServiceType
KEY: FieldType
EVENT_PAYLOAD: FieldType
EVENT_METADATA: FieldType
SERVICE_TYPE_FIELD_NUMBER: _ClassVar[int]
service_type: _descriptor.FieldDescriptor
FIELD_FIELD_NUMBER: _ClassVar[int]
field: _descriptor.FieldDescriptor
