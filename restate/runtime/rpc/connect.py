"""The Connect protocol of unary calls, server side: which requests are Connect, and what an error looks like.

Source: the Connect protocol reference of connectrpc.com, and ingress.md §1.1, §2.1.
"""

import json

from restate.runtime.rpc.status import PLAIN, STRICT, Profile, RpcError

JSON = "application/json"
PROTO = "application/proto"


def codec_of(method: str, content_type: bytes | None) -> str | None:
    """JSON or PROTO, by prefix of the content type; a bare GET is an empty message with a JSON answer. None: neither."""
    if content_type is None:
        return JSON if method == "GET" else None
    if method != "POST":
        return None
    text = content_type.decode("latin-1").lower()
    if text.startswith(JSON):
        return JSON
    return PROTO if text.startswith(PROTO) else None


def profile_of(protocol_version: bytes | None) -> Profile:
    """A client that sends `Connect-Protocol-Version` expects the Connect statuses, others those of 0.8."""
    return PLAIN if protocol_version is None else STRICT


def error_body(error: RpcError, profile: Profile) -> tuple[int, bytes]:
    """HTTP status and JSON body."""
    body = {"code": profile.name(error.code), "message": error.message}
    return profile.http[error.code], json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
