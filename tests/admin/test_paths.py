"""Names with slashes and other letters in paths."""

import pytest

from restate.runtime.model.target import ServiceType
from tests.admin.fakes import Admin, announce
from tests.schema.builders import service

URI = "http://h:1/"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a/b", "a%2Fb"),
        ("a/b", "a%2fb"),
        ("a%2Fb", "a%252Fb"),
        ("é", "%C3%A9"),
        ("a b", "a%20b"),
        ("a+b", "a+b"),
    ],
)
async def test_a_name_is_what_stands_between_two_slashes(name: str, path: str) -> None:
    admin = Admin()
    admin.discovery.answers[URI] = announce(service(name, ServiceType.UNKEYED, "do/it"))
    await admin.register(URI)
    for prefix in ("", "/v4"):
        assert (await admin.get(f"{prefix}/services/{path}"))[1]["name"] == name
        assert (await admin.get(f"{prefix}/services/{path}/handlers/do%2Fit"))[1]["name"] == "do/it"
    assert (await admin.call("PATCH", f"/services/{path}", {"public": False}))[1]["public"] is False


async def test_a_name_that_is_unknown_is_told_as_such() -> None:
    admin = Admin()
    assert await admin.get("/services/a%2Fb") == (
        404,
        {"message": "The requested service 'a/b' does not exist", "restate_code": None},
    )


@pytest.mark.parametrize(
    "path", ["/services/%FF", "/v4/services/%ED%A0%80/handlers", "/services/S/handlers/%80"]
)
async def test_a_name_that_is_no_text(path: str) -> None:
    status, refused = await Admin().get(path)
    assert status == 400
    assert refused["message"].startswith("Invalid URL: expected UTF-8 in `")
    assert refused["message"].endswith(path)


async def test_a_path_that_is_not_there_is_told_as_it_was_sent() -> None:
    status, refused = await Admin().get("/nope%2F%FF")
    assert (status, refused["message"].split(" on the")[0]) == (404, "There is no path /nope%2F%FF")
    status, refused = await Admin().call("DELETE", "/services/a%2Fb")
    assert (status, refused["message"].split(" has")[0]) == (405, "The path /services/a%2Fb")
