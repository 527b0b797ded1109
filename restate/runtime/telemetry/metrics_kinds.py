"""Objects to count with that cost next to nothing. All counting is done by the one thread that serves, without locks.

`exposition.py` reads the numbers in another thread: an int that is read while it is counted up is the old or the new one.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable

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


# Plain classes: those that attrs makes would take two milliseconds of every start.
class Metric:
    """name: as Prometheus has it; counters end in `_total`. text: what it tells. labels: their names."""

    __slots__ = ("labels", "name", "text")

    def __init__(self, name: str, text: str, labels: Labels = ()) -> None:
        self.name = name
        self.text = text
        self.labels = labels


class Counter(Metric):
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, text)
        self.value: float = 0


class Counters(Metric):
    """As a counter, one for each combination of label values. most: combinations; further ones are counted as one."""

    __slots__ = ("most", "values")

    def __init__(self, name: str, text: str, labels: Labels) -> None:
        super().__init__(name, text, labels)
        self.most = MOST_LABEL_SETS
        self.values: dict[Labels, float] = {}

    def add(self, *labels: str) -> None:
        """Count one more."""
        values = self.values
        if labels in values:
            values[labels] += 1
            return
        if len(values) >= self.most:
            labels = (OTHER,) * len(labels)
        values[labels] = values.get(labels, 0) + 1

    def items(self) -> list[tuple[Labels, float]]:
        """In one go, so that what is counted meanwhile does not disturb."""
        return list(self.values.items())


class Reading(Metric):
    """Numbers that somebody else keeps. grows: it is a counter."""

    __slots__ = ("grows", "read")

    def __init__(self, name: str, text: str, labels: Labels = (), *, grows: bool = False) -> None:
        super().__init__(name, text, labels)
        self.grows = grows
        self.read: Callable[[], Iterable[tuple[Labels, float]]] = tuple
        """Asked in the thread of the exposition; empty: not known yet."""

    def of(self, read: Callable[[], float]) -> None:
        """Have it read from here; for one without labels."""
        self.read = lambda: (((), read()),)


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


class Histogram(Metric):
    """How one kind of value is distributed. bounds: upper ones, ascending; values above the last one count as well."""

    __slots__ = ("bounds", "buckets", "observe")

    def __init__(self, name: str, text: str, bounds: tuple[float, ...]) -> None:
        super().__init__(name, text)
        self.bounds = bounds
        self.buckets = Buckets(bounds)
        self.observe = self.buckets.observe


class Histograms(Metric):
    """As a histogram, one for each combination of label values. most: as of `Counters`, divided by the bounds."""

    __slots__ = ("bounds", "most", "values")

    def __init__(self, name: str, text: str, labels: Labels, bounds: tuple[float, ...]) -> None:
        super().__init__(name, text, labels)
        self.bounds = bounds
        self.most = MOST_LABEL_SETS
        self.values: dict[Labels, Buckets] = {}

    def observe(self, value: float, *labels: str) -> None:
        buckets = self.values.get(labels)
        if buckets is None:
            buckets = self._new(labels)
        buckets.observe(value)

    def items(self) -> list[tuple[Labels, Buckets]]:
        """As `Counters.items`."""
        return list(self.values.items())

    def _new(self, labels: Labels) -> Buckets:
        # Each label set is as many lines as there are bounds.
        if len(self.values) >= self.most // len(self.bounds):
            labels = (OTHER,) * len(labels)
        return self.values.setdefault(labels, Buckets(self.bounds))
