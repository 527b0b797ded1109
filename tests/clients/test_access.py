"""Tokens and TLS on every port, with the clients that people have: curl, openssl, grpcurl, psql and the command line."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import attrs
import httpx
import pytest
import trustme

from tests.clients.conftest import INACTIVITY
from tests.support import environments
from tests.support.server import OurServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKENS = {"ingress": "ingress-secret", "admin": "admin-secret", "node_ctrl": "node-secret"}
PASSWORD = "sql-secret"
AUTHORITY = trustme.CA()


def guarded(folder: Path, **variables: str) -> OurServer:
    """Ours, started; its ports are known, and it may ask for a token."""
    server = OurServer(folder, attrs.evolve(INACTIVITY, variables=variables))
    server.spawn()
    server.wait_for_ports()
    return server


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurServer]:
    """Asks for tokens, in the clear; that of the admin port is in a file."""
    folder = tmp_path_factory.mktemp("locked")
    tokens = folder / "tokens"
    tokens.write_text(f"another\n\n{TOKENS['admin']}\n")
    server = guarded(
        folder,
        RESTATE_INGRESS__TOKEN=TOKENS["ingress"],
        RESTATE_ADMIN__TOKEN_FILE=str(tokens),
        RESTATE_NODE_CTRL__TOKEN=TOKENS["node_ctrl"],
        RESTATE_POSTGRES__PASSWORD=PASSWORD,
    )
    yield server
    server.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("authority") / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurServer]:
    """Speaks TLS on every port."""
    folder = tmp_path_factory.mktemp("sealed")
    write_certificate(folder, "localhost")
    extra = {}
    for section in ("NODE_CTRL", "INGRESS", "ADMIN", "POSTGRES"):
        extra[f"RESTATE_{section}__TLS_CERTIFICATE_FILE"] = str(folder / "certificate.pem")
        extra[f"RESTATE_{section}__TLS_KEY_FILE"] = str(folder / "key.pem")
    server = guarded(folder, RESTATE_POSTGRES__PASSWORD=PASSWORD, **extra)
    yield server
    server.stop()


def write_certificate(folder: Path, *names: str) -> None:
    issued = AUTHORITY.issue_cert(*names)
    (folder / "certificate.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    (folder / "key.pem").write_bytes(issued.private_key_pem.bytes())


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise environments.MissingToolError(f"{name} is not installed")
    return found


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(each) for each in command],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=30,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )


def wait_for_admin(server: OurServer) -> None:
    server.process.wait_for(
        lambda: httpx.get(f"{server.admin}/health", trust_env=False).status_code == 401, what="the admin port"
    )


def admin_routes(server: OurServer) -> list[tuple[str, str]]:
    """Every method and path that the API's own document names, and those that it leaves out."""
    wait_for_admin(server)
    headers = {"authorization": f"Bearer {TOKENS['admin']}"}
    document: dict[str, Any] = httpx.get(f"{server.admin}/openapi", headers=headers, trust_env=False).json()
    routes = [
        (method.upper(), re.sub(r"{[^}]*}", "x", path))
        for path, item in document["paths"].items()
        for method in item
        if method in ("get", "post", "put", "patch", "delete")
    ]
    assert len(routes) > 30
    hidden = [
        ("POST", "/internal/invocations_batch_operations/kill"),
        ("POST", "/internal/services/x/serdes/decode/x"),
        ("GET", "/"),
        ("GET", "/ui/"),
        ("GET", "/no/such/path"),
        ("OPTIONS", "/services"),
        ("TRACE", "/services"),
    ]
    return [
        (method, f"{prefix}{path}")
        for method, path in routes + hidden
        for prefix in ("", "/v2", "/v3", "/v4")
    ]


INGRESS_ROUTES = [
    ("POST", "/Greeter/greet"),
    ("GET", "/Counter/k/get"),
    ("POST", "/Counter/k/add/send"),
    ("POST", "/restate/call/Greeter/greet"),
    ("POST", "/restate/send/Greeter/greet"),
    ("POST", "/restate/scope/s/call/Greeter/greet"),
    ("GET", "/restate/health"),
    ("GET", "/restate/invocation/inv_1/attach"),
    ("GET", "/restate/output/inv_1"),
    ("GET", "/restate/workflow/W/k/output"),
    ("POST", "/restate/lookup"),
    ("POST", "/restate/awakeables/sign_1/resolve"),
    ("GET", "/openapi"),
    ("GET", "/"),
    ("DELETE", "/no/such/path"),
    ("POST", "/dev.restate.Ingress/Invoke"),
    ("POST", "/grpc.health.v1.Health/Check"),
]

NODE_ROUTES = [("GET", "/health"), ("GET", "/ready"), ("GET", "/metrics"), ("GET", "/"), ("POST", "/x/y")]


@pytest.mark.parametrize("port", ["ingress", "admin", "node_ctrl"])
def test_every_route_of_every_port_refuses_a_wrong_token(locked: OurServer, port: str) -> None:
    routes = {"ingress": INGRESS_ROUTES, "node_ctrl": NODE_ROUTES}.get(port) or admin_routes(locked)
    others = [token for name, token in TOKENS.items() if name != port]
    let_in = []
    with httpx.Client(base_url=f"http://127.0.0.1:{locked.ports[port]}", trust_env=False) as http:
        for method, path in routes:
            for given in (None, "Bearer", "Bearer wrong", f"Basic {TOKENS[port]}", f"Bearer {others[0]}"):
                headers = {"content-type": "application/json"} | (
                    {} if given is None else {"authorization": given}
                )
                answer = http.request(method, path, headers=headers, content=b"{}")
                if answer.status_code != 401 or answer.headers.get("www-authenticate") is None:
                    let_in.append((method, path, given, answer.status_code))
                assert TOKENS[port] not in answer.text
    assert let_in == []


def test_the_right_token_opens(locked: OurServer) -> None:
    wait_for_admin(locked)
    for port, path in (("ingress", "/restate/health"), ("admin", "/services"), ("node_ctrl", "/health")):
        answer = httpx.get(
            f"http://127.0.0.1:{locked.ports[port]}{path}",
            headers={"authorization": f"Bearer {TOKENS[port]}"},
            trust_env=False,
        )
        assert answer.status_code == 200, (port, answer.text)


def test_the_official_command_line_sends_the_token_of_its_variable(locked: OurServer, tmp_path: Path) -> None:
    wait_for_admin(locked)
    cli = environments.official_cli()
    settings = {"RESTATE_ADMIN_URL": locked.admin, "RESTATE_CLI_CONFIG_HOME": str(tmp_path)}
    refused = run(cli, "services", "list", RESTATE_AUTH_TOKEN="wrong", **settings)
    assert refused.returncode != 0
    done = run(cli, "services", "list", RESTATE_AUTH_TOKEN=TOKENS["admin"], **settings)
    assert done.returncode == 0, done.stderr


def test_grpcurl_needs_the_token_too(locked: OurServer) -> None:
    address = f"127.0.0.1:{locked.ports['ingress']}"
    refused = run(environments.grpcurl(), "-plaintext", address, "list")
    assert "Unauthenticated" in refused.stderr
    header = f"authorization: Bearer {TOKENS['ingress']}"
    done = run(environments.grpcurl(), "-plaintext", "-H", header, address, "list")
    assert "grpc.health.v1.Health" in done.stdout, done.stderr


def psql(server: OurServer, password: str, *options: str) -> subprocess.CompletedProcess[str]:
    settings = " ".join((f"host=localhost port={server.ports['postgres']} user=u dbname=restate", *options))
    return run(tool("psql"), settings, "-Atc", "select count(*) from sys_service", PGPASSWORD=password)


def test_psql_is_asked_for_the_password(locked: OurServer) -> None:
    assert psql(locked, PASSWORD).stdout == "0\n"
    refused = psql(locked, "wrong")
    assert refused.returncode != 0
    assert 'password authentication failed for user "u"' in refused.stderr


def test_psql_verifies_the_certificate(sealed: OurServer, authority: Path) -> None:
    done = psql(sealed, PASSWORD, "sslmode=verify-full", f"sslrootcert={authority}")
    assert done.stdout == "0\n", done.stderr
    refused = psql(sealed, PASSWORD, "sslmode=verify-full", "sslrootcert=/dev/null")
    assert refused.returncode != 0


@pytest.mark.parametrize("port", ["node_ctrl", "ingress", "admin"])
def test_openssl_is_shown_a_certificate_that_it_accepts(
    sealed: OurServer, authority: Path, port: str
) -> None:
    done = run(
        *(tool("openssl"), "s_client", "-connect", f"127.0.0.1:{sealed.ports[port]}"),
        *("-servername", "localhost", "-verify_hostname", "localhost", "-verify_return_error"),
        *("-CAfile", authority, "-alpn", "h2,http/1.1"),
    )
    assert "Verify return code: 0 (ok)" in done.stdout, done.stdout + done.stderr
    assert "ALPN protocol: h2" in done.stdout


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize(
    ("port", "path"), [("ingress", "/restate/health"), ("admin", "/services"), ("node_ctrl", "/health")]
)
def test_curl_reads_over_tls(sealed: OurServer, authority: Path, version: str, port: str, path: str) -> None:
    url = f"https://localhost:{sealed.ports[port]}{path}"
    done = run(tool("curl"), "-sS", version, "--retry", "20", "--retry-all-errors", "--retry-delay", "1",
               "--cacert", authority, "-w", " %{http_code}", url)  # fmt: skip
    assert done.stdout.endswith(" 200"), done.stdout + done.stderr
    plain = run(tool("curl"), "-sS", url.replace("https", "http"))
    assert plain.returncode != 0


def test_grpcurl_lists_over_tls(sealed: OurServer, authority: Path) -> None:
    done = run(environments.grpcurl(), "-cacert", authority, f"localhost:{sealed.ports['ingress']}", "list")
    assert "grpc.health.v1.Health" in done.stdout, done.stderr


def test_a_renewed_certificate_is_shown_after_a_hangup(
    sealed: OurServer, authority: Path, tmp_path: Path
) -> None:
    folder = sealed.base_dir.parent
    write_certificate(folder, "localhost", "renewed.example")
    os.kill(sealed.process.pid, signal.SIGHUP)
    sealed.process.wait_for(lambda: "were read again" in sealed.log_text(), what="the reload")
    resolve = f"renewed.example:{sealed.ports['ingress']}:127.0.0.1"
    url = f"https://renewed.example:{sealed.ports['ingress']}/restate/health"
    done = run(tool("curl"), "-sS", "--resolve", resolve, "--cacert", authority, url)
    assert '"services"' in done.stdout, done.stderr


def test_a_public_admin_port_without_a_token_is_warned_of_once(tmp_path: Path) -> None:
    server = guarded(tmp_path, RESTATE_ADMIN__BIND_ADDRESS="0.0.0.0:0")
    server.stop()
    assert server.log_text().count("asks nobody for a token") == 1


def test_secrets_do_not_show(locked: OurServer) -> None:
    log = locked.log_text()
    assert [secret for secret in (*TOKENS.values(), PASSWORD) if secret in log] == []
    command, environment = locked._command()
    printed = run(*command, "--print-config", **environment)
    assert printed.returncode == 0
    assert [secret for secret in (*TOKENS.values(), PASSWORD) if secret in printed.stdout] == []
