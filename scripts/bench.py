"""Measure our server beside the official one: same machine, same services, same load.

    .venv/bin/python scripts/bench.py                   everything, both servers (about eight minutes)
    .venv/bin/python scripts/bench.py --quick           a short form
    .venv/bin/python scripts/bench.py --only ours --reuse    ours now, the official figures from the last run
    .venv/bin/python scripts/bench.py --parts load --sdk python --clients 64
    .venv/bin/python scripts/bench.py sql               queries over a million retained invocations
    .venv/bin/python scripts/bench.py ingress           port 8080 by itself, over each protocol
    .venv/bin/python scripts/bench.py observation       what metrics, log and traces cost

Needs wrk and h2load (Debian's nghttp2-client), Node for the TypeScript services and the official server. Nothing else
should run on the machine. Figures are kept in .cache/bench/*.json; the table is printed and written to --output.
"""

from __future__ import annotations

import argparse
import compileall
import functools
import json
import os
import platform
import sys
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import bench_ingress  # noqa: E402
import bench_observation  # noqa: E402
import bench_sql  # noqa: E402
from bench_measure import PARTS, Plan, measure  # noqa: E402
from bench_report import table  # noqa: E402

from tests.support.programs import Sdk  # noqa: E402
from tests.support.server import SERVERS  # noqa: E402

_STORE = ROOT / ".cache" / "bench"


def main() -> None:
    if sys.argv[1:2] == ["sql"]:
        bench_sql.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["ingress"]:
        bench_ingress.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["observation"]:
        bench_observation.main(sys.argv[2:])
        return
    options = _options()
    plan = _plan(options)
    _STORE.mkdir(parents=True, exist_ok=True)
    # As pip does when it installs the server; else, where Python may not write bytecode, each start compiles all sources.
    compileall.compile_dir(ROOT / "restate", quiet=1)
    figures: dict[str, dict[str, float]] = {}
    for kind in SERVERS:
        stored = _STORE / f"{kind}.json"
        if options.only in (None, kind):
            figures[kind] = measure(kind, plan, functools.partial(_say, kind))
            stored.write_text(json.dumps(figures[kind], indent=1))
        elif options.reuse and stored.exists():
            figures[kind] = json.loads(stored.read_text())
    text = f"{_machine()}\n\n{table(figures.get('ours', {}), figures.get('official', {}))}"
    print(f"\n{text}")
    options.output.write_text(text)
    print(f"written to {options.output}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure our server beside the official one.")
    parser.add_argument("--quick", action="store_true", help="shorter loads, fewer retained invocations")
    parser.add_argument("--only", choices=sorted(SERVERS), help="measure one server")
    parser.add_argument("--reuse", action="store_true", help="take the other server's last figures")
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="measure these parts")
    parser.add_argument(
        "--sdk", nargs="+", choices=["typescript", "python"], help="with services on these SDKs"
    )
    parser.add_argument("--clients", nargs="+", type=int, help="at these numbers of clients")
    parser.add_argument("--seconds", type=float, help="length of each load")
    parser.add_argument("--retained", type=int, help="retained invocations before the kill")
    parser.add_argument("--output", type=Path, default=_STORE / "table.md", help="file for the table")
    return parser.parse_args()


def _plan(options: argparse.Namespace) -> Plan:
    plan = Plan.quick() if options.quick else Plan.full()
    given = {
        "parts": options.parts,
        "sdks": [Sdk(name) for name in options.sdk] if options.sdk else None,
        "clients": options.clients,
        "seconds": options.seconds,
        "retained": options.retained,
    }
    return attrs.evolve(plan, **{name: value for name, value in given.items() if value is not None})


def _machine() -> str:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()}, Python {platform.python_version()}; "
        "load generator and service on the same machine."
    )


def _say(kind: str, text: str) -> None:
    print(f"[{kind}] {text}", flush=True)


if __name__ == "__main__":
    main()
