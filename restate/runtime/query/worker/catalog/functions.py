"""PostgreSQL's functions, as far as clients call them on system catalogs: what each returns, and how SQLite computes it.

The implementations get the environment and the arguments; NULL is None, a boolean is 0 or 1, an array its text.
"""

import json
import re
from collections.abc import Callable, Mapping

import attrs

from restate.runtime.query.errors import QueryError
from restate.runtime.query.worker import oids
from restate.runtime.query.worker.catalog.arrays import array_text, items
from restate.runtime.query.worker.catalog.content import OWNER_OID
from restate.runtime.query.worker.catalog.relations import (
    NAMESPACES,
    PG_CATALOG,
    PUBLIC,
    keywords,
    type_title,
)
from restate.runtime.query.worker.catalog.session import VERSION, Environment, identifiers

NAMES = oids.ARRAYS[oids.NAME]
TEXTS = oids.ARRAYS[oids.TEXT]
INTEGERS = oids.ARRAYS[oids.INT4]

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


def _quote_ident(_: Environment, text: str) -> str:
    plain = re.fullmatch(r"[a-z_][a-z0-9_$]*", text) and text not in _reserved()
    return text if plain else '"' + text.replace('"', '""') + '"'


def _reserved() -> frozenset[str]:
    return frozenset(word for word, category in keywords() if category != "U")


def _quote_literal(_: Environment, value: object) -> str:
    text = str(value).replace("'", "''")
    return f"E'{text}'".replace("\\", "\\\\") if "\\" in text else f"'{text}'"


def _format_type(_: Environment, oid: object, modifier: object = None) -> object:
    return None if oid is None else type_title(int(str(oid)), -1 if modifier is None else int(str(modifier)))


def _current_setting(env: Environment, name: str, missing_ok: object = 0) -> object:
    value = env.session.setting(name)
    if value is None and not missing_ok:
        raise QueryError(f'unrecognized configuration parameter "{name}"', "42704")
    return value


def _current_schemas(_: Environment, implicit: object) -> str:
    return array_text([PG_CATALOG, PUBLIC] if implicit else [PUBLIC])


def _user_by_id(env: Environment, oid: object) -> str:
    return env.session.user if oid == OWNER_OID else f"unknown (OID={oid})"


def _encoding_name(_: Environment, number: object) -> str:
    return {0: "SQL_ASCII", 6: "UTF8"}.get(int(str(number)), "")


def _array_to_string(_: Environment, array: object, separator: object, null: object = None) -> object:
    if array is None or separator is None:
        return None
    texts = (null if item is None else item for item in items(array))
    return str(separator).join(str(text) for text in texts if text is not None)


def _string_to_array(_: Environment, text: object, separator: object, null: object = None) -> object:
    if text is None:
        return None
    parts = list(str(text)) if separator is None else str(text).split(str(separator)) if text else []
    return array_text([None if part == null else part for part in parts])


def _array_length(_: Environment, array: object, dimension: object = 1) -> object:
    return (len(items(array)) or None) if dimension == 1 else None


def _array_lower(_: Environment, array: object, dimension: object) -> object:
    return 1 if items(array) and dimension == 1 else None


def _array_position(_: Environment, array: object, wanted: object) -> object:
    found = items(array)
    text = None if wanted is None else str(wanted)
    return found.index(text) + 1 if text in found else None


def _array_remove(_: Environment, array: object, unwanted: object) -> object:
    text = None if unwanted is None else str(unwanted)
    return None if array is None else array_text([item for item in items(array) if item != text])


def _array_append(_: Environment, array: object, item: object) -> str:
    return array_text([*(items(array) if array is not None else ()), item])


def _array_cat(_: Environment, left: object, right: object) -> object:
    if left is None or right is None:
        return right if left is None else left
    return array_text([*items(left), *items(right)])


def _array_slice(_: Environment, array: object, first: object, last: object) -> str:
    return array_text(items(array)[max(int(str(first)), 1) - 1 : int(str(last))])


def _subscript(_: Environment, array: object, index: object) -> object:
    found, place = items(array), int(str(index))
    # The elements of an int2vector or oidvector count from 0.
    place -= 1 if str(array).startswith("{") else 0
    return found[place] if 0 <= place < len(found) else None


def _overlaps(_: Environment, left: object, right: object) -> int:
    return int(bool(set(items(left)) & set(items(right))))


def _contains(_: Environment, left: object, right: object) -> int:
    return int(set(items(right)) <= set(items(left)))


def _compare_any(_: Environment, operator: str, value: object, array: object) -> object:
    """`value operator ANY (array)`, with the three values of SQL's logic."""
    if array is None or value is None:
        return None
    found = [_COMPARE[operator](str(value), item) for item in items(array) if item is not None]
    if any(found):
        return 1
    return None if len(found) < len(items(array)) else 0


def _compare_all(env: Environment, operator: str, value: object, array: object) -> object:
    opposite = _compare_any(env, _OPPOSITE[operator], value, array)
    return None if opposite is None else 1 - int(str(opposite))


def _match(_: Environment, operator: str, value: object, pattern: object) -> object:
    flags = re.IGNORECASE if operator.endswith("*") else 0
    found = _pattern(str(pattern), flags).search(str(value)) is not None
    return int(found != operator.startswith("!"))


def _pattern(text: str, flags: int) -> re.Pattern[str]:
    """PostgreSQL's regular expressions are near enough to Python's for those that clients send."""
    try:
        return re.compile(re.sub(r"^\*\*\*[:=]", "", text), flags)
    except (re.error, OverflowError) as error:
        raise QueryError(f"invalid regular expression: {error}", "2201B") from error


def _like(_: Environment, value: object, pattern: object, escape: object = "\\", any_case: object = 0) -> int:
    expression, at, text = "", 0, str(pattern)
    while at < len(text):
        char = text[at]
        if char == escape and at + 1 < len(text):
            at += 1
            expression += re.escape(text[at])
        else:
            expression += {"%": ".*", "_": "."}.get(char) or re.escape(char)
        at += 1
    return int(
        re.fullmatch(expression, str(value), re.DOTALL | (re.IGNORECASE if any_case else 0)) is not None
    )


def _regexp_replace(_: Environment, text: str, pattern: str, replacement: str, flags: str = "") -> str:
    python = re.sub(r"\\(\d|&)", lambda m: r"\g<0>" if m[1] == "&" else rf"\g<{m[1]}>", replacement)
    expression = _pattern(pattern, re.IGNORECASE if "i" in flags else 0)
    return expression.sub(python, text, count=0 if "g" in flags else 1)


def _substring(_: Environment, text: str, first: object, count: object = None) -> object:
    if isinstance(first, str):
        found = _pattern(first, 0).search(text)
        return found and found.group(1 if found.re.groups else 0)
    begin = int(str(first))
    end = len(text) if count is None else begin - 1 + int(str(count))
    return text[max(begin - 1, 0) : max(end, 0)]


def _split_part(_: Environment, text: str, separator: str, number: object) -> str:
    parts = text.split(separator) if separator else [text]
    place = int(str(number))
    place = place - 1 if place > 0 else len(parts) + place
    return parts[place] if 0 <= place < len(parts) else ""


def _parse_ident(_: Environment, text: str, __: object = 1) -> str:
    return array_text(identifiers(text))


def _to_bool(_: Environment, value: object) -> int:
    text = str(value).strip().lower()
    for words, truth in (
        (("t", "true", "y", "yes", "on", "1"), 1),
        (("f", "false", "n", "no", "off", "0"), 0),
    ):
        if text in words:
            return truth
    raise QueryError(f'invalid input syntax for type boolean: "{value}"', "22P02")


def _to_integer(_: Environment, value: object) -> int:
    try:
        return int(str(value))
    except ValueError as error:
        raise QueryError(f'invalid input syntax for type integer: "{value}"', "22P02") from error


def _json_object(_: Environment, *pairs: object) -> str:
    return json.dumps({str(key): value for key, value in zip(pairs[::2], pairs[1::2], strict=True)})


def _concat(_: Environment, *values: object) -> str:
    return "".join(str(value) for value in values if value is not None)


def _concat_ws(_: Environment, separator: object, *values: object) -> object:
    return None if separator is None else str(separator).join(str(v) for v in values if v is not None)


def _format(_: Environment, template: object, *values: object) -> object:
    """Of format()'s conversions %s, %I and %L."""
    if template is None:
        return None
    left = iter(values)

    def filled(mark: re.Match[str]) -> str:
        if mark[1] == "%":
            return "%"
        value = next(left, None)
        if mark[1] == "I":
            return _quote_ident(_, str(value))
        if mark[1] == "L":
            return "NULL" if value is None else _quote_literal(_, value)
        return "" if value is None else str(value)

    return re.sub(r"%([sIL%])", filled, str(template))


def _size_pretty(_: Environment, size: object) -> str:
    number = int(str(size))
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(number) < 10_240:
            return f"{number} {unit}"
        number = (number + 512) // 1024
    return f"{number} TB"


def _json_list(_: Environment, array: object) -> str:
    """For json_each, which makes rows of it."""
    return "[]" if array is None else json.dumps(items(array))


def _json_range(_: Environment, first: object, last: object, step: object = 1) -> str:
    if first is None or last is None:
        return "[]"
    stride = int(str(step))
    if stride == 0:
        raise QueryError("step size cannot equal zero", "22023")
    numbers = range(int(str(first)), int(str(last)) + (1 if stride > 0 else -1), stride)
    if len(numbers) > _LONGEST_SERIES:
        raise QueryError(f"generate_series of more than {_LONGEST_SERIES} rows in a catalog query", "54000")
    return json.dumps(list(numbers))


_LONGEST_SERIES = 100_000


def _json_subscripts(_: Environment, array: object, dimension: object = 1, reverse: object = 0) -> str:
    if array is None or dimension != 1:
        return "[]"
    numbers = list(range(1, len(items(array)) + 1))
    return json.dumps(numbers[::-1] if reverse else numbers)


_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: _number(a) < _number(b),
    ">": lambda a, b: _number(a) > _number(b),
    "<=": lambda a, b: _number(a) <= _number(b),
    ">=": lambda a, b: _number(a) >= _number(b),
    "~": lambda a, b: re.search(b, a) is not None,
}
_OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", ">": "<=", "<=": ">", ">=": "<"}


def _number(text: str) -> tuple[float, str]:
    """Numbers by value, texts by their order behind them."""
    return (float(text), "") if re.fullmatch(r"-?\d+(\.\d+)?", text) else (float("inf"), text)


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
    "current_schemas": Function(NAMES, _current_schemas),
    "current_user": Function(oids.NAME, lambda env: env.session.user),
    "session_user": Function(oids.NAME, lambda env: env.session.user),
    "user": Function(oids.NAME, lambda env: env.session.user),
    "getpgusername": Function(oids.NAME, lambda env: env.session.user),
    "current_setting": Function(oids.TEXT, _current_setting),
    "set_config": Function(oids.TEXT, lambda _, name, value, local: value),
    "getdatabaseencoding": _text("UTF8", oids.NAME),
    "pg_client_encoding": _text("UTF8", oids.NAME),
    "pg_backend_pid": _text(0, oids.INT4),
    "pg_is_in_recovery": _text(0, oids.BOOL),
    "pg_is_wal_replay_paused": _text(0, oids.BOOL),
    "pg_postmaster_start_time": _nothing(oids.TIMESTAMPTZ),
    "pg_conf_load_time": _nothing(oids.TIMESTAMPTZ),
    "now": Function(oids.TIMESTAMPTZ, native="now"),
    "transaction_timestamp": Function(oids.TIMESTAMPTZ, native="now"),
    "statement_timestamp": Function(oids.TIMESTAMPTZ, native="now"),
    "clock_timestamp": Function(oids.TIMESTAMPTZ, native="now"),
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
    "quote_ident": Function(oids.TEXT, _quote_ident),
    "quote_literal": Function(oids.TEXT, _quote_literal),
    "quote_nullable": Function(
        oids.TEXT, lambda e, v: "NULL" if v is None else _quote_literal(e, v), strict=False
    ),
    "parse_ident": Function(TEXTS, _parse_ident),
    "format_type": Function(oids.TEXT, _format_type, strict=False),
    "to_regclass": Function(oids.REGCLASS, lambda env, text: env.relation_oid(str(text))),
    "to_regtype": Function(oids.REGTYPE, lambda env, text: env.type_oid(str(text))),
    "to_regnamespace": Function(4089, lambda env, text: NAMESPACES.get(str(text))),
    "to_regrole": Function(4096, lambda env, text: OWNER_OID if text == env.session.user else None),
    "to_regproc": _nothing(24),
    "to_regprocedure": _nothing(2202),
    "pg_get_userbyid": Function(oids.NAME, _user_by_id),
    "pg_encoding_to_char": Function(oids.NAME, _encoding_name),
    "pg_char_to_encoding": Function(
        oids.INT4, lambda _, name: 6 if str(name).upper() in ("UTF8", "UTF-8") else -1
    ),
    "pg_describe_object": _nothing(oids.TEXT),
    "pg_identify_object": _nothing(oids.TEXT),
    "pg_filenode_relation": _nothing(oids.REGCLASS),
    # Definitions and comments, of which there are none.
    **dict.fromkeys(
        [
            "pg_get_viewdef",
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
    "pg_size_pretty": Function(oids.TEXT, _size_pretty),
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
    "array_to_string": Function(oids.TEXT, _array_to_string, strict=False),
    "string_to_array": Function(TEXTS, _string_to_array, strict=False),
    "array_length": Function(oids.INT4, _array_length),
    "array_upper": Function(oids.INT4, _array_length),
    "array_lower": Function(oids.INT4, _array_lower),
    "array_ndims": Function(oids.INT4, lambda _, array: 1 if items(array) else None),
    "cardinality": Function(oids.INT4, lambda _, array: len(items(array))),
    "array_position": Function(oids.INT4, _array_position, strict=False),
    "array_remove": Function(None, _array_remove, strict=False),
    "array_append": Function(None, _array_append, strict=False),
    "array_cat": Function(None, _array_cat, strict=False),
    "array_slice": Function(None, _array_slice),
    # Text.
    "concat": Function(oids.TEXT, _concat, strict=False),
    "concat_ws": Function(oids.TEXT, _concat_ws, strict=False),
    "format": Function(oids.TEXT, _format, strict=False),
    "regexp_replace": Function(oids.TEXT, _regexp_replace),
    "substring": Function(oids.TEXT, _substring),
    "substr": Function(oids.TEXT, _substring),
    "left": Function(oids.TEXT, lambda _, text, n: str(text)[: int(n)]),
    "right": Function(oids.TEXT, lambda _, text, n: str(text)[-int(n) :] if n else ""),
    "split_part": Function(oids.TEXT, _split_part),
    "strpos": Function(oids.INT4, lambda _, text, part: str(text).find(str(part)) + 1),
    "btrim": Function(oids.TEXT, lambda _, text, chars=" ": str(text).strip(str(chars))),
    "ltrim": Function(oids.TEXT, lambda _, text, chars=" ": str(text).lstrip(str(chars))),
    "rtrim": Function(oids.TEXT, lambda _, text, chars=" ": str(text).rstrip(str(chars))),
    "initcap": Function(oids.TEXT, lambda _, text: str(text).title()),
    "starts_with": Function(oids.BOOL, lambda _, text, start: int(str(text).startswith(str(start)))),
    "repeat": Function(oids.TEXT, lambda _, text, n: (str(text) * max(0, min(int(n), 10_000)))[:1_000_000]),
    "md5": _nothing(oids.TEXT),
    "json_build_object": Function(oids.JSON, _json_object, strict=False),
    "jsonb_build_object": Function(oids.JSONB, _json_object, strict=False),
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
    "subscript": Function(None, _subscript),
    "overlaps": Function(oids.BOOL, _overlaps),
    "contains": Function(oids.BOOL, _contains),
    "compare_any": Function(oids.BOOL, _compare_any, strict=False),
    "compare_all": Function(oids.BOOL, _compare_all, strict=False),
    "match": Function(oids.BOOL, _match),
    "like": Function(oids.BOOL, _like),
    "array": Function(None, lambda _, *values: array_text(values), strict=False),
    "regclass": Function(oids.REGCLASS, lambda env, text: env.must_relation_oid(str(text))),
    "regtype": Function(oids.REGTYPE, lambda env, text: env.must_type_oid(str(text))),
    "regnamespace": Function(4089, lambda env, text: env.namespace_oid(str(text))),
    "printed": Function(oids.TEXT, lambda env, oid, value: str(env.printed(oid, value))),
    "to_bool": Function(oids.BOOL, _to_bool),
    "to_integer": Function(oids.INT8, _to_integer),
    "json_list": Function(oids.JSON, _json_list, strict=False),
    "json_range": Function(oids.JSON, _json_range, strict=False),
    "json_subscripts": Function(oids.JSON, _json_subscripts, strict=False),
}
"""What the translation of operators, casts and table functions calls."""
