"""Subscriptions, Kafka clusters and rules of a real server: they outlive it, and their secrets stay inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clients.conftest import start_program
from tests.support.caller import Caller
from tests.support.programs import Sdk
from tests.support.server import OurServer, Settings
from tests.support.sql_bed import query

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "hunter2"
STATIC = f'[{{name = "fixed", brokers = ["127.0.0.1:1"], "sasl.password" = "{SECRET}"}}]'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurServer]:
    folder = tmp_path_factory.mktemp("subscriptions")
    program = start_program(Sdk.PYTHON, folder / "bed")
    # A cluster of the configuration, and everything in the log.
    variables = {"RESTATE_INGRESS__KAFKA_CLUSTERS": STATIC, "RESTATE_LOG_FILTER": "debug"}
    server = OurServer(folder, Settings(variables=variables))
    server.start()
    try:
        with Caller(server) as caller:
            caller.register(program.uri)
        yield server
    finally:
        server.stop()
        program.stop()


def test_they_outlive_the_server(server: OurServer) -> None:
    properties = {"bootstrap.servers": "127.0.0.1:1", "sasl.password": SECRET}
    with Caller(server) as caller:
        caller.admin("POST", "/kafka-clusters", {"name": "c1", "properties": properties}).ok()
        for cluster in ("c1", "fixed"):
            body = {
                "source": f"kafka://{cluster}/t",
                "sink": "service://Counter/add",
                "options": {"x.secret": SECRET},
            }
            made = caller.admin("POST", "/subscriptions", body).ok()
            assert "does not consume" in made["info"][0]["message"]
        rules = [{"pattern": "a/*", "limits": {"concurrency": 5}}, {"pattern": "b", "description": "why"}]
        caller.admin("PUT", "/limits/rules", rules).ok()
        caller.admin("POST", "/limits/rules/bulk-delete", [{"pattern": "b"}]).ok()
        routes = "/subscriptions", "/kafka-clusters", "/kafka-clusters/c1?include_subscriptions=true"
        before = [caller.admin("GET", route).ok() for route in routes]
        assert [len(entries) for body in before[:2] for entries in body.values()] == [2, 2]
    server.kill()
    server.start()
    with Caller(server) as caller:
        assert [caller.admin("GET", route).ok() for route in routes] == before
        # The book's version counts the removal, too, so a new rule starts with the third.
        assert caller.admin("PUT", "/limits/rules", [{"pattern": "c"}]).ok()[0]["version"] == 3
        rows = query(server, "SELECT pattern, concurrency, version FROM sys_rules ORDER BY pattern")
        assert rows == [{"pattern": "a/*", "concurrency": 5, "version": 1}, {"pattern": "c", "version": 3}]
    log = server.log_text()
    assert log.count("does not consume records from Kafka") >= 3
    assert SECRET not in log
