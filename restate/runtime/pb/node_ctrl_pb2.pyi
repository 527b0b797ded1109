from google.protobuf import empty_pb2 as _empty_pb2
from restate.runtime.pb import node_common_pb2 as _node_common_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NodeStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NodeStatus_UNKNOWN: _ClassVar[NodeStatus]
    ALIVE: _ClassVar[NodeStatus]
    STARTING_UP: _ClassVar[NodeStatus]
    SHUTTING_DOWN: _ClassVar[NodeStatus]
NodeStatus_UNKNOWN: NodeStatus
ALIVE: NodeStatus
STARTING_UP: NodeStatus
SHUTTING_DOWN: NodeStatus

class IdentResponse(_message.Message):
    __slots__ = ("status", "node_id", "nodes_config_version")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    NODES_CONFIG_VERSION_FIELD_NUMBER: _ClassVar[int]
    status: NodeStatus
    node_id: _node_common_pb2.NodeId
    nodes_config_version: int
    def __init__(self, status: _Optional[_Union[NodeStatus, str]] = ..., node_id: _Optional[_Union[_node_common_pb2.NodeId, _Mapping]] = ..., nodes_config_version: _Optional[int] = ...) -> None: ...
