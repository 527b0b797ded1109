import pytest

from restate.runtime.engine.lifecycle.patch import state_version


@pytest.mark.parametrize(
    ("state", "version"),
    [
        ([], "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"),
        ([(b"name", b"bob")], "tDqA04Lj3_qJ-PgNPTecXDGZgpwy6jm2Ni2BYqJIthM"),
        ([(b"count", b"5"), (b"name", b'"bob"')], "7Po74YXtEcGkNGHClycJr9RJOH-UnIRNVKyzRSaZn60"),
    ],
)
def test_the_version_of_a_state_is_that_of_the_official_server(
    state: list[tuple[bytes, bytes]], version: str
) -> None:
    assert state_version(state) == version
