"""A service on the TypeScript SDK behind https, and one behind a proxy."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
import trustme

from tests.clients.conftest import INACTIVITY, Bed, make_server, start_program
from tests.support import programs
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk, ServiceProgram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SCRIPT = Path(programs.__file__).parent / "services" / "guarded.mjs"
_DAY = datetime.timedelta(days=1)
AUTHORITY = trustme.CA()


def start_secured(bed: Path, certificate: trustme.LeafCert, *, port: int = 0) -> ServiceProgram:
    bed.mkdir(exist_ok=True)
    certificate.private_key_and_cert_chain_pem.write_to_path(bed / "service.pem")
    return ServiceProgram(Sdk.TYPESCRIPT, bed, port=port, script=_SCRIPT)


def expired() -> trustme.LeafCert:
    now = datetime.datetime.now(datetime.UTC)
    return AUTHORITY.issue_cert("127.0.0.1", not_before=now - 2 * _DAY, not_after=now - _DAY)


def uri(program: ServiceProgram) -> str:
    return f"https://127.0.0.1:{program.port}"


@pytest.fixture(scope="module")
def bed(server_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    folder = tmp_path_factory.mktemp(f"https-{server_kind}")
    AUTHORITY.cert_pem.write_to_path(folder / "ca.pem")
    program = start_secured(folder / "bed", AUTHORITY.issue_cert("127.0.0.1"))
    server = make_server(server_kind, folder, attrs.evolve(INACTIVITY, ca_file=folder / "ca.pem"))
    try:
        with Caller(server) as caller:
            caller.register(uri(program))
            yield Bed(server, program, caller)
    finally:
        server.stop()
        program.stop()


def test_a_secured_service_speaks_http_2(bed: Bed) -> None:
    (deployment,) = bed.caller.admin("GET", "/deployments").ok()["deployments"]
    assert (deployment["uri"], deployment["http_version"]) == (f"{uri(bed.program)}/", "HTTP/2.0")


def test_a_secured_service_is_called(bed: Bed) -> None:
    assert bed.caller.call("Greeter/greet", "Ada").ok() == "Hello Ada"
    assert [bed.caller.call("Counter/k/add", n).ok() for n in (1, 2)] == [1, 3]


@pytest.mark.parametrize(
    ("certificate", "text"),
    [
        (expired, "certificate has expired"),
        (lambda: trustme.CA().issue_cert("127.0.0.1"), "net.client_ca_file"),
    ],
    ids=["expired", "unknown authority"],
)
def test_a_bad_certificate_is_refused_with_the_reason(
    bed: Bed, tmp_path: Path, certificate: Callable[[], trustme.LeafCert], text: str
) -> None:
    program = start_secured(tmp_path, certificate())
    try:
        refused = bed.caller.admin("POST", "/deployments", {"uri": uri(program)})
        assert (refused.status, refused.value["restate_code"]) == (500, "META0003")
        if bed.server.name == "ours":
            assert text in refused.value["message"]
    finally:
        program.stop()


def test_an_invocation_waits_for_a_good_certificate(bed: Bed, tmp_path: Path) -> None:
    """The last test of the bed, whose service it replaces."""
    port = bed.program.port
    bed.program.stop()
    bad = start_secured(tmp_path, expired(), port=port)
    sent = bed.caller.send("Greeter/greet", "Bob")
    if bed.server.name == "ours":
        eventually(lambda: "certificate has expired" in bed.server.log_text(), what="the reason in the log")
    bad.stop()
    good = start_secured(tmp_path, AUTHORITY.issue_cert("127.0.0.1"), port=port)
    try:
        assert bed.caller.attach(sent).ok() == "Hello Bob"
    finally:
        good.stop()


def test_a_service_is_reached_through_a_proxy(server_kind: str, tmp_path: Path) -> None:
    """The proxy takes the place of the service, so a service that answers for any authority can play it."""
    program = start_program(Sdk.TYPESCRIPT, tmp_path / "bed")
    server = make_server(server_kind, tmp_path, attrs.evolve(INACTIVITY, proxy=program.uri))
    try:
        with Caller(server) as caller:
            caller.register("http://nobody.invalid:9080")
            assert caller.call("Greeter/greet", "Ada").ok() == "Hello Ada"
    finally:
        server.stop()
        program.stop()
