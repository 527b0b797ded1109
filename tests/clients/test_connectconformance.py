"""The conformance suite of the Connect project against our RPC layer: Connect, gRPC and gRPC-Web, HTTP/1.1 and h2c."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.environments import ROOT, MissingToolError, conformance

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.clients

CONFIG = """
features:
  versions: [HTTP_VERSION_1, HTTP_VERSION_2]
  protocols: [PROTOCOL_CONNECT, PROTOCOL_GRPC, PROTOCOL_GRPC_WEB]
  codecs: [CODEC_PROTO, CODEC_JSON]
  compressions: [COMPRESSION_IDENTITY, COMPRESSION_GZIP]
  stream_types: [STREAM_TYPE_UNARY]
  supports_tls: false
"""

KNOWN_FAILING: tuple[tuple[str, str], ...] = ()
"""(pattern of the suite, reason). The suite fails, too, when one of these passes."""

_PATIENCE = 120  # seconds
_FEWEST = 700  # cases in this configuration


def test_every_case_of_a_unary_server_passes(tmp_path: Path) -> None:
    try:
        program, descriptors = conformance()
    except MissingToolError as error:
        pytest.skip(str(error))
    config = tmp_path / "conformance.yaml"
    config.write_text(CONFIG)
    known = [part for pattern, _ in KNOWN_FAILING for part in ("--known-failing", pattern)]
    server = [sys.executable, "-m", "tests.support.conformance_server", str(descriptors)]
    done = subprocess.run(
        [str(program), "--mode", "server", "--conf", str(config), *known, "--", *server],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_PATIENCE,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    counts = re.search(r"^(\d+) passed, 0 failed", done.stdout, re.MULTILINE)
    assert counts is not None, done.stdout[-4000:]
    assert int(counts[1]) >= _FEWEST
