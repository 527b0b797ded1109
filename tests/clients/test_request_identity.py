"""Services whose SDK checks who calls them: with the key they are called, without it the server says what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from restate.runtime.signing_key import load_signing_key
from tests.clients.conftest import INACTIVITY, MODERN, Bed, make_server
from tests.support import programs
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk, ServiceProgram

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCRIPTS = {
    sdk: Path(programs.__file__).parent / "services" / f"guarded.{suffix}"
    for sdk, suffix in zip(MODERN, ("py", "mjs"), strict=True)
}
_BASE = "/below/this"


def make_key(path: Path) -> str:
    """A new private key in a file; the text by which services know it."""
    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return load_signing_key(path).id


@pytest.fixture(scope="module", params=MODERN, ids=lambda sdk: sdk.value)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    kind: Sdk = request.param
    return kind


@pytest.fixture(scope="module")
def bed(server_kind: str, sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A service that knows the server's key, registered below a path of its own."""
    folder = tmp_path_factory.mktemp(f"identity-{server_kind}-{sdk.value}")
    (folder / "bed").mkdir()
    (folder / "bed" / "identity.txt").write_text(make_key(folder / "key.pem"))
    program = ServiceProgram(sdk, folder / "bed", script=_SCRIPTS[sdk])
    server = make_server(server_kind, folder, attrs.evolve(INACTIVITY, identity_key_file=folder / "key.pem"))
    try:
        with Caller(server) as caller:
            caller.register(program.uri + _BASE)
            yield Bed(server, program, caller)
    finally:
        server.stop()
        program.stop()


def restart(bed: Bed, key_file: Path | None) -> None:
    bed.server.stop()
    bed.server.settings = attrs.evolve(bed.server.settings, identity_key_file=key_file)
    bed.server.start()


def test_signed_requests_are_accepted(bed: Bed) -> None:
    assert bed.caller.call("Greeter/greet", "Ada").ok() == "Hello Ada"


@pytest.mark.parametrize("key", ["plain", "a%2Fb%20c", "%D0%BA%D0%BB%D1%8E%D1%87"])
def test_signed_requests_for_a_key_are_accepted(bed: Bed, key: str) -> None:
    assert [bed.caller.call(f"Counter/{key}/add", n).ok() for n in (1, 2)] == [1, 3]


def test_without_the_key_the_invocation_waits_until_the_server_has_it_again(bed: Bed, tmp_path: Path) -> None:
    right = bed.server.settings.identity_key_file
    restart(bed, None)
    try:
        sent = bed.caller.send("Greeter/greet", "Bob")
        eventually(lambda: "401 Unauthorized" in bed.server.log_text(), what="the refusal in the log")
        if bed.server.name == "ours":
            assert "request_identity_private_key_pem_file" in bed.server.log_text()
        refused = bed.caller.admin("POST", "/deployments", {"uri": f"{bed.program.uri}/other"})
        assert (refused.status, refused.value["restate_code"]) == (500, "META0003")
        assert "401" in refused.value["message"]
    finally:
        restart(bed, right)
    assert bed.caller.attach(sent).ok() == "Hello Bob"


def test_another_key_is_refused_as_none_is(bed: Bed, tmp_path: Path) -> None:
    right = bed.server.settings.identity_key_file
    make_key(tmp_path / "wrong.pem")
    restart(bed, tmp_path / "wrong.pem")
    try:
        refused = bed.caller.admin("POST", "/deployments", {"uri": f"{bed.program.uri}/other"})
        assert (refused.status, refused.value["restate_code"]) == (500, "META0003")
    finally:
        restart(bed, right)
    assert bed.caller.call("Greeter/greet", "Eve").ok() == "Hello Eve"
