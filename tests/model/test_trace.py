import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.trace import TraceContext, parse_traceparent, span_id_of

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("03", True), ("fe", False)])
def test_a_context_is_read(flags: str, sampled: bool) -> None:
    found = parse_traceparent(f"00-{TRACE_ID}-{SPAN_ID}-{flags}", "a=b")
    assert found == TraceContext(bytes.fromhex(TRACE_ID), bytes.fromhex(SPAN_ID), sampled, "a=b")


def test_a_later_version_may_have_more_parts() -> None:
    assert parse_traceparent(f"01-{TRACE_ID}-{SPAN_ID}-01-more") is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rubbish",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}",
    ],
)
def test_what_is_no_context_is_ignored(text: str) -> None:
    assert parse_traceparent(text) is None


@given(
    st.binary(min_size=16, max_size=16).filter(any),
    st.binary(min_size=8, max_size=8).filter(any),
    st.booleans(),
)
def test_what_is_told_is_what_is_read(trace_id: bytes, span_id: bytes, sampled: bool) -> None:
    context = TraceContext(trace_id, span_id, sampled, "k=v")
    told = {name: value.decode() for name, value in context.headers()}
    assert parse_traceparent(told[b"traceparent"], told[b"tracestate"]) == context


def test_a_span_id_is_never_zero_and_follows_from_the_invocation() -> None:
    assert span_id_of(InvocationId(bytes(24))) == bytes(7) + b"\1"
    assert span_id_of(InvocationId(bytes(range(24)))) == bytes(range(16, 24))
