import base64
import hashlib
import re

import pytest

from tests.admin.fakes import Admin


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/", "/ui/"),
        ("/ui", "/ui/"),
        ("/?a=1&b=%20", "/ui/?a=1&b=%20"),
        ("/ui?x=1", "/ui/?x=1"),
        ("/v4/ui", "/ui/"),
    ],
)
async def test_people_are_led_to_the_page(path: str, location: str) -> None:
    response = await Admin().respond("GET", path)
    assert (response.status_code, response.headers["location"]) == (308, location)


@pytest.mark.parametrize("path", ["/ui/", "/ui/invocations/inv_1", "/v4/ui/"])
async def test_there_is_one_page(path: str) -> None:
    response = await Admin().respond("GET", path)
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    assert b"restate-runtime" in await response.get_data()


async def test_the_page_takes_nothing_from_elsewhere() -> None:
    response = await Admin().respond("GET", "/ui/")
    page = (await response.get_data()).decode()
    assert re.findall(r'(?:src|href)="(?!data:,")', page) == []
    assert "://" not in page.replace("http://localhost:9080", "")


async def test_the_policy_lets_only_the_page_s_own_script_run() -> None:
    response = await Admin().respond("GET", "/ui/")
    page, policy = await response.get_data(), response.headers["content-security-policy"]
    (script,) = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


async def test_the_page_cannot_be_written_to() -> None:
    assert (await Admin().call("POST", "/ui/"))[0] == 405
