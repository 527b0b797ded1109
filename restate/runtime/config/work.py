"""Settings of what the server does with invocations: attempts, retries, retention, engine and storage. See `tree`."""

from pathlib import Path

import attrs

from restate.runtime.config.values import (
    MIB,
    Attempts,
    Count,
    Factor,
    Millis,
    OnMaxAttempts,
    PositiveMillis,
    Ratio,
    RetryType,
    Size,
    Threads,
)
from restate.runtime.model.retry import RetryPolicy
from restate.runtime.model.target import Generation


@attrs.frozen
class Invoker:
    """Attempts: how long, how large, how many at a time."""

    inactivity_timeout_ms: Millis | None = None
    """Silence after which the service is asked to suspend. None: by generation."""
    abort_timeout_ms: Millis | None = None
    """Further silence after which the stream is reset. None: by generation."""
    message_size_warning: Size = 10 * MIB
    """A message of a service that is larger is logged."""
    message_size_limit: Size = 32 * MIB
    """A message to or from a service that is larger fails the attempt (RT0003)."""
    eager_state_size_limit: Size | None = None
    """State sent along with the start of an attempt; None: as much as a message may have."""
    concurrency_limit: Count = 1_000
    """Attempts at a time; further invocations wait in turns by service."""
    drain_timeout_ms: Millis = 5_000
    """How long the rest of a response may take after its last message."""
    protocol_v7: bool = False
    """Whether service protocol version 7 is picked where the SDK offers it."""
    request_identity_private_key_pem_file: Path | None = None
    """One ed25519 key (PKCS#8) that requests to modern services are signed with; None: they are not signed."""
    request_identity_expiration_ms: PositiveMillis = 60_000
    """How long a signature is valid, and how far clocks may be apart."""

    def inactivity_timeout_of(self, generation: Generation) -> int:
        """Milliseconds, for deployments of the generation."""
        del generation  # both generations have the same default
        return 60_000 if self.inactivity_timeout_ms is None else self.inactivity_timeout_ms

    def abort_timeout_of(self, generation: Generation) -> int:
        """Milliseconds, for deployments of the generation."""
        default_ms = 60_000 if generation is Generation.CLASSIC else 600_000
        return default_ms if self.abort_timeout_ms is None else self.abort_timeout_ms

    @property
    def eager_state_limit_bytes(self) -> int:
        limit = self.eager_state_size_limit
        return self.message_size_limit if limit is None else limit


# Classic knows no pause: with a limit on attempts, its invocations end with the last error.
_DEFAULT_POLICIES = {
    Generation.CLASSIC: RetryPolicy(50, 2.0, 10_000, None, "kill"),
    Generation.MODERN: RetryPolicy(500, 2.0, 60_000, 70, "pause"),
}


@attrs.frozen
class RetrySettings:
    """When a failed attempt is tried again. What is None follows the generation; what is set holds for both."""

    type: RetryType = "exponential"
    """How the delay between attempts grows."""
    initial_interval_ms: Millis | None = None
    """Delay after the first failed attempt."""
    factor: Factor | None = None
    """By which the delay grows with each attempt."""
    max_interval_ms: Millis | None = None
    """The longest delay."""
    max_attempts: Attempts | None = None
    """Attempts in a row, the first one included."""
    on_max_attempts: OnMaxAttempts | None = None
    """What happens to an invocation whose attempts are used up."""
    max_attempts_limit: Count | None = None
    """What a service may ask for at most; None: anything."""
    jitter: Ratio = 0.3
    """By which share of itself a delay may be longer, at random, so that what failed together does not come back so."""

    def policy_of(self, generation: Generation) -> RetryPolicy:
        """The policy for invocations of the generation."""
        default = _DEFAULT_POLICIES[generation]
        initial_ms = (
            default.initial_interval_ms if self.initial_interval_ms is None else self.initial_interval_ms
        )
        factor = default.factor if self.factor is None else self.factor
        max_ms = default.max_interval_ms if self.max_interval_ms is None else self.max_interval_ms
        attempts = default.max_attempts if self.max_attempts is None else self.max_attempts
        if self.type == "fixed_delay":
            factor, max_ms = 1.0, initial_ms
        if self.type == "none":
            attempts = 1
        return RetryPolicy(
            initial_interval_ms=initial_ms,
            factor=factor,
            max_interval_ms=max(max_ms, initial_ms),
            max_attempts=None if attempts == "unlimited" else attempts,
            on_max_attempts=default.on_max_attempts if self.on_max_attempts is None else self.on_max_attempts,
        )


_DAY_MS = 86_400_000


@attrs.frozen
class Retention:
    """How long what is finished is kept, where a service does not say. None: by generation."""

    idempotency_ms: Millis | None = None
    """Result of a call with an idempotency key."""
    workflow_ms: Millis | None = None
    """Result of a workflow run."""
    journal_ms: Millis | None = None
    """Journal of an invocation that has ended."""
    max_journal_ms: Millis | None = None
    """What a service may ask for at most; None: anything."""

    def idempotency_of(self, generation: Generation) -> int:
        """Milliseconds, for invocations of the generation with an idempotency key."""
        default_ms = 30 * 60_000 if generation is Generation.CLASSIC else _DAY_MS
        return default_ms if self.idempotency_ms is None else self.idempotency_ms

    def workflow_of(self, generation: Generation) -> int:
        """Milliseconds, for workflow runs; classic has none."""
        default_ms = 0 if generation is Generation.CLASSIC else _DAY_MS
        return default_ms if self.workflow_ms is None else self.workflow_ms

    def journal_of(self, generation: Generation) -> int:
        """Milliseconds, for journals; classic keeps none."""
        default_ms = 0 if generation is Generation.CLASSIC else _DAY_MS
        return default_ms if self.journal_ms is None else self.journal_ms


@attrs.frozen
class Discovery:
    """Asking deployments what they serve."""

    request_timeout_ms: PositiveMillis = 10_000
    """From asking a deployment until its whole answer is here."""
    response_size_limit: Size = 16 * MIB
    """The whole answer of a deployment."""
    retry_initial_interval_ms: Millis = 100
    """Before a deployment that seems to be starting or overloaded is asked again; doubled each time."""
    max_attempts: Count = 5
    """How often it is asked, the first time included, within request_timeout."""


@attrs.frozen
class Engine:
    """The partition loop. A batch ends at whichever limit comes first."""

    batch_records: Count = 32
    """Records that are applied together."""
    batch_bytes: Size = 1 * MIB
    """Bytes of records that are applied together."""
    queue_limit: Count = 4_096
    """Records that wait for the loop; further callers wait or are refused."""
    timers_in_memory: Count = 1_024
    """The next timers that are due; the others stay on disk."""


@attrs.frozen
class Storage:
    """RocksDB's memory and files; of all tables together where not said otherwise."""

    block_cache_bytes: Size = 32 * MIB
    """Parts of tables kept in memory."""
    write_buffer_bytes: Size = 32 * MIB
    """New rows kept in memory until they are merged into tables."""
    table_write_buffer_bytes: Size = 8 * MIB
    """Of one table."""
    log_bytes: Size = 64 * MIB
    """Write-ahead log after which tables are flushed."""
    background_jobs: Threads = 2
    """Threads that write and merge tables."""
    open_file_limit: Count | None = None
    """Files of tables that are kept open. None: all of them, which is fastest; about one per 2 to 64 MiB of data."""
