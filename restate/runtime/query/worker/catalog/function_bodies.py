"""How PostgreSQL's functions are computed. They get the environment and the arguments.

NULL is None, a boolean is 0 or 1, an array its text.
"""

import json
import re
from collections.abc import Callable, Mapping

from restate.runtime.query.errors import QueryError
from restate.runtime.query.worker.catalog.arrays import array_text, items
from restate.runtime.query.worker.catalog.content import OWNER_OID
from restate.runtime.query.worker.catalog.relations import PG_CATALOG, PUBLIC, keywords, type_title
from restate.runtime.query.worker.catalog.session import Environment, identifiers


def view_definition(env: Environment, view: object, _: object = 0) -> object:
    """Our views are made by the server; clients that ask for the text need one."""
    oid = view if isinstance(view, int) else env.relation_oid(str(view))
    is_view = any(table.oid == oid and table.is_view for table in env.tables)
    return "-- The server computes this view." if is_view else None


def quote_ident(_: Environment, text: str) -> str:
    plain = re.fullmatch(r"[a-z_][a-z0-9_$]*", text) and text not in _reserved()
    return text if plain else '"' + text.replace('"', '""') + '"'


def _reserved() -> frozenset[str]:
    return frozenset(word for word, category in keywords() if category != "U")


def quote_literal(_: Environment, value: object) -> str:
    text = str(value).replace("'", "''")
    return f"E'{text}'".replace("\\", "\\\\") if "\\" in text else f"'{text}'"


def format_type(_: Environment, oid: object, modifier: object = None) -> object:
    return None if oid is None else type_title(int(str(oid)), -1 if modifier is None else int(str(modifier)))


def current_setting(env: Environment, name: str, missing_ok: object = 0) -> object:
    value = env.session.setting(name)
    if value is None and not missing_ok:
        raise QueryError(f'unrecognized configuration parameter "{name}"', "42704")
    return value


def current_schemas(_: Environment, implicit: object) -> str:
    return array_text([PG_CATALOG, PUBLIC] if implicit else [PUBLIC])


def user_by_id(env: Environment, oid: object) -> str:
    return env.session.user if oid == OWNER_OID else f"unknown (OID={oid})"


def encoding_name(_: Environment, number: object) -> str:
    return {0: "SQL_ASCII", 6: "UTF8"}.get(int(str(number)), "")


def array_to_string(_: Environment, array: object, separator: object, null: object = None) -> object:
    if array is None or separator is None:
        return None
    texts = (null if item is None else item for item in items(array))
    return str(separator).join(str(text) for text in texts if text is not None)


def string_to_array(_: Environment, text: object, separator: object, null: object = None) -> object:
    if text is None:
        return None
    parts = list(str(text)) if separator is None else str(text).split(str(separator)) if text else []
    return array_text([None if part == null else part for part in parts])


def array_length(_: Environment, array: object, dimension: object = 1) -> object:
    return (len(items(array)) or None) if dimension == 1 else None


def array_lower(_: Environment, array: object, dimension: object) -> object:
    return 1 if items(array) and dimension == 1 else None


def array_position(_: Environment, array: object, wanted: object) -> object:
    found = items(array)
    text = None if wanted is None else str(wanted)
    return found.index(text) + 1 if text in found else None


def array_remove(_: Environment, array: object, unwanted: object) -> object:
    text = None if unwanted is None else str(unwanted)
    return None if array is None else array_text([item for item in items(array) if item != text])


def array_append(_: Environment, array: object, item: object) -> str:
    return array_text([*(items(array) if array is not None else ()), item])


def array_cat(_: Environment, left: object, right: object) -> object:
    if left is None or right is None:
        return right if left is None else left
    return array_text([*items(left), *items(right)])


def array_slice(_: Environment, array: object, first: object, last: object) -> str:
    return array_text(items(array)[max(int(str(first)), 1) - 1 : int(str(last))])


def subscript(_: Environment, array: object, index: object) -> object:
    found, place = items(array), int(str(index))
    # The elements of an int2vector or oidvector count from 0.
    place -= 1 if str(array).startswith("{") else 0
    return found[place] if 0 <= place < len(found) else None


def overlaps(_: Environment, left: object, right: object) -> int:
    return int(bool(set(items(left)) & set(items(right))))


def contains(_: Environment, left: object, right: object) -> int:
    return int(set(items(right)) <= set(items(left)))


def compare_any(_: Environment, operator: str, value: object, array: object) -> object:
    """`value operator ANY (array)`, with the three values of SQL's logic."""
    if array is None or value is None:
        return None
    found = [_COMPARE[operator](str(value), item) for item in items(array) if item is not None]
    if any(found):
        return 1
    return None if len(found) < len(items(array)) else 0


def compare_all(env: Environment, operator: str, value: object, array: object) -> object:
    opposite = compare_any(env, _OPPOSITE[operator], value, array)
    return None if opposite is None else 1 - int(str(opposite))


def match(_: Environment, operator: str, value: object, pattern: object) -> object:
    flags = re.IGNORECASE if operator.endswith("*") else 0
    found = _pattern(str(pattern), flags).search(str(value)) is not None
    return int(found != operator.startswith("!"))


def _pattern(text: str, flags: int) -> re.Pattern[str]:
    """PostgreSQL's regular expressions are near enough to Python's for those that clients send."""
    try:
        return re.compile(re.sub(r"^\*\*\*[:=]", "", text), flags)
    except (re.error, OverflowError) as error:
        raise QueryError(f"invalid regular expression: {error}", "2201B") from error


def like(_: Environment, value: object, pattern: object, escape: object = "\\", any_case: object = 0) -> int:
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


def regexp_replace(_: Environment, text: str, pattern: str, replacement: str, flags: str = "") -> str:
    python = re.sub(r"\\(\d|&)", lambda m: r"\g<0>" if m[1] == "&" else rf"\g<{m[1]}>", replacement)
    expression = _pattern(pattern, re.IGNORECASE if "i" in flags else 0)
    return expression.sub(python, text, count=0 if "g" in flags else 1)


def substring(_: Environment, text: str, first: object, count: object = None) -> object:
    if isinstance(first, str):
        found = _pattern(first, 0).search(text)
        return found and found.group(1 if found.re.groups else 0)
    begin = int(str(first))
    end = len(text) if count is None else begin - 1 + int(str(count))
    return text[max(begin - 1, 0) : max(end, 0)]


def split_part(_: Environment, text: str, separator: str, number: object) -> str:
    parts = text.split(separator) if separator else [text]
    place = int(str(number))
    place = place - 1 if place > 0 else len(parts) + place
    return parts[place] if 0 <= place < len(parts) else ""


def parse_ident(_: Environment, text: str, __: object = 1) -> str:
    return array_text(identifiers(text))


def to_bool(_: Environment, value: object) -> int:
    text = str(value).strip().lower()
    for words, truth in (
        (("t", "true", "y", "yes", "on", "1"), 1),
        (("f", "false", "n", "no", "off", "0"), 0),
    ):
        if text in words:
            return truth
    raise QueryError(f'invalid input syntax for type boolean: "{value}"', "22P02")


def to_integer(_: Environment, value: object) -> int:
    try:
        return int(str(value))
    except ValueError as error:
        raise QueryError(f'invalid input syntax for type integer: "{value}"', "22P02") from error


def json_object(_: Environment, *pairs: object) -> str:
    return json.dumps({str(key): value for key, value in zip(pairs[::2], pairs[1::2], strict=True)})


def concat(_: Environment, *values: object) -> str:
    return "".join(str(value) for value in values if value is not None)


def concat_ws(_: Environment, separator: object, *values: object) -> object:
    return None if separator is None else str(separator).join(str(v) for v in values if v is not None)


def format_text(_: Environment, template: object, *values: object) -> object:
    """Of format()'s conversions %s, %I and %L."""
    if template is None:
        return None
    left = iter(values)

    def filled(mark: re.Match[str]) -> str:
        if mark[1] == "%":
            return "%"
        value = next(left, None)
        if mark[1] == "I":
            return quote_ident(_, str(value))
        if mark[1] == "L":
            return "NULL" if value is None else quote_literal(_, value)
        return "" if value is None else str(value)

    return re.sub(r"%([sIL%])", filled, str(template))


def size_pretty(_: Environment, size: object) -> str:
    number = int(str(size))
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(number) < 10_240:
            return f"{number} {unit}"
        number = (number + 512) // 1024
    return f"{number} TB"


def json_list(_: Environment, array: object) -> str:
    """For json_each, which makes rows of it."""
    return "[]" if array is None else json.dumps(items(array))


def json_range(_: Environment, first: object, last: object, step: object = 1) -> str:
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


def json_subscripts(_: Environment, array: object, dimension: object = 1, reverse: object = 0) -> str:
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
