import pytest

from restate.runtime.net.access import Gate

GATE = Gate(["first", "sécond"])


@pytest.mark.parametrize(
    "header", [b"Bearer first", b"bearer first", b"BEARER   first ", "Bearer sécond".encode()]
)
def test_each_token_opens(header: bytes) -> None:
    assert GATE.admits(header)


@pytest.mark.parametrize(
    "header", [None, b"", b"first", b"Bearer", b"Bearer ", b"Bearer firs", b"Bearer firstt", b"Basic first"]
)
def test_anything_else_does_not(header: bytes | None) -> None:
    assert not GATE.admits(header)


def test_without_tokens_everybody_passes() -> None:
    assert Gate().is_open
    assert Gate().admits(None)
    assert Gate().admits(b"Bearer whatever")
