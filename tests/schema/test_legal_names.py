"""Names in descriptors."""

import pytest

from restate.runtime.schema.legal_names import is_identifier, legal_name


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("Greeter", "Greeter"),
        ("a.b.C", "a.b.C"),
        ("greeter-service", "greeter_service"),
        ("my-co.2nd.Svc", "my_co._2nd.Svc"),
        ("a..b.", "a.b"),
    ],
)
def test_every_name_becomes_a_legal_one(name: str, legal: str) -> None:
    assert legal_name(name) == legal
    assert all(is_identifier(part) for part in legal.split("."))
