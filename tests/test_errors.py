import pytest

from restate.runtime.errors import (
    CODES,
    ConfigError,
    DeploymentError,
    GrpcStatus,
    RestateError,
)


def test_every_code_of_both_families_has_a_row() -> None:
    expected = [f"RT{n:04}" for n in range(1, 26)] + [f"META{n:04}" for n in range(1, 18)]
    assert list(CODES) == expected


@pytest.mark.parametrize("code", CODES)
def test_a_row_is_a_one_line_title_and_a_hint_that_is_a_sentence(code: str) -> None:
    row = CODES[code]
    assert "\n" not in row.title
    assert not row.title.endswith(".")
    assert row.hint.endswith(".")
    assert 200 <= row.http_status < 600


def test_an_error_takes_statuses_and_hint_from_its_code() -> None:
    error = DeploymentError("cannot reach http://localhost:1", code="META0003")
    assert str(error) == "cannot reach http://localhost:1"
    assert (error.http_status, error.grpc_status) == (500, GrpcStatus.UNAVAILABLE)
    assert error.hint == CODES["META0003"].hint


def test_a_subclass_brings_its_code_and_given_statuses_win() -> None:
    error = ConfigError("partitions: ...", http_status=418, grpc_status=GrpcStatus.OK)
    assert (error.code, error.http_status, error.grpc_status) == ("RT0002", 418, GrpcStatus.OK)


def test_an_error_without_a_code_is_internal() -> None:
    error = RestateError("commit 7 is missing")
    assert (error.code, error.http_status, error.grpc_status, error.hint) == (
        None,
        500,
        GrpcStatus.INTERNAL,
        None,
    )


def test_a_code_outside_the_table_is_a_bug() -> None:
    with pytest.raises(KeyError):
        RestateError("x", code="RT9999")
