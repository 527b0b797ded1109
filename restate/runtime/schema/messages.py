"""Message classes of classic services, each deployment's in a pool of its own, and the key inside a message."""

from collections.abc import Iterator
from functools import cache

import attrs
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from restate.runtime.model.target import ServiceType
from restate.runtime.schema import wire
from restate.runtime.schema.deployment import ClassicMethod
from restate.runtime.schema.legal_names import identifier, legal_name


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
    """What an edge needs to speak a classic method. The classes belong to a private pool: cross pools by bytes.

    no_side_effects: the contract says so, and the method may be called by a Connect GET.
    """

    service_type: ServiceType
    input_class: type[Message]
    output_class: type[Message]
    key_field: int | None
    no_side_effects: bool = False

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
        self._harmless: set[tuple[str, str]] = set()  # service and method, by names as descriptors have them
        for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
            self.pool.AddSerializedFile(file.SerializeToString())
            self._harmless.update(_harmless(file))
        # The class of a descriptor costs far more than a lookup, and is asked for with every request.
        self.messages = cache(self._messages)

    def _messages(self, service: str, name: str, kind: ServiceType, method: ClassicMethod) -> ClassicMessages:
        return ClassicMessages(
            kind,
            self._message_class(method.input_type),
            self._message_class(method.output_type),
            method.key_field,
            (service, name) in self._harmless or (legal_name(service), identifier(name)) in self._harmless,
        )

    def _message_class(self, name: str) -> type[Message]:
        found: type[Message] = message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))
        return found


def _harmless(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """The methods without side effects."""
    for service in file.service:
        for method in service.method:
            if method.options.idempotency_level == descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS:
                yield f"{file.package}.{service.name}".removeprefix("."), method.name
