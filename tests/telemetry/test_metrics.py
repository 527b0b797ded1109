"""Counting, and what becomes of it as text; and that dashboard and alerts ask for what there is."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

import restate.runtime.telemetry.metrics as metrics_module
from restate.runtime.telemetry.exposition import Exposition
from restate.runtime.telemetry.metrics import Metrics
from restate.runtime.telemetry.metrics_kinds import MOST_LABEL_SETS, OTHER, Counters, Histograms, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(metrics_module.__file__).parent / "data"
_NAME = re.compile(r"\b(?:restate|process)_[a-z0-9_]+\b")
_SELECTED = re.compile(r"\b((?:restate|process)_[a-z0-9_]+){([^}]*)}")
_MATCHER = re.compile(r'(\w+)(?:=~|!~|!=|=)"')
_BY = re.compile(r"\bby \(([^)]*)\)")
OF_THE_SCRAPE = {"job", "instance", "le"}


def samples(metrics: Metrics) -> dict[str, float]:
    """{name and labels: value}, as Prometheus reads it."""
    text, _ = Exposition(metrics).render("")
    return {
        f"{sample.name}{sample.labels or ''}": sample.value
        for family in parse_text(text.decode())
        for sample in family.samples
    }


# Counting.


def test_counters_are_shown_as_they_are_counted() -> None:
    metrics = Metrics()
    metrics.invoker.enqueued.value += 2
    for _ in range(3):
        metrics.invoker.tasks.add("started", "")
    metrics.invoker.tasks.add("failed", "true")
    metrics.invoker.tasks.add("failed", "false")
    shown = samples(metrics)
    assert shown["restate_invoker_enqueue_total"] == 2
    name = "restate_invoker_invocation_tasks_total"
    assert shown[f"{name}{{'status': 'started', 'transient': ''}}"] == 3
    assert shown[f"{name}{{'status': 'failed', 'transient': 'true'}}"] == 1
    # What the classic generation calls by another name has the same numbers.
    assert shown["restate_invoker_invocation_task_total{'status': 'failed'}"] == 2


def test_a_histogram_counts_up_to_and_with_each_bound() -> None:
    metrics = Metrics()
    for value in (1, 1, 2, 3, 32, 33, 1000):
        metrics.storage.batch_records.observe(value)
    shown = samples(metrics)
    name = "restate_commit_batch_records"
    counts = [shown[f"{name}_bucket{{'le': '{le}'}}"] for le in ("1.0", "2.0", "4.0", "32.0", "+Inf")]
    assert counts == [2, 3, 4, 5, 7]
    assert shown[f"{name}_count"] == 7
    assert shown[f"{name}_sum"] == 1072


def test_what_nobody_tells_is_left_out() -> None:
    metrics = Metrics()
    assert not any(name.startswith("restate_engine_queue_depth") for name in samples(metrics))
    metrics.partition.queue_depth.of(lambda: 7)
    assert samples(metrics)["restate_engine_queue_depth"] == 7


def test_label_sets_are_bounded() -> None:
    counters = Counters("x_total", "", ("a", "b"))
    for number in range(MOST_LABEL_SETS + 500):
        counters.add(str(number), "b")
    counters.add("0", "b")
    assert len(counters.values) == MOST_LABEL_SETS + 1
    assert counters.values[OTHER, OTHER] == 500
    assert counters.values["0", "b"] == 2
    histograms = Histograms("y", "", ("a",), (1.0, 2.0))
    for number in range(1000):
        histograms.observe(1.5, str(number))
    assert len(histograms.values) == MOST_LABEL_SETS // 2 + 1
    assert sum(sum(buckets.counts) for buckets in histograms.values.values()) == 1000


def test_how_many_label_sets_there_may_be_is_a_setting() -> None:
    metrics = Metrics(label_set_limit=50)
    for number in range(60):
        metrics.invoker.retries.add(str(number))
        metrics.ingress.seconds.observe(1, str(number), "", "")
    assert len(metrics.invoker.retries.values) == 51
    assert len(metrics.ingress.seconds.values) == 50 // len(metrics.ingress.seconds.bounds) + 1
    assert metrics.label_set_limit == 50


def test_label_values_may_be_any_text() -> None:
    metrics = Metrics()
    strange = 'a"b\\c\nd{}=,é'
    metrics.invoker.retries.add(strange)
    text, _ = Exposition(metrics).render("")
    (sample,) = (
        sample
        for family in parse_text(text.decode())
        for sample in family.samples
        if sample.name == "restate_invoker_retries_total"
    )
    assert sample.labels == {"service": strange}


def test_openmetrics_is_what_its_own_parser_takes() -> None:
    metrics = Metrics()
    _fill(metrics)
    text, content_type = Exposition(metrics).render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    families = list(parse_openmetrics(text.decode()))  # type: ignore[no-untyped-call]
    assert len(families) > 50


# Names.


def _fill(metrics: Metrics) -> None:
    """Give every metric a sample."""
    for metric in metrics:
        labels = tuple("x" for _ in metric.labels)
        if isinstance(metric, Counters):
            metric.add(*labels)
        elif isinstance(metric, Histograms):
            metric.observe(1, *labels)
        elif isinstance(metric, Reading) and metric.name != "restate_invoker_invocation_task_total":
            metric.read = lambda labels=labels: ((labels, 1),)  # type: ignore[misc]


@cache
def known() -> dict[str, set[str]]:
    """{name of a sample: its labels}, of all there are."""
    metrics = Metrics()
    _fill(metrics)
    text, _ = Exposition(metrics).render("")
    return {
        sample.name: set(sample.labels) for family in parse_text(text.decode()) for sample in family.samples
    }


def test_names_and_texts_are_well_formed() -> None:
    metrics = list(Metrics())
    assert len({metric.name for metric in metrics}) == len(metrics)
    for metric in metrics:
        grows = metric.name.endswith("_total")
        assert re.fullmatch(r"restate_[a-z_]+", metric.name)
        assert metric.text[0].isupper() or metric.text[0].isdigit()
        assert metric.text.endswith(".")
        if isinstance(metric, Reading):
            assert metric.grows == grows, metric.name
    # All of them come out, in one form or another.
    for metric in metrics:
        assert metric.name in known() or f"{metric.name}_bucket" in known(), metric.name


def expressions() -> Iterator[tuple[str, str]]:
    """(where, PromQL) of everything that we ship."""
    rules = yaml.safe_load((DATA / "restate.rules.yaml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    dashboard = json.loads((DATA / "grafana.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_dashboard_and_alerts_ask_for_what_there_is(where: str, expression: str) -> None:
    names = _NAME.findall(expression)
    assert names or where == "RestateDown"
    assert [name for name in names if name not in known()] == []
    labels = set.union(OF_THE_SCRAPE, *(known()[name] for name in names))
    for listed in _BY.findall(expression):
        assert {label.strip() for label in listed.split(",")} <= labels
    for name, matchers in _SELECTED.findall(expression):
        assert set(_MATCHER.findall(matchers)) <= known()[name] | OF_THE_SCRAPE


def test_everything_that_is_measured_is_shown() -> None:
    """A metric that no panel shows is one that nobody looks at; two are names of another generation, or for joins."""
    shown = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for _, expression in expressions()
        for name in _NAME.findall(expression)
    }
    known_elsewhere = {
        "restate_invoker_invocation_task_total",
        "restate_partition_storage_tx_created_total",
        "restate_partition_storage_tx_committed_total",
        "restate_rocksdb_running_jobs",
    }
    assert {metric.name for metric in Metrics()} - shown == known_elsewhere


def test_panels_do_not_overlap() -> None:
    dashboard: dict[str, Any] = json.loads((DATA / "grafana.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
