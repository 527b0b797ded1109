from restate.runtime.journal.catalog import decode
from restate.runtime.journal.input import INPUT_CODE, Input, encode_input
from restate.runtime.model.target import Generation

MODERN, CLASSIC = Generation.MODERN, Generation.CLASSIC


def test_modern_input_has_headers_and_value() -> None:
    raw = encode_input(MODERN, b"body", (("a", "1"), ("a", "2")))
    assert raw == b"\x0a\x06\x0a\x01a\x12\x011\x0a\x06\x0a\x01a\x12\x012\x72\x06\x0a\x04body"
    assert decode(MODERN, INPUT_CODE, raw, command_index=0) == Input(b"body", (("a", "1"), ("a", "2")))


def test_classic_input_is_the_value() -> None:
    raw = encode_input(CLASSIC, b"body", ())
    assert raw == b"\x72\x04body"
    assert decode(CLASSIC, INPUT_CODE, raw, command_index=0) == Input(b"body")


def test_an_empty_value_is_present_on_the_wire() -> None:
    assert encode_input(CLASSIC, b"", ()) == b"\x72\x00"
    assert encode_input(MODERN, b"", ()) == b"\x72\x00"
