"""Metrics as text for Prometheus. Imported, in a thread, when somebody asks for the first time: prometheus_client takes a
tenth of a second, and most of it is for what we do not use.
"""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)
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
    match metric:
        case Counter(name, help, value):
            return CounterMetricFamily(name, help, value=value)
        case Counters(name, help, labels):
            counters = CounterMetricFamily(name, help, labels=labels)
            for values, value in metric.items():
                counters.add_metric(values, value)
            return counters
        case Reading(name, help, labels):
            kind = CounterMetricFamily if metric.grows else GaugeMetricFamily
            reading = kind(name, help, labels=labels)
            for values, value in metric.read():
                reading.add_metric(values, value)
            return reading
        case Histogram(name, help, bounds):
            histogram = HistogramMetricFamily(name, help, labels=())
            _add(histogram, (), bounds, metric.buckets)
            return histogram
        case Histograms(name, help, labels, bounds):
            histogram = HistogramMetricFamily(name, help, labels=labels)
            for values, buckets in metric.items():
                _add(histogram, values, bounds, buckets)
            return histogram


def _add(family: HistogramMetricFamily, labels: Labels, bounds: tuple[float, ...], buckets: Buckets) -> None:
    names = (*map(floatToGoString, bounds), "+Inf")
    family.add_metric(labels, list(zip(names, accumulate(buckets.counts), strict=True)), buckets.total)
