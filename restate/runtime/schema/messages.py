"""Message classes of classic services, each deployment's in a pool of its own, and the key inside a message."""

from functools import cache

import attrs
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from restate.runtime.model.target import ServiceType
from restate.runtime.schema import wire
from restate.runtime.schema.deployment import ClassicMethod


class KeyExtractionError(ValueError):
    """The key cannot be read from the message; str() says why."""


def key_in_message(body: bytes, field: int) -> str:
    """The first occurrence of string field `field` in an encoded message; "" when it is absent.

    First, not last as a protobuf parser would: that is what decides where the state of existing keys lives. Raises
    KeyExtractionError.
    """
    try:
        for number, _, value in wire.fields(body):
            if number == field:
                if not isinstance(value, bytes):
                    raise KeyExtractionError(f"expected a string in field {field}, got a number")
                return value.decode()
    except wire.WireError as error:
        raise KeyExtractionError(
            f"expected an encoded message with the key in field {field}: {error}"
        ) from error
    except UnicodeDecodeError as error:
        raise KeyExtractionError(f"the key in field {field} is not UTF-8") from error
    return ""


@attrs.frozen
class ClassicMessages:
    """What an edge needs to speak a classic method. The classes belong to a private pool: cross pools by bytes."""

    service_type: ServiceType
    input_class: type[Message]
    output_class: type[Message]
    key_field: int | None

    def key_of(self, body: bytes) -> str:
        """The key in the encoded input message; "" for unkeyed and singleton services. Raises KeyExtractionError."""
        if self.service_type is not ServiceType.KEYED or self.key_field is None:
            return ""
        return key_in_message(body, self.key_field)


class MessagePool:
    """The descriptors of one deployment. descriptors: an encoded FileDescriptorSet in dependency order.

    Raises TypeError when protobuf refuses them, which registration has ruled out for stored ones.
    """

    def __init__(self, descriptors: bytes) -> None:
        self.pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
            self.pool.AddSerializedFile(file.SerializeToString())
        # The class of a descriptor costs far more than a lookup, and is asked for with every request.
        self.messages = cache(self._messages)

    def _messages(self, service_type: ServiceType, method: ClassicMethod) -> ClassicMessages:
        return ClassicMessages(
            service_type,
            self._message_class(method.input_type),
            self._message_class(method.output_type),
            method.key_field,
        )

    def _message_class(self, name: str) -> type[Message]:
        found: type[Message] = message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))
        return found
