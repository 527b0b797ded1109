"""`x -> 'k'` and `x ->> 'k'`, which parse but do not plan, as calls of the JSON functions. Everything else stays as sent."""

import re

_TOKEN = re.compile(
    r"""
    (?P<space> \s+ | --[^\n]* | /\*.*?\*/ )
  | (?P<text> [eE]?'(?:[^']|'')*' | \$(\w*)\$.*?\$\3\$ )
  | (?P<name> "(?:[^"]|"")*" | [^\W\d]\w* | \$\d+ )
  | (?P<number> \d+ )
  | (?P<arrow> ->>? )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)

_MOST_ARROWS = 100
"""Each is looked for from the start; nobody writes more."""

Token = tuple[str, str]
"""Kind and text."""


def rewrite(sql: str) -> str:
    """Raises nothing: what cannot be rewritten is left for the parser to refuse."""
    if not 0 < sql.count("->") <= _MOST_ARROWS:
        return sql
    tokens: list[Token] = [(match.lastgroup or "other", match.group()) for match in _TOKEN.finditer(sql)]
    while (place := _first_arrow(tokens)) is not None:
        start = _operand_start(tokens, place)
        end = _operand_end(tokens, place)
        if start is None or end is None:
            return sql
        function = "json_as_text" if tokens[place][1] == "->>" else "json_get_json"
        left = "".join(text for _, text in tokens[start:place]).strip()
        right = "".join(text for _, text in tokens[place + 1 : end]).strip()
        if right.isdecimal():
            right = f"'{right}'"
        tokens[start:end] = [("name", f"{function}({left}, {right})")]
    return "".join(text for _, text in tokens)


def _first_arrow(tokens: list[Token]) -> int | None:
    return next((place for place, (kind, _) in enumerate(tokens) if kind == "arrow"), None)


def _operand_start(tokens: list[Token], arrow: int) -> int | None:
    """Where the operand to the left begins: a name with its qualifiers, a text, a call, or something in brackets."""
    place = _back(tokens, arrow - 1)
    if place < 0:
        return None
    if tokens[place][1] == ")":
        depth = 0
        while place >= 0:
            depth += {")": 1, "(": -1}.get(tokens[place][1], 0)
            if depth == 0:
                break
            place -= 1
        if place < 0:
            return None
        before = place - 1
        return before if before >= 0 and tokens[before][0] == "name" else place
    if tokens[place][0] not in ("name", "text"):
        return None
    while place >= 2 and tokens[place - 1][1] == "." and tokens[place - 2][0] == "name":
        place -= 2
    return place


def _operand_end(tokens: list[Token], arrow: int) -> int | None:
    """Behind the operand to the right."""
    place = arrow + 1
    while place < len(tokens) and tokens[place][0] == "space":
        place += 1
    if place >= len(tokens):
        return None
    if tokens[place][0] in ("text", "number"):
        return place + 1
    if tokens[place][0] != "name":
        return None
    while place + 2 < len(tokens) and tokens[place + 1][1] == "." and tokens[place + 2][0] == "name":
        place += 2
    return place + 1


def _back(tokens: list[Token], place: int) -> int:
    while place >= 0 and tokens[place][0] == "space":
        place -= 1
    return place
