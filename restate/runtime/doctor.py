"""`restate-server doctor`: says what is wrong with the machine, the data and the deployments, and what to do."""

from collections.abc import Iterator

import trio

from restate.runtime import wiring
from restate.runtime.clock import SystemClock
from restate.runtime.config import Config
from restate.runtime.config.origin import with_origin
from restate.runtime.discovery.handle import Discovery
from restate.runtime.errors import ConfigError
from restate.runtime.maintenance import data, deployments, machine
from restate.runtime.maintenance.finding import Finding
from restate.runtime.net.client import Client
from restate.runtime.schema.registry import Registry
from restate.runtime.storage.precheck import holder


def run(config: Config) -> int:
    """Print every finding as it comes. Returns the exit status: 1 if one of them is a problem, else 0."""
    problems = 0
    for finding in _findings(config):
        print(finding.line(), flush=True)
        problems += finding.level == "problem"
    print(
        "no problem was found" if problems == 0 else f"{problems} problems" if problems > 1 else "1 problem"
    )
    return 1 if problems else 0


def _findings(config: Config) -> Iterator[Finding]:
    settings = _settings(config)
    yield settings
    process = holder(config.base_dir / "db")
    running = "no server is running" if process is None else f"process {process} is running"
    yield Finding("ok", "server", f"{running} on {config.base_dir}")
    yield machine.descriptors()
    yield from machine.ports(wiring.addresses(config), running=process is not None)
    yield from machine.disk(config.base_dir)
    yield machine.clock(config.base_dir, SystemClock().now_ms())
    findings, registry = data.check(config.base_dir / "db")
    yield from findings
    if settings.level == "ok":
        yield from trio.run(_deployments, config, registry)


def _settings(config: Config) -> Finding:
    try:
        wiring.check(config)
    except ConfigError as error:
        return Finding(
            "problem",
            "configuration",
            with_origin(str(error), config),
            "correct the setting, or the file that it names",
        )
    count = len(config.sources)
    return Finding("ok", "configuration", f"{count} settings differ from their default or are given")


async def _deployments(config: Config, registry: Registry) -> list[Finding]:
    client = Client(
        wiring.client_limits(config),
        ssl_context=wiring.client_trust(config),
        proxy=wiring.client_proxy(config),
    )
    discovery = Discovery(client, config.discovery, wiring.identity(config, SystemClock()))
    return await deployments.check(registry, client, discovery)
