import attrs

from restate.runtime.model.target import HandlerType, ServiceType
from restate.runtime.schema.deployment import Handler, Options
from restate.runtime.schema.options import DEFAULTS, Defaults, effective
from tests.schema.builders import service

HANDLER = Handler("h", HandlerType.PLAIN, options=Options(inactivity_timeout_ms=1, retry_max_attempts=4))


def test_handler_before_service_before_default() -> None:
    owner = service(
        "S", ServiceType.SERVICE, HANDLER, options=Options(inactivity_timeout_ms=2, abort_timeout_ms=3)
    )
    values = effective(owner, HANDLER)
    assert (values.inactivity_timeout_ms, values.abort_timeout_ms) == (1, 3)
    assert values.idempotency_retention_ms == DEFAULTS.modern.idempotency_retention_ms
    assert effective(owner, None).inactivity_timeout_ms == 2


def test_zero_is_a_value() -> None:
    owner = service("S", options=Options(inactivity_timeout_ms=0, enable_lazy_state=False))
    assert effective(owner, owner.handlers[0]).inactivity_timeout_ms == 0


def test_the_defaults_follow_the_generation() -> None:
    classic, modern = service("C", ServiceType.UNKEYED), service("M")
    assert effective(classic, None).retry.initial_interval_ms == 50
    assert effective(classic, None).retry.max_attempts is None
    assert effective(modern, None).retry.max_attempts == 70
    assert (effective(classic, None).abort_timeout_ms, effective(modern, None).abort_timeout_ms) == (
        60_000,
        600_000,
    )


def test_a_server_maximum_lowers_what_is_asked_for() -> None:
    defaults = Defaults(
        modern=attrs.evolve(DEFAULTS.modern, max_journal_retention_ms=10, max_retry_attempts=3)
    )
    asked = service("S", ServiceType.SERVICE, HANDLER, options=Options(journal_retention_ms=20))
    values = effective(asked, HANDLER, defaults)
    assert (values.journal_retention_ms, values.retry.max_attempts) == (10, 3)
    modest = service("S", options=Options(journal_retention_ms=5, retry_max_attempts=2))
    values = effective(modest, None, defaults)
    assert (values.journal_retention_ms, values.retry.max_attempts) == (5, 2)
