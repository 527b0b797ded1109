"""PostgreSQL's functions, as far as clients call them on system catalogs: what each returns, and what computes it."""

from collections.abc import Callable

import attrs

from restate.runtime.query.worker import oids
from restate.runtime.query.worker.catalog import function_bodies as bodies
from restate.runtime.query.worker.catalog.arrays import array_text, items
from restate.runtime.query.worker.catalog.content import OWNER_OID
from restate.runtime.query.worker.catalog.relations import NAMESPACES, PUBLIC
from restate.runtime.query.worker.catalog.session import VERSION

NAMES = oids.ARRAYS[oids.NAME]
TEXTS = oids.ARRAYS[oids.TEXT]

Implementation = Callable[..., object]


@attrs.frozen
class Function:
    """result: type oid; None means that of the first argument. call: None if SQLite has it under `native`.

    strict: NULL for a NULL argument, without asking.
    """

    result: int | None
    call: Implementation | None = None
    native: str | None = None
    strict: bool = True


def _text(result: str | int | None, oid: int = oids.TEXT) -> Function:
    """A function that always gives this."""
    return Function(oid, lambda *_: result, strict=False)


def _nothing(oid: int) -> Function:
    return Function(oid, lambda *_: None, strict=False)


def _native(name: str, oid: int | None) -> Function:
    return Function(oid, None, name)


FUNCTIONS: dict[str, Function] = {
    # About the server and the session.
    "version": _text(VERSION),
    "current_database": Function(oids.NAME, lambda env: env.database),
    "current_catalog": Function(oids.NAME, lambda env: env.database),
    "current_schema": _text(PUBLIC, oids.NAME),
    "current_schemas": Function(NAMES, bodies.current_schemas),
    "current_user": Function(oids.NAME, lambda env: env.session.user),
    "session_user": Function(oids.NAME, lambda env: env.session.user),
    "user": Function(oids.NAME, lambda env: env.session.user),
    "getpgusername": Function(oids.NAME, lambda env: env.session.user),
    "current_setting": Function(oids.TEXT, bodies.current_setting),
    "set_config": Function(oids.TEXT, lambda _, name, value, local: value),
    "getdatabaseencoding": _text("UTF8", oids.NAME),
    "pg_client_encoding": _text("UTF8", oids.NAME),
    "pg_backend_pid": Function(oids.INT4, lambda env: env.session.process_id),
    "pg_is_in_recovery": _text(0, oids.BOOL),
    "pg_is_wal_replay_paused": _text(0, oids.BOOL),
    "pg_postmaster_start_time": _nothing(oids.TIMESTAMPTZ),
    "pg_conf_load_time": _nothing(oids.TIMESTAMPTZ),
    "now": Function(oids.TIMESTAMPTZ, native="now"),
    "transaction_timestamp": Function(oids.TIMESTAMPTZ, native="now"),
    "statement_timestamp": Function(oids.TIMESTAMPTZ, native="now"),
    "clock_timestamp": Function(oids.TIMESTAMPTZ, native="now"),
    "localtimestamp": Function(oids.TIMESTAMP, native="localtimestamp"),
    "current_date": Function(oids.DATE, native="current_date"),
    "inet_server_addr": _nothing(869),
    "inet_server_port": _nothing(oids.INT4),
    "inet_client_addr": _nothing(869),
    "inet_client_port": _nothing(oids.INT4),
    "txid_current": _text(0, oids.INT8),
    "pg_current_xact_id": _text(0, oids.INT8),
    "pg_my_temp_schema": _text(0, oids.OID),
    "pg_is_other_temp_schema": _text(0, oids.BOOL),
    "pg_advisory_unlock_all": _text("", 2278),
    "pg_advisory_lock": _text("", 2278),
    "pg_advisory_unlock": _text(1, oids.BOOL),
    "pg_try_advisory_lock": _text(1, oids.BOOL),
    "pg_cancel_backend": _text(0, oids.BOOL),
    "pg_terminate_backend": _text(0, oids.BOOL),
    "pg_stat_get_backend_pid": _nothing(oids.INT4),
    # Names.
    "quote_ident": Function(oids.TEXT, bodies.quote_ident),
    "quote_literal": Function(oids.TEXT, bodies.quote_literal),
    "quote_nullable": Function(
        oids.TEXT, lambda e, v: "NULL" if v is None else bodies.quote_literal(e, v), strict=False
    ),
    "parse_ident": Function(TEXTS, bodies.parse_ident),
    "pg_get_viewdef": Function(oids.TEXT, bodies.view_definition),
    "format_type": Function(oids.TEXT, bodies.format_type, strict=False),
    "to_regclass": Function(oids.REGCLASS, lambda env, text: env.relation_oid(str(text))),
    "to_regtype": Function(oids.REGTYPE, lambda env, text: env.type_oid(str(text))),
    "to_regnamespace": Function(4089, lambda env, text: NAMESPACES.get(str(text))),
    "to_regrole": Function(4096, lambda env, text: OWNER_OID if text == env.session.user else None),
    "to_regproc": _nothing(24),
    "to_regprocedure": _nothing(2202),
    "pg_get_userbyid": Function(oids.NAME, bodies.user_by_id),
    "pg_encoding_to_char": Function(oids.NAME, bodies.encoding_name),
    "pg_char_to_encoding": Function(
        oids.INT4, lambda _, name: 6 if str(name).upper() in ("UTF8", "UTF-8") else -1
    ),
    "pg_describe_object": _nothing(oids.TEXT),
    "pg_identify_object": _nothing(oids.TEXT),
    "pg_filenode_relation": _nothing(oids.REGCLASS),
    # Definitions and comments, of which there are none.
    **dict.fromkeys(
        [
            "pg_get_constraintdef",
            "pg_get_indexdef",
            "pg_get_triggerdef",
            "pg_get_ruledef",
            "pg_get_functiondef",
            "pg_get_expr",
            "pg_get_partkeydef",
            "pg_get_partition_constraintdef",
            "pg_get_statisticsobjdef",
            "pg_get_statisticsobjdef_columns",
            "pg_get_function_result",
            "pg_get_function_arguments",
            "pg_get_function_identity_arguments",
            "pg_get_function_arg_default",
            "pg_get_function_sqlbody",
            "pg_get_serial_sequence",
            "obj_description",
            "col_description",
            "shobj_description",
            "pg_tablespace_location",
            "pg_relation_filepath",
            "pg_indexam_has_property",
            "pg_index_has_property",
        ],
        _nothing(oids.TEXT),
    ),
    "pg_relation_filenode": _nothing(oids.OID),
    "pg_index_column_has_property": _nothing(oids.BOOL),
    "pg_relation_is_publishable": _text(0, oids.BOOL),
    "pg_sequence_last_value": _nothing(oids.INT8),
    "pg_sequence_parameters": _nothing(oids.TEXT),
    "pg_partition_root": Function(oids.REGCLASS, lambda _, oid: None),
    "acldefault": _nothing(1034),
    "_pg_expandarray": _nothing(oids.TEXT),
    "pg_relation_is_updatable": _text(0, oids.INT4),
    "pg_column_is_updatable": _text(0, oids.BOOL),
    "row_security_active": _text(0, oids.BOOL),
    "age": _text(0, oids.INT4),
    # Visibility and privileges, which everybody has.
    **dict.fromkeys(
        [
            "pg_table_is_visible",
            "pg_type_is_visible",
            "pg_function_is_visible",
            "pg_operator_is_visible",
            "pg_opclass_is_visible",
            "pg_opfamily_is_visible",
            "pg_conversion_is_visible",
            "pg_collation_is_visible",
            "pg_statistics_obj_is_visible",
            "pg_ts_config_is_visible",
            "pg_ts_dict_is_visible",
            "pg_ts_parser_is_visible",
            "pg_ts_template_is_visible",
            "has_table_privilege",
            "has_column_privilege",
            "has_any_column_privilege",
            "has_schema_privilege",
            "has_database_privilege",
            "has_function_privilege",
            "has_language_privilege",
            "has_sequence_privilege",
            "has_tablespace_privilege",
            "has_type_privilege",
            "has_server_privilege",
            "has_foreign_data_wrapper_privilege",
            "has_parameter_privilege",
            "pg_has_role",
        ],
        Function(oids.BOOL, lambda *_: 1),
    ),
    # Sizes, which are not kept by table.
    **dict.fromkeys(
        [
            "pg_table_size",
            "pg_total_relation_size",
            "pg_relation_size",
            "pg_indexes_size",
            "pg_database_size",
            "pg_tablespace_size",
            "pg_column_size",
        ],
        Function(oids.INT8, lambda *_: 0),
    ),
    "pg_size_pretty": Function(oids.TEXT, bodies.size_pretty),
    **dict.fromkeys(
        [
            "pg_stat_get_numscans",
            "pg_stat_get_live_tuples",
            "pg_stat_get_dead_tuples",
            "pg_stat_get_tuples_inserted",
        ],
        Function(oids.INT8, lambda *_: 0),
    ),
    # Arrays.
    "array_to_string": Function(oids.TEXT, bodies.array_to_string, strict=False),
    "string_to_array": Function(TEXTS, bodies.string_to_array, strict=False),
    "array_length": Function(oids.INT4, bodies.array_length),
    "array_upper": Function(oids.INT4, bodies.array_length),
    "array_lower": Function(oids.INT4, bodies.array_lower),
    "array_ndims": Function(oids.INT4, lambda _, array: 1 if items(array) else None),
    "cardinality": Function(oids.INT4, lambda _, array: len(items(array))),
    "array_position": Function(oids.INT4, bodies.array_position, strict=False),
    "array_remove": Function(None, bodies.array_remove, strict=False),
    "array_append": Function(None, bodies.array_append, strict=False),
    "array_cat": Function(None, bodies.array_cat, strict=False),
    "array_slice": Function(None, bodies.array_slice),
    # Text.
    "concat": Function(oids.TEXT, bodies.concat, strict=False),
    "concat_ws": Function(oids.TEXT, bodies.concat_ws, strict=False),
    "format": Function(oids.TEXT, bodies.format_text, strict=False),
    "regexp_replace": Function(oids.TEXT, bodies.regexp_replace),
    "substring": Function(oids.TEXT, bodies.substring),
    "substr": Function(oids.TEXT, bodies.substring),
    "left": Function(oids.TEXT, lambda _, text, n: str(text)[: int(n)]),
    "right": Function(oids.TEXT, lambda _, text, n: str(text)[-int(n) :] if n else ""),
    "split_part": Function(oids.TEXT, bodies.split_part),
    "strpos": Function(oids.INT4, lambda _, text, part: str(text).find(str(part)) + 1),
    "btrim": Function(oids.TEXT, lambda _, text, chars=" ": str(text).strip(str(chars))),
    "ltrim": Function(oids.TEXT, lambda _, text, chars=" ": str(text).lstrip(str(chars))),
    "rtrim": Function(oids.TEXT, lambda _, text, chars=" ": str(text).rstrip(str(chars))),
    "initcap": Function(oids.TEXT, lambda _, text: str(text).title()),
    "starts_with": Function(oids.BOOL, lambda _, text, start: int(str(text).startswith(str(start)))),
    "repeat": Function(oids.TEXT, lambda _, text, n: (str(text) * max(0, min(int(n), 10_000)))[:1_000_000]),
    "md5": _nothing(oids.TEXT),
    "json_build_object": Function(oids.JSON, bodies.json_object, strict=False),
    "jsonb_build_object": Function(oids.JSONB, bodies.json_object, strict=False),
    "lower": _native("lower", oids.TEXT),
    "upper": _native("upper", oids.TEXT),
    "length": _native("length", oids.INT4),
    "char_length": _native("length", oids.INT4),
    "octet_length": _native("length", oids.INT4),
    "replace": _native("replace", oids.TEXT),
    # Numbers and others of SQLite's own.
    "coalesce": _native("coalesce", None),
    "nullif": _native("nullif", None),
    "greatest": _native("max", None),
    "least": _native("min", None),
    "abs": _native("abs", None),
    "round": _native("round", None),
    "count": _native("count", oids.INT8),
    "max": _native("max", None),
    "min": _native("min", None),
    "sum": _native("sum", oids.INT8),
    "avg": _native("avg", oids.NUMERIC),
    "row_number": _native("row_number", oids.INT8),
    "rank": _native("rank", oids.INT8),
    "dense_rank": _native("dense_rank", oids.INT8),
    "lag": _native("lag", None),
    "lead": _native("lead", None),
    "first_value": _native("first_value", None),
    "last_value": _native("last_value", None),
}
"""{name: function} of everything a statement may call outside FROM; aggregates of ours are in `aggregates`."""

INTERNAL: dict[str, Function] = {
    "subscript": Function(None, bodies.subscript),
    "overlaps": Function(oids.BOOL, bodies.overlaps),
    "contains": Function(oids.BOOL, bodies.contains),
    "compare_any": Function(oids.BOOL, bodies.compare_any, strict=False),
    "compare_all": Function(oids.BOOL, bodies.compare_all, strict=False),
    "match": Function(oids.BOOL, bodies.match),
    "like": Function(oids.BOOL, bodies.like),
    "array": Function(None, lambda _, *values: array_text(values), strict=False),
    "regclass": Function(oids.REGCLASS, lambda env, text: env.must_relation_oid(str(text))),
    "regtype": Function(oids.REGTYPE, lambda env, text: env.must_type_oid(str(text))),
    "regnamespace": Function(4089, lambda env, text: env.namespace_oid(str(text))),
    "printed": Function(oids.TEXT, lambda env, oid, value: str(env.printed(oid, value))),
    "to_bool": Function(oids.BOOL, bodies.to_bool),
    "to_integer": Function(oids.INT8, bodies.to_integer),
    "json_list": Function(oids.JSON, bodies.json_list, strict=False),
    "json_range": Function(oids.JSON, bodies.json_range, strict=False),
    "json_subscripts": Function(oids.JSON, bodies.json_subscripts, strict=False),
}
"""What the translation of operators, casts and table functions calls."""
