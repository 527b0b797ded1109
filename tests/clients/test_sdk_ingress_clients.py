"""The SDKs' own clients of the ingress, of which that of SDK 0.8.1 is in `test_classic_workflow`.

`--official` runs them against the official server too.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Bed
from tests.support import environments, programs
from tests.support.caller import eventually
from tests.support.programs import Sdk

_SERVICES = Path(programs.__file__).parent / "services"


@pytest.fixture(scope="module")
def sdk() -> Sdk:
    return Sdk.PYTHON


def told(*command: str, **variables: str) -> Any:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("RESTATE_")}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment | variables
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_client_of_typescript(bed: Bed) -> None:
    script = str(_SERVICES / "ingress_client.mjs")
    home = str(environments.ingress_clients())
    report = told(environments.node(), script, bed.server.ingress, str(bed.program.bed), SDK_HOME=home)
    assert (report["greeting"], report["generic"]) == ("Hello Bob ☺", "Hello Ann")
    assert report["counted"] == [2, 5]
    assert report["once"] == [15, 15]
    assert refusal(report["refused"]) == (418, "no ☺", "invocation")
    assert refusal(report["unknown"])[::2] == (404, "ingress")
    assert "timeout" in report["late"]["text"].lower()
    assert report["sent"] == {"status": "Accepted", "result": 7}
    assert report["again"] == "PreviouslyAccepted"
    assert report["workflow"] == {
        "submitted": "Accepted",
        "again": "PreviouslyAccepted",
        "early": False,
        **dict.fromkeys(("attached", "output", "result"), "Eve welcome"),
    }
    resolved, rejected = report["awakeables"]
    assert resolved == {"yes": ["☺"]}
    assert refusal(rejected) == (500, "never", "invocation")
    assert report["notAnId"]["status"] == 400
    assert refusal(report["scoped"])[0] == 400


def test_the_client_of_python(bed: Bed) -> None:
    report = told(str(environments.python_client()), str(_SERVICES / "ingress_client.py"), bed.server.ingress)
    assert (report["greeting"], report["generic"]) == ("Hello Bob ☺", "Hello Ann")
    assert report["counted"] == [2, 5]
    assert report["once"] == [15, 15]
    assert refusal(report["refused"]) == (418, "no ☺", "invocation")
    assert refusal(report["unknown"])[::2] == (404, "ingress")
    assert bed.caller.attach(report["sent"]).ok() == 7
    assert bed.caller.attach(report["submitted"]).ok() == "Eve welcome"
    assert refusal(report["scoped"])[0] == 400
    check_delayed(bed, report["delayed"])


def check_delayed(bed: Bed, answer: dict[str, Any]) -> None:
    """The official server refuses the bare number; ours takes it for milliseconds."""
    if bed.server.name == "official":
        assert refusal(answer)[0] == 400
    else:
        assert eventually(
            lambda: bed.caller.output(answer["result"]).value == "Hello x", what="a delayed greeting"
        )


def refusal(answer: dict[str, Any]) -> tuple[int, str, str]:
    """Status, message and source; AssertionError where there was none."""
    assert "result" not in answer, answer
    body = json.loads(answer["text"])
    assert body["code"] == answer["status"]
    return answer["status"], body["message"], body["source"]
