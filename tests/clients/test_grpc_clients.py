"""gRPC clients that know no contract beforehand: grpcurl, and gRPC's own Python client, both by reflection."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import httpx
import pytest

from tests.clients.conftest import INACTIVITY, make_server, start_program
from tests.support import environments
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk, ServiceProgram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.server import Server

_CLIENT = Path(__file__).parents[1] / "support" / "services" / "grpc_client.py"
_TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@attrs.frozen
class Place:
    """A server with a modern and a classic deployment."""

    server: Server
    caller: Caller
    modern: ServiceProgram

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.ports['ingress']}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("grpc")
    programs = []
    try:
        for sdk in (Sdk.PYTHON, Sdk.CLASSIC):
            programs.append(start_program(sdk, folder / sdk.value))
        server = make_server("ours", folder, INACTIVITY)
        try:
            with Caller(server) as caller:
                for program in programs:
                    caller.register(program.uri)
                yield Place(server, caller, programs[0])
        finally:
            server.stop()
    finally:
        for program in programs:
            program.stop()


def tool(make: Callable[[], Path]) -> str:
    return str(make())


@attrs.frozen
class Said:
    """What a run of grpcurl has said. code: as it spells it, "" after success."""

    out: str
    err: str

    @property
    def value(self) -> Any:
        return json.loads(self.out)

    @property
    def code(self) -> str:
        return self._field("Code:")

    @property
    def message(self) -> str:
        return self._field("Message:")

    def _field(self, name: str) -> str:
        lines = [line.strip() for line in self.err.splitlines()]
        return next((line.removeprefix(name).strip() for line in lines if line.startswith(name)), "")


def grpcurl(place: Place, *arguments: str, data: object = None) -> Said:
    """arguments: flags, then a verb or method."""
    *flags, last = arguments
    given = [] if data is None else ["-d", json.dumps(data)]
    verb = last.split(" ")
    command = [tool(environments.grpcurl), "-plaintext", *flags, *given, place.address, *verb]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return Said(done.stdout, done.stderr)


def test_grpcurl_lists_public_services_of_both_generations(place: Place) -> None:
    listed = set(grpcurl(place, "list").out.split())
    assert {
        "Counter",
        "Greeter",
        "counter",
        "greeter",
        "dev.restate.Ingress",
        "dev.restate.Awakeables",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    } <= listed
    assert not [name for name in listed if name.startswith("dev.restate.internal")]
    assert grpcurl(place, "list Counter").out.split()[0] == "Counter.add"


def test_grpcurl_describes_what_it_finds(place: Place) -> None:
    modern = grpcurl(place, "describe Counter").out
    assert "rpc add ( .dev.restate.synth.RpcRequest ) returns ( .dev.restate.synth.RpcResponse );" in modern
    assert "// Read, sleep, write: two of these at one time would lose an increment." in modern
    assert '// JSON schema of request: {"type": "integer"}' in modern
    assert "option (.dev.restate.ext.service_type) = KEYED;" in modern
    assert "string key = 1 [(.dev.restate.ext.field) = KEY];" in grpcurl(place, "describe .RpcRequest").out
    assert "rpc greet ( .RpcRequest ) returns ( .RpcResponse );" in grpcurl(place, "describe greeter").out
    # Everything at once, which loads the files of every service.
    assert "Ingress is a service" in grpcurl(place, "describe").out


def test_grpcurl_calls_both_generations(place: Place) -> None:
    assert grpcurl(place, "Greeter/greet", data={"request": "Bob"}).value == {"response": "Hello Bob"}
    assert grpcurl(place, "greeter/greet", data={"request": "Bob"}).value == {"response": "Hello Bob"}
    for service in ("Counter", "counter"):
        for total in (2, 4):
            said = grpcurl(place, f"{service}/add", data={"key": "curl", "request": 2})
            assert said.value == {"response": total}
    assert grpcurl(place, "Counter/get", data={"key": "curl"}).value == {"response": 4}


def test_grpcurl_sees_headers_and_sends_some(place: Place) -> None:
    flags = ("-v", "-H", "idempotency-key: one", "-H", f"traceparent: {_TRACE}")
    first = grpcurl(place, *flags, "Counter/add", data={"key": "h", "request": 1})
    second = grpcurl(place, *flags, "Counter/add", data={"key": "h", "request": 1})
    ids = [
        next(line for line in said.out.splitlines() if line.startswith("x-restate-id: inv_1"))
        for said in (first, second)
    ]
    assert ids[0] == ids[1]
    assert "idempotency-expires: " in second.out
    assert '"response": 1' in second.out


def test_grpcurl_is_told_codes(place: Place) -> None:
    terminal = {"request": {"message": "no: 100%é", "code": 409}}
    said = grpcurl(place, "Steps/terminal", data=terminal)
    assert (said.code, said.message) == ("Aborted", "no: 100%é")
    said = grpcurl(place, "steps/terminal", data={"request": {"message": "no", "code": 9}})
    assert (said.code, said.message) == ("FailedPrecondition", "no")
    assert grpcurl(place, "Counter/add", data={"request": 1}).code == "InvalidArgument"
    assert grpcurl(place, "Greeter/greet", data={"key": "k"}).code == "InvalidArgument"


def test_a_deadline_ends_the_wait_and_not_the_invocation(place: Place) -> None:
    # The deadline is also for the connection and the reflection; the call must be made before it.
    data = {"key": "late", "request": {"n": 5, "ms": 4000}}
    assert grpcurl(place, "-max-time", "1.5", "Counter/slowAdd", data=data).code == "DeadlineExceeded"
    eventually(
        lambda: place.caller.call("Counter/late/get").ok() == 5, what="the invocation to be carried on"
    )


def test_grpcurl_uses_the_built_in_services(place: Place) -> None:
    argument = {"service": "Counter", "method": "add", "argument": {"key": "sent", "request": 7}}
    said = grpcurl(place, "dev.restate.Ingress/Invoke", data=argument)
    reply = httpx.get(f"{place.server.ingress}/restate/invocation/{said.value['id']}/attach", timeout=60)
    assert (reply.status_code, reply.json()) == (200, 7)
    classic = {"service": "counter", "method": "add", "argument": {"key": "sent", "request": 7}}
    assert grpcurl(place, "dev.restate.Ingress/Invoke", data=classic).value["id"].startswith("inv_1")
    health = "grpc.health.v1.Health/Check"
    assert grpcurl(place, health, data={"service": "Counter"}).value == {"status": "SERVING"}
    assert grpcurl(place, health, data={"service": "Nope"}).code == "NotFound"
    bad = grpcurl(place, "dev.restate.Awakeables/Reject", data={"id": "prom_1x", "reason": "r"})
    assert bad.code == "InvalidArgument"


def test_names_that_descriptors_cannot_have(place: Place, tmp_path: Path) -> None:
    scripts = _CLIENT.parent
    programs = [
        ServiceProgram(Sdk.PYTHON, tmp_path / "modern", script=scripts / "names.py"),
        ServiceProgram(Sdk.CLASSIC, tmp_path / "classic", script=scripts / "names.mjs"),
    ]
    try:
        for program in programs:
            place.caller.register(program.uri)
        listed = grpcurl(place, "list").out.split()
        # Two names become a_b_c, and plain_name is taken by a service that has it anyway.
        assert [name for name in listed if name in ("a_b_c", "plain_name")] == ["a_b_c", "plain_name"]
        for name, called in (
            ("my_app.greeter_service", "my-app.greeter-service"),
            ("a_b_c", "a-b_c"),
            ("plain_name", "plain_name"),
        ):
            assert grpcurl(place, f"{name}/greet", data={"request": "x"}).value == {
                "response": f"{called}: x"
            }
        assert (
            "Registered as my-app.greeter-service." in grpcurl(place, "describe my_app.greeter_service").out
        )
        said = grpcurl(place, "greeter_service/greet", data={"request": "x"})
        assert said.value == {"response": "Hello x"}
        for total in (1, 2):
            said = grpcurl(place, "my.counter/add", data={"key": "k", "request": 1})
            assert said.value == {"response": total}
        # What is in nobody's way keeps its own name on plain HTTP.
        assert place.caller.call("plain-name/greet", "x").ok() == "plain-name: x"
        assert place.caller.call("my_app.greeter_service/greet", "x").status == 404
        assert place.caller.call("greeter-service/greet", {"request": "x"}).ok() == {"response": "Hello x"}
    finally:
        for program in programs:
            program.stop()


def test_a_service_made_private_is_gone_at_once_and_watchers_are_told(place: Place) -> None:
    command = [tool(environments.grpcurl), "-plaintext", "-max-time", "30", "-d", '{"service":"Greeter"}']
    command += [place.address, "grpc.health.v1.Health/Watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        try:
            assert watch.stdout is not None
            assert "SERVING" in next(line for line in watch.stdout if "status" in line)
            place.caller.admin("PATCH", "/services/Greeter", {"public": False}).ok()
            assert '"NOT_SERVING"' in next(line for line in watch.stdout if "status" in line)
            assert "Greeter" not in grpcurl(place, "list").out.split()
            assert grpcurl(place, "describe Greeter").out == ""
        finally:
            watch.kill()
            place.caller.admin("PATCH", "/services/Greeter", {"public": True}).ok()
    assert "Greeter" in grpcurl(place, "list").out.split()


def test_the_python_client_by_reflection(place: Place) -> None:
    python = tool(environments.grpc_python)
    done = subprocess.run(
        [python, str(_CLIENT), place.address], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {"Counter", "counter", "dev.restate.Ingress"} <= set(report["services"])
    assert report["modern"]["reply"] == {"response": 3.0}
    assert report["modern"]["metadata"]["x-restate-id"].startswith("inv_1")
    assert report["modern_get"]["reply"] == {"response": 3.0}
    assert report["classic"]["reply"] == {"response": 3.0}
    assert report["no_key"]["code"] == "INVALID_ARGUMENT"
    terminal = report["terminal"]
    assert (terminal["code"], terminal["message"]) == ("FAILED_PRECONDITION", "no: 100%é")
    assert terminal["metadata"]["x-restate-error-code"] == "418"
    once, again = report["idempotent"]
    assert once["reply"] == again["reply"] == {"response": 1.0}
    assert "idempotency-expires" not in once["metadata"]
    assert "idempotency-expires" in again["metadata"]
    assert report["deadline"]["code"] == "DEADLINE_EXCEEDED"
    assert report["large"] == 3_000_006
    assert report["gzip"]["reply"] == {"response": "Hello gzip"}
    assert report["health"] == {"": 1, "Counter": 1, "counter": 1, "Nope": "NOT_FOUND", "watch": 3}
    assert report["concurrent"] == 40
