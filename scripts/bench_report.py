"""Turns the figures of `bench_measure` into one Markdown table, ours beside the official server's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SDK_TITLES = {"typescript": "TypeScript", "python": "Python"}
_WORKLOAD_TITLES = {"stateless": "stateless", "counter": "counter, 1,000 keys"}
_FIGURES = (
    ("per_second", "requests/s"),
    ("p50_ms", "p50 ms"),
    ("p99_ms", "p99 ms"),
    ("server_cpu_ms", "server CPU ms"),
)


@attrs.frozen
class Row:
    """One line of the table: the figure's name, its title, and the budget of design §5 as text."""

    figure: str
    title: str
    budget: str = ""


def table(ours: Mapping[str, float], official: Mapping[str, float]) -> str:
    """Markdown. A side that was not measured has empty cells; rows measured by nobody are left out."""
    lines = ["| What | official 1.7.12 | ours | ours / official | budget |", "|---|---:|---:|---:|---|"]
    for row in _rows(ours, official):
        theirs, mine = official.get(row.figure), ours.get(row.figure)
        if theirs is None and mine is None:
            continue
        ratio = f"{mine / theirs:.2f}" if mine is not None and theirs else ""
        lines.append(f"| {row.title} | {_number(theirs)} | {_number(mine)} | {ratio} | {row.budget} |")
    return "\n".join(lines) + "\n"


def _rows(ours: Mapping[str, float], official: Mapping[str, float]) -> Iterator[Row]:
    for sdk, sdk_title in _SDK_TITLES.items():
        for workload, workload_title in _WORKLOAD_TITLES.items():
            prefix = f"load/{sdk}/{workload}/"
            counts = {int(name.split("/")[3]) for name in (*ours, *official) if name.startswith(prefix)}
            for clients in sorted(counts):
                for figure, title in _FIGURES:
                    budget = _load_budget(figure, workload, clients)
                    head = f"{sdk_title}, {workload_title}, {clients} client{'s' if clients > 1 else ''}"
                    yield Row(f"{prefix}{clients}/{figure}", f"{head}: {title}", budget)
    yield Row("start/cold_s", "Cold start to first answer, s", "0.35")
    yield Row("start/idle_rss_mib", "RSS idle, MiB", "80")
    for sdk, sdk_title in _SDK_TITLES.items():
        yield Row(f"load/{sdk}/peak_rss_mib", f"RSS under load, {sdk_title}, MiB", "150")
    yield Row("start/data_mib", "Data directory, empty, MiB", "1")
    for sdk, sdk_title in _SDK_TITLES.items():
        yield Row(f"load/{sdk}/data_mib", f"Data directory after the load, {sdk_title}, MiB")
    yield Row("recovery/retained", "Retained invocations at kill -9")
    yield Row("recovery/first_answer_s", "kill -9 to first answer, s", "1")


def _load_budget(figure: str, workload: str, clients: int) -> str:
    if figure == "server_cpu_ms" and clients == 64:
        return "0.7"
    if workload != "stateless":
        return ""
    if figure == "per_second" and clients == 64:
        return "1.0x"
    return "0.6x" if figure == "p50_ms" and clients == 1 else ""


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
