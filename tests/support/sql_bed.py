"""A server with known invocations, state and services, for clients that ask it by SQL."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import attrs

from tests.support.caller import Caller, eventually
from tests.support.environments import psql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.support.programs import ServiceProgram
    from tests.support.server import Server

COUNTERS = {"apple": 3, "pear": 5}
"""{key of Counter: what was added}."""


@attrs.frozen
class SqlBed:
    """What was done: two counters, a greeting, a failed call, one call that sleeps and one waiting behind it."""

    server: Server
    deployment: str
    sleeping: str
    waiting: str
    greeting: str
    failed: str

    @property
    def port(self) -> int:
        return self.server.ports["postgres"]

    @property
    def uri(self) -> str:
        return f"postgresql://reader@127.0.0.1:{self.port}/restate"

    @property
    def environment(self) -> dict[str, str]:
        """For libpq and what is built on it."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return plain | {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "reader",
            "PGDATABASE": "restate",
            "PSQLRC": "/dev/null",
            "PSQL_HISTORY": "/dev/null",
            "PAGER": "cat",
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm",
        }

    def psql(self, *arguments: str, stdin: str = "", check: bool = True) -> str:
        """What psql prints on both outputs. AssertionError with it if psql fails, unless check is False."""
        done = run([psql(), "-X", *arguments], self.environment, stdin=stdin)
        if check:
            assert done.returncode == 0, done.stdout
        return done.stdout

    def query(self, sql: str) -> list[dict[str, Any]]:
        """POST /query as JSON."""
        return query(self.server, sql)


def query(server: Server, sql: str) -> list[dict[str, Any]]:
    """The rows that a server's POST /query answers. AssertionError with what it answered instead."""
    request = urllib.request.Request(
        f"{server.admin}/query",
        json.dumps({"query": sql}).encode(),
        {"content-type": "application/json", "accept": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            rows: list[dict[str, Any]] = json.loads(reply.read())["rows"]
            return rows
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{sql}: {error.code} {error.read().decode(errors='replace')}") from error


def run(
    command: Sequence[str], environment: Mapping[str, str], *, stdin: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A client that must end by itself, with both outputs as one."""
    return subprocess.run(
        command,
        env=environment,
        input=stdin,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )


def fill(server: Server, program: ServiceProgram) -> SqlBed:
    """Register the program, make the calls, wait until each stands where it shall."""
    with Caller(server) as caller:
        deployment = caller.register(program.uri)["id"]
        for key, count in COUNTERS.items():
            assert caller.call(f"Counter/{key}/add", count).ok() == count
        greeting = caller.call("Greeter/greet", "SQL")
        assert greeting.ok() == "Hello SQL"
        failed = caller.call("Steps/runFails", "no such thing")
        assert failed.status == 422
        sleeping = caller.send("Counter/busy/slowAdd", {"ms": 3_600_000, "n": 1})
        eventually(lambda: _status(server, sleeping) == "suspended", what="the sleeping call to suspend")
        waiting = caller.send("Counter/busy/add", 1)
        eventually(lambda: _status(server, waiting) == "pending", what="the waiting call to be queued")
    return SqlBed(server, deployment, sleeping, waiting, greeting.invocation_id, failed.invocation_id)


def _status(server: Server, invocation: str) -> str | None:
    rows = query(server, f"SELECT status FROM sys_invocation WHERE id = '{invocation}'")
    return str(rows[0]["status"]) if rows else None
