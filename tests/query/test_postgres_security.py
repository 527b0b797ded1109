"""The password from its setting or file."""

from __future__ import annotations

from pathlib import Path

import pytest

from restate.runtime.errors import ConfigError
from restate.runtime.pgwire.scram import Exchange, Verifier
from restate.runtime.query.postgres_security import password_verifier
from tests.support.pg_peer import Scram


def accepts(verifier: Verifier | None, password: str) -> bool:
    assert verifier is not None
    client, server = Scram(password), Exchange(verifier, "joe", "nonce")
    final = client.final(server.first(client.first()[5:]))
    return client.check(server.final(final[5:]))


def test_without_a_password_nobody_is_asked() -> None:
    assert password_verifier(None, None) is None


def test_a_password_is_taken_from_its_setting_with_another_salt_each_time() -> None:
    one, other = password_verifier("secret", None), password_verifier("secret", None)
    assert accepts(one, "secret")
    assert one != other


@pytest.mark.parametrize("text", ["secret", "secret\n", "secret\r\nmore", "secret\n\n"])
def test_a_password_is_the_first_line_of_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "password"
    path.write_text(text)
    assert accepts(password_verifier(None, path), "secret")


@pytest.mark.parametrize(
    ("content", "what"), [(b"", "in the first line"), (b"\nx", "first line"), (b"\xff", "UTF-8")]
)
def test_a_file_without_a_password_is_an_error(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=what):
        password_verifier(None, path)


def test_a_password_in_two_places_or_in_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not both"):
        password_verifier("x", tmp_path / "password")
    with pytest.raises(ConfigError, match="No such file"):
        password_verifier(None, tmp_path / "password")
