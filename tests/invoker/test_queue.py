"""Who gets the next slot."""

from restate.runtime.invoker.queue import FairQueue
from restate.runtime.invoker.run import Run
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import IngressSource, InvocationRecord, Status
from restate.runtime.model.target import HandlerType, ServiceType, Target


def run(service: str, number: int) -> Run:
    target = Target(service, "h", None, ServiceType.SERVICE, HandlerType.PLAIN)
    record = InvocationRecord(Status.INVOKED, target, 0, 0, None, 1, IngressSource(), (), 0, 0)
    return Run(InvocationId(f"{service}{number}".encode().rjust(24)), number, record, 1)


def test_services_take_turns_and_each_keeps_its_order() -> None:
    queue = FairQueue()
    for service, number in (("a", 1), ("a", 2), ("a", 3), ("b", 1), ("c", 1), ("b", 2)):
        queue.append(run(service, number))
    order = []
    while queue:
        item = queue.popleft()
        order.append((item.record.target.service, item.token))

    assert order == [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2), ("a", 3)]


def test_a_service_that_comes_back_stands_behind_those_that_wait() -> None:
    queue = FairQueue()
    for service, number in (("a", 1), ("b", 1), ("b", 2)):
        queue.append(run(service, number))
    queue.popleft()
    queue.append(run("a", 2))

    assert [queue.popleft().record.target.service for _ in range(3)] == ["b", "a", "b"]
