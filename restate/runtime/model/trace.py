"""Where an invocation belongs in a distributed trace (W3C Trace Context).

The span of an invocation has an id made from the invocation's own, so that whoever knows the one knows the other: nothing
about spans is stored but where the tree above continues.
"""

import re

import msgspec

from restate.runtime.model.ids import InvocationId

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_INVALID_VERSION = "ff"
_LONGEST_STATE = 512
_SPAN_BYTES = 8


class TraceContext(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The place below a span. trace_id: 16 bytes. span_id: of the span above, 8 bytes; empty at the root of a trace.

    sampled: whether spans are recorded. state: the header tracestate, passed on as it came.
    """

    trace_id: bytes
    span_id: bytes
    sampled: bool
    state: str = ""

    def below(self, span_id: bytes) -> "TraceContext":
        """The place below another span of the same trace."""
        return TraceContext(self.trace_id, span_id, self.sampled, self.state)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What tells somebody who is called of the span above; not for the root."""
        flags = "01" if self.sampled else "00"
        text = f"00-{self.trace_id.hex()}-{self.span_id.hex()}-{flags}"
        told = [(b"traceparent", text.encode())]
        if self.state:
            told.append((b"tracestate", self.state.encode("latin-1")))
        return told


def parse_traceparent(text: str, state: str = "") -> TraceContext | None:
    """None for what is no trace context, which is ignored by everybody. state: of the header tracestate."""
    found = _TRACEPARENT.fullmatch(text.strip())
    if found is None or found[1] == _INVALID_VERSION or (found[1] == "00" and found[5]):
        return None
    trace_id, span_id = bytes.fromhex(found[2]), bytes.fromhex(found[3])
    if not any(trace_id) or not any(span_id):
        return None
    return TraceContext(trace_id, span_id, bool(int(found[4], 16) & 1), state[:_LONGEST_STATE])


def span_id_of(invocation: InvocationId) -> bytes:
    """8 bytes, never all 0: the id of the invocation's own span."""
    own = invocation[-_SPAN_BYTES:]
    return own if any(own) else b"\0" * (_SPAN_BYTES - 1) + b"\x01"
