"""Turns the figures of `bench_measure` into one Markdown table, ours beside the official server's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_SDKS = {"typescript": "TypeScript", "python": "Python"}
_WORKLOADS = {"stateless": "stateless", "counter": "counter over 1,000 keys"}
_LOAD_FIGURES = ("per_second", "p50_ms", "p99_ms", "server_cpu_ms")

_HEADER = """\
Load rows read: requests/s · p50 ms · p99 ms · server CPU ms per invocation. Ratios are ours / official, figure by figure.

| What | official 1.7.12 | ours | ratio | budget |
|---|---:|---:|---:|---|
"""


@attrs.frozen
class Row:
    """One line of the table. budget: that of design §5, as text."""

    title: str
    figures: Sequence[str]
    budget: str = ""


def table(ours: Mapping[str, float], official: Mapping[str, float]) -> str:
    """Markdown. A side that was not measured has empty cells; rows measured by nobody are left out."""
    lines = []
    for row in _rows({*ours, *official}):
        theirs = [official.get(figure) for figure in row.figures]
        mine = [ours.get(figure) for figure in row.figures]
        ratios = [
            f"{one / other:.2f}" if one is not None and other else ""
            for one, other in zip(mine, theirs, strict=True)
        ]
        cells = [row.title, _cell(map(_number, theirs)), _cell(map(_number, mine)), _cell(ratios), row.budget]
        lines.append(f"| {' | '.join(cells)} |\n")
    return _HEADER + "".join(lines)


def _rows(measured: set[str]) -> Iterator[Row]:
    for row in _all_rows(measured):
        if any(figure in measured for figure in row.figures):
            yield row


def _all_rows(measured: set[str]) -> Iterator[Row]:
    for sdk, sdk_title in _SDKS.items():
        for workload, workload_title in _WORKLOADS.items():
            prefix = f"load/{sdk}/{workload}/"
            for clients in sorted({int(name.split("/")[3]) for name in measured if name.startswith(prefix)}):
                title = f"{sdk_title} SDK, {workload_title}, {clients} client{'s' if clients > 1 else ''}"
                figures = [f"{prefix}{clients}/{figure}" for figure in _LOAD_FIGURES]
                yield Row(title, figures, _load_budget(workload, clients))
    yield Row("Cold start to first answer, s", ["start/cold_s"], "0.35")
    yield Row("RSS idle, MiB", ["start/idle_rss_mib"], "80")
    for sdk, sdk_title in _SDKS.items():
        yield Row(f"RSS under load, {sdk_title} SDK, MiB", [f"load/{sdk}/peak_rss_mib"], "150")
    yield Row("Data directory, empty, MiB", ["start/data_mib"], "1")
    for sdk, sdk_title in _SDKS.items():
        yield Row(f"Data directory after the load, {sdk_title} SDK, MiB", [f"load/{sdk}/data_mib"])
    yield Row("Retained invocations at kill -9", ["recovery/retained"])
    yield Row("kill -9 to first answer, s", ["recovery/first_answer_s"], "1")


def _load_budget(workload: str, clients: int) -> str:
    """Throughput and latency are budgeted for the stateless handler, CPU wherever it is not start-up cost."""
    match workload, clients:
        case "stateless", 1:
            return "p50 0.6x"
        case "stateless", 64:
            return "1.0x; CPU 0.7 ms"
        case _, 64:
            return "CPU 0.7 ms"
    return ""


def _cell(texts: Iterable[str]) -> str:
    return " · ".join(text for text in texts if text)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
