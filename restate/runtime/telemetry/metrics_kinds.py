"""Objects to count with that cost next to nothing. All counting is done by the one thread that serves, without locks.

`exposition.py` reads the numbers in another thread: an int that is read while it is counted up is the old or the new one.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable

import attrs

OTHER = "other"
"""Stands in every label of what is counted once a metric has as many label sets as it may have."""
MOST_LABEL_SETS = 1000
"""Per metric. Services, handlers and states are few; whoever registers thousands of handlers sees the rest as one."""

FAST_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Seconds: of what should take less than a millisecond."""
WAITS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Seconds: of what clients and services take part in."""
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)

Labels = tuple[str, ...]


@attrs.define(eq=False)
class Counter:
    """A number that only grows. name: ends in `_total`."""

    name: str
    help: str
    value: float = 0


@attrs.define(eq=False)
class Counters:
    """As a counter, one for each combination of label values. labels: their names."""

    name: str
    help: str
    labels: Labels
    values: dict[Labels, float] = attrs.field(factory=dict)

    def add(self, *labels: str) -> None:
        """Count one more."""
        values = self.values
        if labels in values:
            values[labels] += 1
            return
        if len(values) >= MOST_LABEL_SETS:
            labels = (OTHER,) * len(labels)
        values[labels] = values.get(labels, 0) + 1

    def items(self) -> list[tuple[Labels, float]]:
        """In one go, so that what is counted meanwhile does not disturb."""
        return list(self.values.items())


@attrs.define(eq=False)
class Reading:
    """Numbers that somebody else keeps. read: asked in the thread of the exposition; empty: not known yet.

    grows: it is a counter, and its name ends in `_total`.
    """

    name: str
    help: str
    labels: Labels = ()
    grows: bool = False
    read: Callable[[], Iterable[tuple[Labels, float]]] = tuple

    def of(self, read: Callable[[], float | None]) -> None:
        """Have it read from here; for one without labels."""

        def samples() -> Iterable[tuple[Labels, float]]:
            value = read()
            return () if value is None else (((), value),)

        self.read = samples


class Buckets:
    """How values are distributed. counts: of values up to each bound, and of all above the last one; not cumulative."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0  # the sum of all values

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


@attrs.define(eq=False)
class Histogram:
    """How one kind of value is distributed. bounds: upper ones, ascending; values above the last one count as well."""

    name: str
    help: str
    bounds: tuple[float, ...]
    buckets: Buckets = attrs.field(init=False)
    observe: Callable[[float], None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.buckets = Buckets(self.bounds)
        self.observe = self.buckets.observe


@attrs.define(eq=False)
class Histograms:
    """As a histogram, one for each combination of label values."""

    name: str
    help: str
    labels: Labels
    bounds: tuple[float, ...]
    values: dict[Labels, Buckets] = attrs.field(factory=dict)

    def observe(self, value: float, *labels: str) -> None:
        buckets = self.values.get(labels)
        if buckets is None:
            buckets = self._new(labels)
        buckets.observe(value)

    def _new(self, labels: Labels) -> Buckets:
        if len(self.values) >= MOST_LABEL_SETS // len(self.bounds):
            labels = (OTHER,) * len(labels)
        return self.values.setdefault(labels, Buckets(self.bounds))

    def items(self) -> list[tuple[Labels, Buckets]]:
        """As `Counters.items`."""
        return list(self.values.items())


Metric = Counter | Counters | Reading | Histogram | Histograms
