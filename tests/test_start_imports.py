"""What the first invocation over plain HTTP does not need is not imported before the ports are open."""

from __future__ import annotations

import json
import subprocess
import sys

LATER = {
    "cryptography",
    "datafusion",
    "difflib",
    "google.protobuf.json_format",
    "grpclib",
    "hypercorn",
    "opentelemetry",
    "prometheus_client",
    "pyarrow",
    "quart",
    "restate.runtime.admin",
    "restate.runtime.discovery",
    "restate.runtime.grpc_server",
    "restate.runtime.ingress.rpc",
    "restate.runtime.node.services",
    "restate.runtime.query.postgres",
    "restate.runtime.telemetry.exposition",
    "rich",
}


def test_a_start_imports_what_it_needs() -> None:
    program = (
        "import json, sys, restate.runtime.main, restate.runtime.app; print(json.dumps(list(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert LATER.isdisjoint(json.loads(done.stdout))
