"""AWS Lambda functions are stored and listed; this server does not call them."""

import pytest

from tests.admin.fakes import Admin, announce
from tests.schema.builders import service

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:greeter:1"


async def test_a_lambda_function_is_stored_without_asking_it() -> None:
    admin = Admin()
    fields = {"arn": ARN, "assume_role_arn": "arn:aws:iam::1:role/r", "additional_headers": {"A": "1"}}
    status, created = await admin.call("POST", "/deployments", fields)
    assert (status, created["services"]) == (201, [])
    assert "Lambda" in created["info"][0]["message"]
    assert admin.discovery.asked == []
    status, detail = await admin.get(f"/deployments/{created['id']}")
    assert status == 200
    assert detail["arn"] == ARN
    assert detail["assume_role_arn"] == "arn:aws:iam::1:role/r"
    assert detail["additional_headers"] == {"a": "1"}
    assert "uri" not in detail
    assert "http_version" not in detail
    _, listed = await admin.get("/v4/deployments")
    assert [entry["arn"] for entry in listed["deployments"]] == [ARN]


async def test_the_arn_is_its_identity_and_the_role_is_not() -> None:
    admin = Admin()
    _, first = await admin.call("POST", "/deployments", {"arn": ARN})
    status, second = await admin.call("POST", "/deployments", {"arn": ARN, "assume_role_arn": "r"})
    assert (status, second["id"]) == (200, first["id"])
    status, other = await admin.call("POST", "/deployments", {"arn": f"{ARN}0"})
    assert status == 201
    assert other["id"] != first["id"]


async def test_a_dry_run_stores_none() -> None:
    admin = Admin()
    assert (await admin.call("POST", "/deployments", {"arn": ARN, "dry_run": True}))[0] == 201
    assert await admin.get("/deployments") == (200, {"deployments": []})


@pytest.mark.parametrize("arn", ["x", "arn:aws:s3:eu:1:function:f:1", "arn::lambda:eu:1:function:f:1"])
async def test_what_is_no_arn_is_refused_by_name(arn: str) -> None:
    status, refused = await Admin().call("POST", "/deployments", {"arn": arn})
    assert status == 400
    assert refused["message"].startswith("The request field 'arn' is invalid. Reason: ")


async def test_a_deployment_with_both_is_the_one_at_the_uri() -> None:
    admin = Admin()
    admin.discovery.answers["http://h:1/"] = announce(service("S"))
    status, created = await admin.call("POST", "/deployments", {"arn": ARN, "uri": "http://h:1/"})
    assert (status, [entry["name"] for entry in created["services"]]) == (201, ["S"])


async def test_it_can_be_removed() -> None:
    admin = Admin()
    _, created = await admin.call("POST", "/deployments", {"arn": ARN})
    assert await admin.call("DELETE", f"/deployments/{created['id']}?force=true") == (202, None)
