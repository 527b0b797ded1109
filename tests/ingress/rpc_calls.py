"""Calls of an ingress over a fake partition, in each RPC protocol."""

from __future__ import annotations

import base64
import json
from typing import Any

import attrs
from google.protobuf import json_format
from google.protobuf.message import Message

from restate.runtime.rpc.frames import frame
from restate.runtime.rpc.grpc import decode_message
from restate.runtime.rpc.status import Code
from tests.support.fake_partition import Answer, Port

PROTOCOLS = ("grpc", "grpc-web", "grpc-web-text", "connect-proto", "connect-json")


@attrs.frozen
class Outcome:
    """What a client has understood. code None: success; then message is the encoded reply, or JSON."""

    code: Code | None
    message: Any
    metadata: dict[str, str]


async def call(
    port: Port,
    protocol: str,
    path: str,
    message: Message,
    reply_class: type[Message],
    **headers: str,
) -> Outcome:
    """One unary call, encoded and decoded as the protocol wants it; JSON replies are parsed, others are messages."""
    raw = message.SerializeToString()
    if protocol.startswith("connect"):
        return await _connect(port, protocol, path, message, reply_class, headers)
    body = frame(raw)
    if protocol == "grpc-web-text":
        body = base64.b64encode(body)
    answer = await port.ask(
        "POST", path, body, http_version="2", content_type=f"application/{protocol}", **headers
    )
    assert answer.status == 200, (answer.status, answer.body)
    data = base64.b64decode(answer.body) if protocol == "grpc-web-text" else answer.body
    metadata = {name.decode(): value.decode() for name, value in [*answer.headers, *answer.trailers]}
    reply = None
    while data:
        flag, size = data[0], int.from_bytes(data[1:5], "big")
        part, data = data[5 : 5 + size], data[5 + size :]
        if flag & 0x80:
            lines = part.decode().split("\r\n")
            metadata |= dict(line.split(":", 1) for line in lines if line)
        else:
            reply = reply_class.FromString(part)
    if metadata["grpc-status"] != "0":
        return Outcome(
            Code(int(metadata["grpc-status"])),
            decode_message(metadata.get("grpc-message", "").encode()),
            metadata,
        )
    return Outcome(None, reply, metadata)


async def _connect(
    port: Port,
    protocol: str,
    path: str,
    message: Message,
    reply_class: type[Message],
    headers: dict[str, str],
) -> Outcome:
    json_codec = protocol == "connect-json"
    body = json_format.MessageToJson(message).encode() if json_codec else message.SerializeToString()
    kind = "application/json" if json_codec else "application/proto"
    answer = await port.ask("POST", path, body, content_type=kind, connect_protocol_version="1", **headers)
    metadata = {name.decode(): value.decode() for name, value in answer.headers}
    if answer.status != 200:
        error = answer.json
        return Outcome(Code[error["code"].upper()], error["message"], metadata)
    if json_codec:
        return Outcome(None, json_format.Parse(answer.body, reply_class()), metadata)
    return Outcome(None, reply_class.FromString(answer.body), metadata)


async def stream(
    port: Port, path: str, *messages: Message, answer: Answer | None = None, protocol: str = "grpc"
) -> Answer:
    """A streaming call whose messages are all sent at once; returns when it has ended."""
    body = b"".join(frame(message.SerializeToString()) for message in messages)
    return await port.ask(
        "POST", path, body, answer, http_version="2", content_type=f"application/{protocol}"
    )


def replies(answer: Answer, reply_class: type[Message]) -> list[Any]:
    """The messages that have been sent so far."""
    data, found = answer.body, []
    while data:
        size = int.from_bytes(data[1:5], "big")
        if not data[0] & 0x80:
            found.append(reply_class.FromString(data[5 : 5 + size]))
        data = data[5 + size :]
    return found


def as_json(message: Message) -> Any:
    return json.loads(json_format.MessageToJson(message))
