"""Schema rows: `deployment/dp_1...` -> version byte, then the Deployment in msgpack.

Fields are only ever appended, with defaults, so a newer server reads older rows; a row of an unknown version is refused.
"""

import msgspec

from restate.runtime.errors import RestateError
from restate.runtime.model.ids import DeploymentId
from restate.runtime.schema.deployment import Deployment

Row = tuple[bytes, bytes | None]
"""Key and value; None deletes."""

_PREFIX = b"deployment/"
_VERSION = b"\x01"
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Deployment)


class SchemaFormatError(RestateError):
    """A stored deployment cannot be read by this version."""

    default_code = "META0010"


def deployment_key(deployment_id: DeploymentId) -> bytes:
    return _PREFIX + deployment_id.encode()


def deployment_row(deployment: Deployment) -> Row:
    return deployment_key(deployment.id), _VERSION + _encoder.encode(deployment)


def is_deployment(key: bytes) -> bool:
    return key.startswith(_PREFIX)


def id_in_key(key: bytes) -> DeploymentId:
    return DeploymentId(key[len(_PREFIX) :].decode())


def decode_deployment(key: bytes, value: bytes) -> Deployment:
    """Raises SchemaFormatError."""
    if value[:1] != _VERSION:
        raise SchemaFormatError(
            f"expected version {_VERSION[0]} of the stored deployment {id_in_key(key)}, found {value[:1].hex() or 'nothing'}"
        )
    try:
        return _decoder.decode(memoryview(value)[1:])
    except msgspec.MsgspecError as error:
        raise SchemaFormatError(f"the stored deployment {id_in_key(key)} cannot be read: {error}") from error
