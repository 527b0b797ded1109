"""Every table and view with its columns, as data (sql.md §1): the union of both generations' columns.

In `SELECT *` the modern columns come first, then those that only the classic generation had.
"""

import re
from collections.abc import Mapping

import attrs
import pyarrow as pa

TIMESTAMP = pa.timestamp("ms", tz="+00:00")
DURATION = pa.duration("ms")

_TYPES: Mapping[str, pa.DataType] = {
    "S": pa.utf8(),
    "B": pa.binary(),
    "U8": pa.uint64(),
    "U4": pa.uint32(),
    "b": pa.bool_(),
    "T": TIMESTAMP,
    "D": DURATION,
    "[S]": pa.list_(pa.utf8()),
    "[U4]": pa.list_(pa.uint32()),
}


@attrs.frozen
class Table:
    """Name and columns. view: shown to clients as one; its rows come from elsewhere all the same."""

    name: str
    schema: pa.Schema
    view: bool = False


def _columns(text: str) -> list[tuple[str, str]]:
    """`S: a b, U8: c` → [("a", "S"), ("b", "S"), ("c", "U8")]."""
    found = []
    for part in text.replace("\n", " ").split(","):
        code, _, names = part.strip().partition(": ")
        found += [(name, code) for name in names.split()]
    return found


def _table(name: str, text: str, *, view: bool = False) -> Table:
    return Table(name, pa.schema([(column, _TYPES[code]) for column, code in _columns(text)]), view)


_TARGET = """
S: target target_service_name target_service_key target_handler_name target_service_ty scope limit_key idempotency_key
"""
_PROGRESS = """
S: pinned_deployment_id, U4: pinned_service_protocol_version, S: trace_id, U4: journal_size journal_commands_size,
T: created_at, S: created_using_restate_version,
T: modified_at inboxed_at scheduled_at scheduled_start_at running_at completed_at,
D: completion_retention journal_retention,
[U4]: suspended_waiting_for_completions suspended_waiting_for_signals, S: suspended_waiting_future_json
"""
_CLASSIC_CALLER = "S: service method, S: invoked_by invoked_by_service invoked_by_id, S: trace_id"
_BLOCKED = (
    "invoker_concurrency throttling_rules invoker_throttling invoker_memory concurrency_rules lock"
    " deployment_concurrency"
)


def _blocked(before: str, after: str = "") -> str:
    return " ".join(f"{before}{name}{after}" for name in _BLOCKED.split())


_ENTRY = """
T: created_at transitioned_at, U4: num_attempts num_errors num_pauses num_suspensions num_yields,
T: first_attempt_at latest_attempt_at first_runnable_at, S: deployment
"""

TABLES: tuple[Table, ...] = (
    _table(
        "sys_status",
        """U8: partition_key, S: service method service_key status id invoked_by invoked_by_service invoked_by_id
        pinned_deployment_id trace_id, U4: journal_size, T: created_at modified_at""",
    ),
    _table(
        "sys_invocation_status",
        f"""U8: partition_key, S: id vqueue_id status completion_result completion_failure, {_TARGET.strip()},
        S: invoked_by invoked_by_id invoked_by_subscription_id invoked_by_service_name invoked_by_target restarted_from,
        {_PROGRESS}""",
    ),
    _table(
        "sys_invocation_state",
        """U8: partition_key, S: id, b: in_flight, U8: retry_count, T: last_start_at,
        S: last_attempt_deployment_id last_attempt_server, T: next_retry_at, S: last_failure last_failure_error_code,
        U8: last_failure_related_command_index, S: last_failure_related_command_name last_failure_related_command_type,
        U8: last_failure_related_entry_index, S: last_failure_related_entry_name last_failure_related_entry_type,
        S: last_awaiting_on_future_json service service_key last_error_code""",
    ),
    _table(
        "sys_invocation",
        f"""S: id vqueue_id, {_TARGET.strip()},
        S: invoked_by invoked_by_service_name invoked_by_id invoked_by_subscription_id invoked_by_target restarted_from,
        {_PROGRESS},
        U8: retry_count, T: last_start_at next_retry_at,
        S: last_attempt_deployment_id last_attempt_server last_failure last_failure_error_code,
        U8: last_failure_related_entry_index, S: last_failure_related_entry_name last_failure_related_entry_type,
        U8: last_failure_related_command_index, S: last_failure_related_command_name last_failure_related_command_type,
        S: last_awaiting_on_future_json status completion_result completion_failure""",
        view=True,
    ),
    _table(
        "sys_inbox",
        f"""U8: partition_key, S: service_name service_key id, U8: sequence_number, T: created_at, {_CLASSIC_CALLER}""",
    ),
    _table(
        "sys_journal",
        """U8: partition_key, S: id, U4: index, S: entry_type name, b: completed, S: invoked_id invoked_target,
        T: sleep_wakeup_at, S: promise_name, B: raw, U8: raw_length, U4: version, S: entry_json entry_lite_json,
        T: appended_at, S: service service_key invoked_service invoked_method invoked_service_key""",
    ),
    _table(
        "sys_journal_events",
        "U8: partition_key, S: id, U4: after_journal_entry_index, T: appended_at, S: event_type event_json",
    ),
    _table("sys_keyed_service_status", "U8: partition_key, S: service_name service_key invocation_id"),
    _table(
        "state",
        """U8: partition_key, S: scope service_name service_key key, U8: key_length, S: value_utf8, B: value,
        U8: value_length, S: service""",
    ),
    _table(
        "sys_promise",
        """U8: partition_key, S: scope service_name service_key key, b: completed, B: completion_success_value,
        S: completion_success_value_utf8 completion_failure""",
    ),
    _table(
        "sys_idempotency",
        "U8: partition_key, S: service_name service_key service_handler idempotency_key invocation_id",
    ),
    _table("sys_service", "S: name, U8: revision, b: public, S: ty deployment_id instance_type"),
    _table(
        "sys_deployment",
        """S: id ty endpoint, T: created_at, U4: min_service_protocol_version max_service_protocol_version,
        [S]: services""",
    ),
    _table(
        "sys_rules", "S: pattern, U4: concurrency, S: description, b: disabled, U4: version, T: last_modified"
    ),
    _table(
        "sys_user_limits",
        """U8: partition_key, S: scope l1 l2 level, U4: usage concurrency_limit, S: rule_pattern, U4: available,
        U8: num_waiters""",
    ),
    _table("sys_locks", "U8: partition_key, S: scope lock_name, T: acquired_at, S: acquired_by"),
    _table(
        "sys_scheduler",
        f"""U8: partition_key, S: id, U8: num_inbox, S: status head_entry_id, T: scheduled_at,
        S: blocked_on blocked_on_json, D: {_blocked("", "_block_duration")}""",
    ),
    _table(
        "sys_vqueues",
        f"""U8: partition_key, S: id stage status, b: has_lock, T: run_at, U8: sequence_number,
        S: entry_id entry_kind, {_ENTRY}""",
    ),
    _table(
        "sys_vqueue_entry_status",
        f"""U8: partition_key, S: entry_id vqueue_id stage status, b: has_lock, T: next_at, U8: sequence_number,
        S: entry_kind, {_ENTRY},
        U8: needed_memory, U4: retry_attempts retry_count_since_last_stored_command,
        D: {_blocked("latest_attempt_blocked_on_")} {_blocked("total_blocked_on_")}""",
    ),
    _table(
        "sys_vqueue_meta",
        """U8: partition_key, S: id, b: is_active queue_is_paused, S: service_name scope limit_key lock_name,
        T: created_at last_enqueued_at last_start_at last_attempt_at last_finish_at,
        D: avg_queue_duration avg_inbox_duration avg_run_duration avg_suspension_duration avg_end_to_end_duration
        avg_blocked_on_concurrency_rules avg_blocked_on_invoker_concurrency avg_blocked_on_invoker_throttling
        avg_blocked_on_lock,
        U8: num_inbox num_running num_suspended num_paused num_finished""",
    ),
)

BY_NAME: Mapping[str, Table] = {table.name: table for table in TABLES}

_LONG_ROWS = re.compile(r"\b(state|sys_journal|sys_journal_events|sys_promise)\b", re.IGNORECASE)
_LIVE = re.compile(r"\bsys_invocation(_state)?\b", re.IGNORECASE)


def needs_live(sql: str) -> bool:
    """Whether the statement may read what the invoker has in memory: no other way leads to it than these names."""
    return _LIVE.search(sql) is not None


def may_have_long_rows(sql: str) -> bool:
    """Whether the statement may read values that come from users, of which each may have megabytes."""
    return _LONG_ROWS.search(sql) is not None
