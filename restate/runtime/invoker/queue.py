"""The queue before the concurrency limit: services take turns, and within a service the first comes first."""

from collections import OrderedDict, deque

from restate.runtime.invoker.run import Run


class FairQueue:
    """Runs that wait for a slot. A service with ten thousand of them delays another one by one turn, not by all.

    Invariant: no queue in `_by_service` is empty; the service that is next stands first.
    """

    def __init__(self) -> None:
        self._by_service: OrderedDict[str, deque[Run]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._by_service)

    def __len__(self) -> int:
        return sum(map(len, list(self._by_service.values())))

    def append(self, run: Run) -> None:
        self._by_service.setdefault(run.record.target.service, deque()).append(run)

    def popleft(self) -> Run:
        """The next run; its service goes to the end of the line. KeyError when nothing waits."""
        service, runs = self._by_service.popitem(last=False)
        run = runs.popleft()
        if runs:
            self._by_service[service] = runs
        return run
