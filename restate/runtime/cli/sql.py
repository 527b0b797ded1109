"""Pieces of SQL. Values from the command line go through `quoted`."""

from collections.abc import Iterable


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def one_of(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(map(quoted, values))})"


def where(conditions: Iterable[str]) -> str:
    """Conditions joined by AND; nothing for none."""
    joined = " AND ".join(conditions)
    return f"WHERE {joined}" if joined else ""


def like_prefix(column: str, prefix: str) -> str:
    """Text that begins with it, whatever characters are in it."""
    # `LIKE` gives % and _ a meaning, and servers differ in how they are escaped.
    return f"starts_with({column}, {quoted(prefix)})"


def named(query: str) -> str:
    """The condition for invocations whose target a user has named: `Service`, `Service/handler`, `Object/key`,
    `Object/key/handler`."""
    slashes = query.count("/")
    if slashes == 0:
        return like_prefix("target", f"{query}/")
    if slashes == 1:
        return (
            f"((target = {quoted(query)} AND target_service_ty = 'service')"
            f" OR ({like_prefix('target', f'{query}/')} AND target_service_ty != 'service'))"
        )
    return f"target = {quoted(query)}"
