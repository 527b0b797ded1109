"""The statements that the documentation of both generations shows, and that command lines and the web UI send.

`{sleeping}`, `{waiting}`, `{greeting}`, `{failed}` and `{deployment}` stand for ids of the test's data.
Source: restatedev/documentation@v0.8.0 and docs-restate, restatedev/restate@v0.8.1:cli, the official command line 1.7.12,
restatedev/restate-web-ui@v1.0.19; the statements as they are sent, without their layout.
"""

from collections.abc import Mapping

CLASSIC_DOCUMENTATION: Mapping[str, str] = {
    "describe": "describe sys_status;",
    "ongoing": "select * from sys_status;",
    "status of one": "select service, method, status from sys_status where id = '{sleeping}';",
    "journal by key": "select * from sys_journal where service = 'Counter' and service_key = 'busy';",
    "journal by id": "select * from sys_journal where service = 'Counter' and service_key = ( select service_key"
    " from sys_status where id = '{sleeping}' );",
    "retries": "select * from sys_invocation_state where retry_count > 1;",
    "who blocks a key": "select method, status, id from sys_status where service = 'Counter' and service_key = 'busy';",
    "last change": "select modified_at from sys_status where id = '{sleeping}';",
    "who invoked": "select invoked_by, invoked_by_service, invoked_by_id from sys_status where id = '{sleeping}';",
    "trace": "select trace_id from sys_status where id = '{sleeping}';",
    "inactive": "select * from sys_status where to_timestamp(modified_at) <= now() - interval '1' hour;",
    "zombies": "select * from sys_status where pinned_deployment_id = '{deployment}';",
    "state": "select * from state where service = 'Counter' and service_key = 'pear';",
    "one state": "select * from state where service = 'Counter' and service_key = 'pear' and key = 'n';",
    "state beside invocations": "select * from sys_status JOIN state on sys_status.service = state.service"
    " and sys_status.service_key = state.service_key;",
    "tour, all": "SELECT * FROM state WHERE service like '%Counter%';",
    "tour, stale column": "select service, service_key_utf8, key, value_utf8 from state where service like '%Counter%';",
}

_COMBINED = (
    "CASE WHEN ss.status = 'suspended' THEN 'suspended' WHEN sis.in_flight THEN 'running'"
    " WHEN ss.status = 'invoked' AND retry_count > 0 THEN 'backing-off' ELSE 'ready' END AS combined_status"
)

CLASSIC_COMMAND_LINE: Mapping[str, str] = {
    "calls of a deployment": "SELECT COUNT(id) AS inv_count FROM sys_status"
    " WHERE pinned_deployment_id = '{deployment}' GROUP BY pinned_deployment_id",
    "calls of a deployment by method": "SELECT service, method, COUNT(id) AS inv_count FROM sys_status"
    " WHERE pinned_deployment_id = '{deployment}' GROUP BY pinned_deployment_id, service, method",
    "pending by method": "SELECT service, method, COUNT(id), MIN(created_at), FIRST_VALUE(id ORDER BY created_at ASC)"
    " FROM sys_inbox WHERE service IN ('Counter','Greeter') GROUP BY service, method",
    "active by method": "WITH enriched_invokes AS (SELECT ss.service, ss.method, " + _COMBINED + ", ss.id,"
    " ss.created_at FROM sys_status ss LEFT JOIN sys_invocation_state sis ON ss.id = sis.id"
    " WHERE ss.service IN ('Counter','Greeter') ) SELECT service, method, combined_status, COUNT(id),"
    " MIN(created_at), FIRST_VALUE(id ORDER BY created_at ASC) FROM enriched_invokes"
    " GROUP BY service, method, combined_status ORDER BY method",
    "pending by key": "SELECT service, service_key, COUNT(id), MIN(created_at) FROM sys_inbox"
    " WHERE service IN ('Counter','Greeter') GROUP BY service, service_key ORDER BY COUNT(id) DESC",
    "locked keys": "WITH enriched_invokes AS (SELECT ss.service, ss.method, ss.service_key, "
    + _COMBINED
    + ","
    " ss.id, ss.created_at, ss.modified_at, ss.pinned_deployment_id, sis.retry_count, sis.last_failure,"
    " sis.last_attempt_deployment_id, sis.next_retry_at, sis.last_start_at FROM sys_status ss"
    " LEFT JOIN sys_invocation_state sis ON ss.id = sis.id WHERE ss.service IN ('Counter','Greeter') )"
    " SELECT service, service_key, combined_status, first_value(id), first_value(method), first_value(created_at),"
    " first_value(modified_at), first_value(pinned_deployment_id), first_value(last_attempt_deployment_id),"
    " first_value(last_failure), first_value(next_retry_at), first_value(last_start_at), sum(retry_count)"
    " FROM enriched_invokes GROUP BY service, service_key, combined_status",
    "active": "WITH enriched_invocations AS (SELECT ss.id, ss.service, ss.method, ss.service_key, "
    + _COMBINED
    + ","
    " ss.created_at, ss.modified_at, ss.pinned_deployment_id, sis.retry_count, sis.last_failure,"
    " sis.last_attempt_deployment_id, sis.next_retry_at, sis.last_start_at, ss.invoked_by_id, ss.invoked_by_service,"
    " svc.instance_type, svc.deployment_id as svc_latest_deployment, dp.id as known_deployment_id, ss.trace_id"
    " FROM sys_status ss LEFT JOIN sys_invocation_state sis ON ss.id = sis.id LEFT JOIN sys_service svc"
    " ON svc.name = ss.service LEFT JOIN sys_deployment dp ON dp.id = ss.pinned_deployment_id"
    " WHERE ss.service = 'Counter' ORDER BY ss.created_at DESC ) SELECT *, COUNT(*) OVER() AS full_count"
    " from enriched_invocations  LIMIT 100",
    "pending": "WITH inbox_table AS (SELECT ss.service, ss.method, ss.id, ss.created_at, ss.invoked_by_id,"
    " ss.invoked_by_service, ss.service_key, svc.instance_type, ss.trace_id FROM sys_inbox ss LEFT JOIN sys_service svc"
    " ON svc.name = ss.service WHERE ss.id = '{waiting}' ) SELECT *, COUNT(*) OVER() AS full_count FROM inbox_table"
    " LIMIT 1",
    "journal": "SELECT sj.index, sj.entry_type, sj.completed, sj.invoked_id, sj.invoked_service, sj.invoked_method,"
    " sj.invoked_service_key, sj.sleep_wakeup_at FROM sys_status ss LEFT JOIN sys_journal sj"
    " ON ss.service_key = sj.service_key AND ss.service = sj.service WHERE ss.id = '{sleeping}' ORDER BY index DESC"
    " LIMIT 100",
    "state": "select service, service_key, key, value from state where service = 'Counter' and service_key = 'pear'",
}

MODERN_DOCUMENTATION: Mapping[str, str] = {
    "all": "select * from sys_invocation;",
    "one": "select * from sys_invocation where id = '{sleeping}';",
    "journal": "select * from sys_journal where id = '{sleeping}';",
    "retries": "select * from sys_invocation where retry_count > 1;",
    "who blocks a key": "select invocation_id from sys_keyed_service_status where service_name = 'Counter'"
    " and service_key = 'busy';",
    "last change": "select modified_at from sys_invocation where id = '{sleeping}';",
    "who invoked": "select invoked_by, invoked_by_service_name, invoked_by_id from sys_invocation"
    " where id = '{sleeping}';",
    "trace": "select trace_id from sys_invocation where id = '{sleeping}';",
    "inactive": "select * from sys_invocation where to_timestamp(modified_at) <= now() - interval '1' hour;",
    "zombies": "select * from sys_invocation where pinned_deployment_id = '{deployment}';",
    "state": "select * from state where service_name = 'Counter' and service_key = 'pear';",
    "one state": "select * from state where service_name = 'Counter' and service_key = 'pear' and key = 'n';",
    "state beside invocations": "select * from sys_invocation JOIN state on sys_invocation.target_service_name"
    " = state.service_name and sys_invocation.target_service_key = state.service_key;",
}

_LISTED = (
    "SELECT inv.id, inv.target, inv.target_service_ty, inv.idempotency_key, inv.status, inv.created_at,"
    " inv.modified_at as state_modified_at, inv.pinned_deployment_id, inv.retry_count as num_retries,"
    " inv.last_failure as last_failure_message, inv.last_failure_related_entry_index as last_failure_entry_index,"
    " inv.last_failure_related_entry_name as last_failure_entry_name,"
    " inv.last_failure_related_entry_type as last_failure_entry_ty, inv.last_attempt_deployment_id,"
    " inv.last_attempt_server, inv.next_retry_at, inv.last_start_at, inv.invoked_by_id, inv.invoked_by_target,"
    " inv.trace_id, inv.completion_result, inv.completion_failure, dp.id IS NOT NULL as pinned_deployment_exists"
    " FROM sys_invocation inv LEFT JOIN sys_deployment dp ON dp.id = inv.pinned_deployment_id"
)
_FILTERS = {
    "service": "inv.target_service_name IN ('Counter','Greeter')",
    "handler and key": "inv.target_handler_name IN ('add','slowAdd') AND inv.target_service_key IN ('busy')",
    "objects": "inv.target_service_name IN (select name from sys_service where ty = 'virtual_object')",
    "zombies": "(inv.pinned_deployment_id IS NOT NULL"
    " AND inv.pinned_deployment_id NOT IN (select id from sys_deployment))",
    "deployment": "(inv.pinned_deployment_id IN ('{deployment}') OR inv.last_attempt_deployment_id IN ('{deployment}'))",
    "succeeded": "status = 'completed' AND inv.completion_result = 'success'",
    "open": "status != 'completed'",
    "statuses": "status IN ('running','backing-off','suspended')",
}
_TARGETS = {
    "id": "id = '{sleeping}' AND status != 'completed'",
    "service": "target LIKE 'Counter/%' AND status = 'completed'",
    "two parts": "((target = 'Counter/busy' AND target_service_ty = 'service') OR (target LIKE 'Counter/busy/%'"
    " AND target_service_ty != 'service')) AND status IN ('invoked', 'suspended')",
    "three parts": "target LIKE 'Counter/busy/slowAdd' AND status IN ('paused', 'invoked', 'suspended')",
}
_NEWEST = "ORDER BY inv.created_at DESC, inv.id"

MODERN_COMMAND_LINE: Mapping[str, str] = {
    "S1 count": "SELECT COUNT(1) FROM (SELECT * FROM sys_invocation inv LIMIT 50000 )",
    "S1 count of a service": "SELECT COUNT(1) FROM (SELECT * FROM sys_invocation inv LIMIT 50000 )"
    " WHERE inv.target_service_name IN ('Counter')",
    **{
        f"S2 {name}": f"SELECT id FROM sys_invocation inv WHERE {where} {_NEWEST} LIMIT 100"
        for name, where in _FILTERS.items()
    },
    "S3 by id": f"{_LISTED} WHERE inv.id in ('{{sleeping}}','{{greeting}}') {_NEWEST}",
    **{
        f"S3 {name}": f"{_LISTED} WHERE {where} AND inv.id in ('{{sleeping}}','{{greeting}}') {_NEWEST}"
        for name, where in _FILTERS.items()
    },
    **{
        f"S4 {name}": f"SELECT id, target FROM sys_invocation_status WHERE {where} LIMIT 500"
        for name, where in _TARGETS.items()
    },
    "S5": "SELECT COUNT(1) AS inv_count FROM sys_invocation_status WHERE pinned_deployment_id = '{deployment}'"
    " AND status != 'completed'",
    "S6": "SELECT target_service_name as service, target_handler_name as handler, COUNT(1) AS inv_count"
    " FROM sys_invocation_status WHERE pinned_deployment_id = '{deployment}' AND status != 'completed'"
    " GROUP BY pinned_deployment_id, target_service_name, target_handler_name",
    "S7": "SELECT target_service_name, target_handler_name, 'pending' as status, COUNT(1) as num_invocations,"
    " MIN(created_at) as oldest_at, FIRST_VALUE(id ORDER BY created_at ASC) as oldest_invocation"
    " FROM sys_invocation_status WHERE status == 'inboxed' AND target_service_name IN ('Counter','Greeter')"
    " GROUP BY target_service_name, target_handler_name",
    "S8": "SELECT target_service_name, target_handler_name, status, COUNT(1) as num_invocations,"
    " MIN(created_at) as oldest_at, FIRST_VALUE(id ORDER BY created_at ASC) as oldest_invocation FROM sys_invocation"
    " WHERE target_service_name IN ('Counter','Greeter') GROUP BY target_service_name, target_handler_name, status"
    " ORDER BY target_handler_name",
    "S9": "SELECT service_name, service_key, COUNT(1) as num_pending FROM sys_inbox"
    " WHERE service_name IN ('Counter','Greeter') GROUP BY service_name, service_key ORDER BY num_pending DESC",
    "S10": "SELECT target_service_name as service_name, target_service_key as service_key,"
    " status as invocation_status, first_value(id) as invocation_holding_lock,"
    " first_value(target_handler_name) as invocation_method_holding_lock, first_value(created_at) as"
    " invocation_created_at, first_value(modified_at) as modified_at, first_value(pinned_deployment_id) as"
    " pinned_deployment_id, first_value(last_attempt_deployment_id) as last_attempt_deployment_id,"
    " first_value(last_failure) as last_failure_message, first_value(next_retry_at) as next_retry_at,"
    " first_value(last_start_at) as last_start_at, 0 as num_pending, sum(retry_count) as num_retries"
    " FROM sys_invocation WHERE status != 'pending' AND target_service_name IN ('Counter')"
    " GROUP BY target_service_name, target_service_key, status",
    "S11": "SELECT COUNT(*) FROM information_schema.columns WHERE table_name = 'sys_journal'"
    " AND column_name IN ('promise_name')",
    "S12": "SELECT COUNT(*) FROM information_schema.columns WHERE table_name = 'sys_journal'"
    " AND column_name IN ('version', 'entry_json', 'appended_at')",
    "S13": "SELECT sj.index, sj.entry_type, sj.completed, sj.invoked_id, sj.invoked_target, sj.sleep_wakeup_at,"
    " sj.name, sj.promise_name, sj.version, sj.entry_json, sj.appended_at FROM sys_journal sj"
    " WHERE sj.id = '{sleeping}' ORDER BY index DESC LIMIT 100",
    "S14": "select key, value from state where service_name = 'Counter' and service_key = 'pear' ;",
    "S15": "SELECT service_name, service_key, key, value FROM state WHERE service_name = 'Counter'",
    "S16": "SELECT pattern, concurrency, description, disabled, version, last_modified FROM sys_rules ORDER BY pattern",
    "S17": "SELECT id, is_active, queue_is_paused, service_name, scope, limit_key, lock_name, created_at,"
    " last_enqueued_at, last_start_at, last_attempt_at, last_finish_at, num_inbox, num_running, num_suspended,"
    " num_paused, num_finished FROM sys_vqueue_meta LIMIT 100",
    "S18": "SELECT entry_id, entry_kind, stage, status, has_lock, created_at, num_attempts, deployment"
    " FROM sys_vqueues WHERE id = 'vq' ORDER BY sequence_number DESC LIMIT 100",
    "older": "WITH invocations as (SELECT id, created_at, pinned_deployment_id FROM sys_invocation inv "
    f"{_NEWEST} LIMIT 10) SELECT inv.*, dp.id IS NOT NULL as pinned_deployment_exists FROM sys_deployment dp"
    f" RIGHT JOIN invocations inv ON dp.id = inv.pinned_deployment_id {_NEWEST}",
}

_PERIOD = "completed_at >= '2020-01-01T00:00:00.000Z' AND completed_at < '2100-01-01T00:00:00.000Z'"
_OUTCOME = "CASE WHEN completion_result = 'success' THEN 'succeeded' ELSE 'failed' END"

WEB_UI: Mapping[str, str] = {
    "probe": "SELECT 1 FROM sys_invocation_status LIMIT 1",
    "one": "SELECT id, target, target_service_name, target_service_key, target_handler_name, target_service_ty,"
    " idempotency_key, invoked_by, invoked_by_service_name, invoked_by_id, invoked_by_target,"
    " pinned_deployment_id, pinned_service_protocol_version, trace_id, journal_size, journal_commands_size,"
    " created_at, modified_at, inboxed_at, scheduled_at, scheduled_start_at, running_at, completed_at,"
    " completion_retention, journal_retention, retry_count, last_start_at, next_retry_at,"
    " last_attempt_deployment_id, last_attempt_server, last_failure, last_failure_error_code, status,"
    " completion_result, completion_failure FROM sys_invocation WHERE id = '{sleeping}'",
    "journal": "SELECT id, index, appended_at, entry_type, name, raw_length, entry_lite_json, version, completed,"
    " sleep_wakeup_at, invoked_id, invoked_target, promise_name FROM sys_journal WHERE id = '{sleeping}'",
    "journal with payloads": "SELECT id, index, appended_at, entry_type, name, entry_json, raw, version, completed,"
    " sleep_wakeup_at, invoked_id, invoked_target, promise_name FROM sys_journal WHERE id = '{failed}' AND index = 1",
    "payload": "SELECT entry_type, entry_json, raw FROM sys_journal WHERE id = '{failed}' AND index = 0",
    "events": "SELECT after_journal_entry_index, appended_at, event_type, event_json from sys_journal_events"
    " WHERE id = '{sleeping}' ORDER BY appended_at",
    "paused": "SELECT id, appended_at, event_type, event_json FROM sys_journal_events WHERE id = '{sleeping}'"
    " AND event_type = 'Paused' ORDER BY appended_at DESC LIMIT 1",
    "statuses": "SELECT id, status, completion_result, completion_failure, pinned_deployment_id,"
    " last_attempt_deployment_id, target_service_name, target_service_key, target_handler_name FROM sys_invocation"
    " WHERE id IN ('{sleeping}', '{waiting}', '{greeting}', '{failed}')",
    "inbox size": "SELECT COUNT(*) AS size FROM sys_inbox WHERE service_key = 'busy' AND service_name = 'Counter'",
    "place in the inbox": "SELECT COUNT(*) AS position FROM sys_inbox WHERE service_key = 'busy'"
    " AND service_name = 'Counter' AND sequence_number < 1000000",
    "head of the inbox": "SELECT id FROM sys_invocation WHERE target_service_key = 'busy'"
    " AND target_service_name = 'Counter' AND status NOT IN ('completed', 'pending', 'scheduled')"
    " AND target_handler_name IN ('add', 'slowAdd')",
    "inbox": "SELECT id FROM sys_inbox WHERE service_name = 'Counter' AND service_key = 'busy' LIMIT 100",
    "lock": "SELECT invocation_id FROM sys_keyed_service_status WHERE service_name = 'Counter'"
    " AND service_key = 'busy' LIMIT 1",
    "state": "SELECT key, value FROM state WHERE service_name = 'Counter' AND service_key = 'pear' AND key IN ('n')",
    "state keys": "SELECT DISTINCT key FROM state WHERE service_name = 'Counter' AND service_key IN ('pear', 'apple')",
    "state size": "SELECT COUNT(*) AS num_keys, COALESCE(SUM(value_length), 0) AS total_size FROM state"
    " WHERE service_name = 'Counter' AND service_key = 'pear'",
    "state size by service": "SELECT service_name, COALESCE(SUM(value_length), 0) AS size FROM state"
    " GROUP BY service_name ORDER BY service_name",
    "count": "SELECT COUNT(1) as total_count FROM (SELECT id, status, target_service_name FROM sys_invocation"
    " LIMIT 50000) WHERE target_service_name = 'Counter' AND status = 'suspended'",
    "finished": f"SELECT {_OUTCOME} AS status, COUNT(1) AS count FROM sys_invocation_status"
    f" WHERE status = 'completed' AND {_PERIOD} GROUP BY {_OUTCOME}",
    "finished, sampled": f"SELECT {_OUTCOME} AS status, COUNT(1) AS count FROM ( SELECT completion_result"
    " FROM sys_invocation_status WHERE status = 'completed' LIMIT 10000 ) completed_invocations"
    f" GROUP BY {_OUTCOME}",
    "finished over time": "SELECT to_unixtime( date_bin( INTERVAL '315360000 seconds', completed_at,"
    " TIMESTAMP '1970-01-01T00:00:00' ) ) AS bucket, COUNT(1) FILTER (WHERE completion_result = 'success') AS"
    " succeeded, COUNT(1) FILTER (WHERE completion_result = 'failure') AS failed FROM sys_invocation_status"
    f" WHERE status = 'completed' AND {_PERIOD} GROUP BY bucket",
    "due": "SELECT SUM(CASE WHEN status = 'inboxed' THEN 1 ELSE 0 END) AS inboxed, SUM(CASE WHEN status ="
    " 'scheduled' THEN 1 ELSE 0 END) AS scheduled, SUM(CASE WHEN status = 'invoked' THEN 1 ELSE 0 END) AS invoked"
    " FROM sys_invocation_status WHERE status IN ('inboxed', 'scheduled', 'invoked')",
    "due by service": "SELECT target_service_name AS service_name, SUM(CASE WHEN status = 'inboxed' THEN 1 ELSE 0"
    " END) AS inboxed, SUM(CASE WHEN status = 'scheduled' THEN 1 ELSE 0 END) AS scheduled, SUM(CASE WHEN status ="
    " 'invoked' THEN 1 ELSE 0 END) AS invoked FROM sys_invocation_status WHERE status IN ('inboxed', 'scheduled',"
    " 'invoked') AND target_service_name IN ('Counter', 'Steps') GROUP BY target_service_name",
    "running": "SELECT COUNT(1) AS running FROM sys_invocation_state WHERE in_flight",
    "running and backing off": "SELECT SUM(CASE WHEN in_flight THEN 1 ELSE 0 END) AS running, SUM( CASE WHEN"
    " in_flight IS NOT TRUE AND retry_count > 0 THEN 1 ELSE 0 END ) AS backing_off FROM sys_invocation_state",
    "running by service": "SELECT ss.target_service_name AS service_name, COUNT(1) AS running"
    " FROM sys_invocation_state sis JOIN sys_invocation_status ss ON ss.id = sis.id WHERE sis.in_flight"
    " AND ss.status = 'invoked' AND ss.target_service_name IN ('Counter') GROUP BY ss.target_service_name",
    "candidates": "SELECT ss.id AS id, ss.created_at FROM sys_invocation_status ss LEFT JOIN ( SELECT id AS state_id,"
    " in_flight, retry_count FROM sys_invocation_state ) sis ON sis.state_id = ss.id WHERE ss.status IN ('suspended',"
    " 'inboxed') ORDER BY ss.created_at DESC NULLS LAST LIMIT 100",
    "rows by id": "SELECT i.id, i.target, i.status, i.created_at, i.modified_at FROM sys_invocation i"
    " WHERE i.id IN ('{sleeping}', '{waiting}') AND i.target_service_name ILIKE 'count%'"
    " ORDER BY i.created_at DESC NULLS LAST",
}

CLASSIC: Mapping[str, str] = {
    **{f"classic documentation: {name}": sql for name, sql in CLASSIC_DOCUMENTATION.items()},
    **{f"classic command line: {name}": sql for name, sql in CLASSIC_COMMAND_LINE.items()},
}
MODERN: Mapping[str, str] = {
    **{f"documentation: {name}": sql for name, sql in MODERN_DOCUMENTATION.items()},
    **{f"command line: {name}": sql for name, sql in MODERN_COMMAND_LINE.items()},
    **{f"web UI: {name}": sql for name, sql in WEB_UI.items()},
}
