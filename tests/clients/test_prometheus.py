"""A real Prometheus scrapes a server under load, takes our alerts, and finds nothing to complain of."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import attrs
import httpx
import pytest

from tests.clients.conftest import INACTIVITY, make_server, start_program
from tests.support import environments
from tests.support.caller import Caller, eventually
from tests.support.processes import Process
from tests.support.programs import Sdk
from tests.telemetry.test_metrics import DATA, expressions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server import Server

RULES = DATA / "restate.rules.yaml"
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
_CLIENTS = 16


@attrs.frozen
class Place:
    """A server with a service, and a Prometheus that scrapes it every second."""

    server: Server
    caller: Caller
    prometheus: str
    process: Process

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an expression as of now."""
        answer = self._get("query", query=expression)
        samples: list[dict[str, Any]] = answer["result"]
        return samples

    def value(self, expression: str) -> float:
        (sample,) = self.ask(expression)
        return float(sample["value"][1])

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def metrics(self, accept: str = "") -> httpx.Response:
        url = f"http://127.0.0.1:{self.server.ports['node_ctrl']}/metrics"
        return httpx.get(url, headers={"accept": accept}, trust_env=False, timeout=60)

    def _get(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(
            f"{self.prometheus}/api/v1/{path}", params=parameters, trust_env=False, timeout=60
        ).json()
        assert answer["status"] == "success", (parameters, answer)
        assert not answer.get("warnings"), (parameters, answer)
        return answer["data"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("prometheus")
    environments.prometheus()  # if it is missing, nothing need be started
    program = start_program(Sdk.PYTHON, folder / "bed")
    try:
        server = make_server("ours", folder, INACTIVITY)
        try:
            process, url = _start_prometheus(folder, server.ports["node_ctrl"])
            try:
                with Caller(server) as caller:
                    caller.register(program.uri)
                    yield Place(server, caller, url, process)
            finally:
                process.stop()
        finally:
            server.stop()
    finally:
        program.stop()


def _start_prometheus(folder: Path, node_ctrl: int) -> tuple[Process, str]:
    settings = {
        # The interval is also how long a scrape may take.
        "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": "restate", "static_configs": [{"targets": [f"127.0.0.1:{node_ctrl}"]}]}
        ],
    }
    # JSON is YAML, too.
    (folder / "prometheus.yml").write_text(json.dumps(settings))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        environments.prometheus(),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    process = Process(command, {}, folder / "prometheus.log")
    url = f"http://127.0.0.1:{port}"
    process.wait_for(lambda: _is_ready(url), what="Prometheus")
    return process, url


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@attrs.define
class Load:
    """Clients that call and call. failed: the answers that were none."""

    place: Place
    calls: int = 0
    failed: int = 0
    _ended: threading.Event = attrs.field(factory=threading.Event)
    _threads: list[threading.Thread] = attrs.field(factory=list)

    def __enter__(self) -> Load:
        self._threads = [threading.Thread(target=self._client) for _ in range(_CLIENTS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _client(self) -> None:
        with httpx.Client(base_url=self.place.server.ingress, trust_env=False, timeout=60) as http:
            while not self._ended.is_set():
                answer = http.post("/Greeter/greet", json="Ada")
                self.calls += 1
                self.failed += answer.status_code != 200


def test_promtool_takes_the_alerts() -> None:
    done = subprocess.run(
        [environments.promtool(), "check", "rules", "--lint=all", "--lint-fatal", str(RULES)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_scrapes_a_server_under_load_and_does_not_complain(
    place: Place, pytestconfig: pytest.Config
) -> None:
    with Load(place) as load:
        time.sleep(pytestconfig.getoption("--scrape-seconds"))
    assert load.calls > 100
    assert load.failed == 0
    completed = 'restate_ingress_requests_total{status="completed"}'
    eventually(lambda: place.value(completed) == load.calls, what="one more scrape")
    assert place.value("up") == 1
    assert place.value("min_over_time(up[1m])") == 1
    assert place.value("sum(restate_invocations_ended_total)") == load.calls
    assert place.value('restate_invocations{status="completed"}') == load.calls
    assert place.value("restate_invocation_start_delay_seconds_count") == load.calls
    assert place.value("rate(process_cpu_seconds_total[10s])") > 0
    log = place.process.log_text()
    assert [line for line in log.splitlines() if "level=warn" in line or "level=error" in line] == []


def test_every_query_of_the_dashboard_can_be_asked(place: Place) -> None:
    """Names and labels are the business of a unit test; here it is whether Prometheus understands the whole."""
    for where, expression in expressions():
        if expression.startswith("label_values"):
            continue
        expression = expression.replace("$__rate_interval", "1m")
        expression = expression.replace('"$job"', '".+"').replace('"$instance"', '".+"')
        assert isinstance(place.ask(expression), list), where


def test_no_alert_fires_for_a_server_that_is_well(place: Place) -> None:
    rules = place.rules()
    assert len(rules) >= 15
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] == "err"] == []
    firing = [rule["name"] for rule in rules if rule["state"] == "firing"]
    # The machine of the tests may be short of disk and processor; the server is not to blame for that.
    assert set(firing) <= {"RestateDiskFull", "RestateEventLoopSlow"}


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_promtool_takes_the_metrics(place: Place, accept: str) -> None:
    answer = place.metrics(accept)
    openmetrics = bool(accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text") == openmetrics
    if openmetrics:
        assert answer.text.endswith("# EOF\n")
        return  # promtool reads the other form only; Prometheus itself asks for this one
    done = subprocess.run(
        [environments.promtool(), "check", "metrics"],
        input=answer.text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
