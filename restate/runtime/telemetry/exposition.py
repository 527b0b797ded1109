"""Metrics as text for Prometheus. Imported, in a thread, when somebody asks for the first time: prometheus_client takes a
tenth of a second, and most of it is for what we do not use.
"""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from restate.runtime.telemetry.metrics import Metrics
from restate.runtime.telemetry.metrics_kinds import (
    Buckets,
    Counter,
    Counters,
    Histogram,
    Histograms,
    Labels,
    Metric,
    Reading,
)


class Exposition:
    """The text of one set of metrics, and of the process."""

    def __init__(self, metrics: Metrics) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Ours(metrics))
        ProcessCollector(registry=self._registry)

    def render(self, accept: str) -> tuple[bytes, str]:
        """The text as the header `accept` wants it, and its content type: OpenMetrics when asked for."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Ours(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Family]:
        for metric in self._metrics:
            yield _family(metric)


def _family(metric: Metric) -> Family:
    name, text, labels = metric.name, metric.text, metric.labels
    family: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
    if isinstance(metric, Histogram | Histograms):
        family = HistogramMetricFamily(name, text, labels=labels)
        several = [((), metric.buckets)] if isinstance(metric, Histogram) else metric.items()
        for values, buckets in several:
            _add(family, values, metric.bounds, buckets)
        return family
    if isinstance(metric, Reading):
        family = (CounterMetricFamily if metric.grows else GaugeMetricFamily)(name, text, labels=labels)
        samples = metric.read()
    else:
        assert isinstance(metric, Counter | Counters)
        family = CounterMetricFamily(name, text, labels=labels)
        samples = metric.items() if isinstance(metric, Counters) else (((), metric.value),)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _add(family: HistogramMetricFamily, labels: Labels, bounds: tuple[float, ...], buckets: Buckets) -> None:
    names = (*map(floatToGoString, bounds), "+Inf")
    family.add_metric(labels, list(zip(names, accumulate(buckets.counts), strict=True)), buckets.total)
