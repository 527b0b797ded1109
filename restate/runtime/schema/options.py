"""Effective values of what services and handlers may set: handler, else service, else the server's default.

Defaults differ by generation (engine.md §11). A server maximum lowers whatever was asked for.
"""

from typing import Any

import attrs

from restate.runtime.model.retry import RetryPolicy
from restate.runtime.model.target import Generation, HandlerType
from restate.runtime.schema.deployment import Handler, Options, Service

_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS


@attrs.frozen
class OptionDefaults:
    """One generation's values, all in ms. max_...: server maximum, None for none."""

    inactivity_timeout_ms: int
    abort_timeout_ms: int
    retry: RetryPolicy
    idempotency_retention_ms: int
    workflow_retention_ms: int
    journal_retention_ms: int
    enable_lazy_state: bool = False
    max_journal_retention_ms: int | None = None
    max_retry_attempts: int | None = None


@attrs.frozen
class Defaults:
    """The server's values for both generations."""

    classic: OptionDefaults = OptionDefaults(
        inactivity_timeout_ms=_MINUTE_MS,
        abort_timeout_ms=_MINUTE_MS,
        retry=RetryPolicy(50, 2.0, 10_000, None, "kill"),
        idempotency_retention_ms=30 * _MINUTE_MS,
        workflow_retention_ms=0,
        journal_retention_ms=0,
    )
    modern: OptionDefaults = OptionDefaults(
        inactivity_timeout_ms=_MINUTE_MS,
        abort_timeout_ms=10 * _MINUTE_MS,
        retry=RetryPolicy(500, 2.0, 60_000, 70, "pause"),
        idempotency_retention_ms=_DAY_MS,
        workflow_retention_ms=_DAY_MS,
        journal_retention_ms=_DAY_MS,
    )

    def of(self, generation: Generation) -> OptionDefaults:
        return self.classic if generation is Generation.CLASSIC else self.modern


DEFAULTS = Defaults()


@attrs.frozen
class Effective:
    """What holds for one handler; times in ms."""

    inactivity_timeout_ms: int
    abort_timeout_ms: int
    retry: RetryPolicy
    idempotency_retention_ms: int
    workflow_retention_ms: int
    journal_retention_ms: int
    enable_lazy_state: bool


def effective(service: Service, handler: Handler | None, defaults: Defaults = DEFAULTS) -> Effective:
    """handler None: what holds for handlers that set nothing themselves."""
    base = defaults.of(service.type.generation)
    levels = (service.options,) if handler is None else (handler.options, service.options)
    return Effective(
        inactivity_timeout_ms=_first(levels, "inactivity_timeout_ms", base.inactivity_timeout_ms),
        abort_timeout_ms=_first(levels, "abort_timeout_ms", base.abort_timeout_ms),
        retry=_retry(levels, base),
        idempotency_retention_ms=_first(levels, "idempotency_retention_ms", base.idempotency_retention_ms),
        workflow_retention_ms=_first(levels, "workflow_retention_ms", base.workflow_retention_ms),
        journal_retention_ms=_journal_retention_ms(levels, base),
        enable_lazy_state=_first(levels, "enable_lazy_state", base.enable_lazy_state),
    )


@attrs.frozen
class Retention:
    """How long after its end an invocation and its journal are kept, in ms; 0: not at all."""

    completion_ms: int
    journal_ms: int


def retention(service: Service, handler: Handler, *, idempotent: bool, defaults: Defaults) -> Retention:
    """The table of engine.md §3.6; classic keeps only the results of idempotent calls, never journals (§3.5)."""
    base = defaults.of(service.type.generation)
    levels = (handler.options, service.options)
    journal_ms = _journal_retention_ms(levels, base)
    if handler.type is HandlerType.WORKFLOW:
        completion_ms = _first(levels, "workflow_retention_ms", base.workflow_retention_ms)
    elif idempotent:
        completion_ms = _first(levels, "idempotency_retention_ms", base.idempotency_retention_ms)
    else:
        completion_ms = journal_ms
    return Retention(completion_ms, min(journal_ms, completion_ms))


def _retry(levels: tuple[Options, ...], base: OptionDefaults) -> RetryPolicy:
    asked = _first(levels, "retry_max_attempts", base.retry.max_attempts)
    maximum = base.max_retry_attempts
    return RetryPolicy(
        initial_interval_ms=_first(levels, "retry_initial_interval_ms", base.retry.initial_interval_ms),
        factor=_first(levels, "retry_factor", base.retry.factor),
        max_interval_ms=_first(levels, "retry_max_interval_ms", base.retry.max_interval_ms),
        max_attempts=maximum if asked is None else _lower(asked, maximum),
        on_max_attempts=_first(levels, "retry_on_max_attempts", base.retry.on_max_attempts),
    )


def _journal_retention_ms(levels: tuple[Options, ...], base: OptionDefaults) -> int:
    asked = _first(levels, "journal_retention_ms", base.journal_retention_ms)
    return _lower(asked, base.max_journal_retention_ms)


def _first(levels: tuple[Options, ...], name: str, default: Any) -> Any:
    for level in levels:
        value = getattr(level, name)
        if value is not None:
            return value
    return default


def _lower(value: int, maximum: int | None) -> int:
    return value if maximum is None else min(value, maximum)
