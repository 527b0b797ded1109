"""/limits/rules and /vqueues (admin.md §4.7): rules are stored, and nothing enforces them; there are no vqueues."""

import logging

from msgspec import UNSET
from quart import Blueprint, Response

from restate.runtime.admin import models_rules as models
from restate.runtime.admin.answer import json_response
from restate.runtime.admin.body import read_list
from restate.runtime.admin.changes import store
from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.models_kafka import Remark
from restate.runtime.admin.models_rules import DeleteRule, UpsertRule
from restate.runtime.admin.parts import Parts
from restate.runtime.model.ids import IdError, check_vqueue_id
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import Row
from restate.runtime.schema.rule import (
    Book,
    BookFull,
    Expected,
    PatternError,
    PreconditionFailed,
    Rule,
    Wish,
    parse_pattern,
)
from restate.runtime.schema.stored import book_rows

log = logging.getLogger("restate.admin")

NOT_ENFORCED = "This server stores rules but does not enforce them: concurrency is not limited by them."


def add_rule_routes(blueprint: Blueprint, parts: Parts) -> None:
    routes = _Routes(parts)
    for method, rule, view in (
        ("PUT", "/limits/rules", routes.upsert),
        ("POST", "/limits/rules/bulk-delete", routes.delete),
        ("POST", "/vqueues/<vqueue_id>/pause", _no_vqueue),
        ("POST", "/vqueues/<vqueue_id>/resume", _no_vqueue),
    ):
        blueprint.add_url_rule(rule, f"{method} {rule}", view, methods=[method])


class _Routes:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def upsert(self) -> Response:
        """All of them or none."""
        wishes = [_wish(place, entry) for place, entry in enumerate(await read_list(UpsertRule))]
        limit = self._parts.settings.rules_limit

        def decide(registry: Registry) -> tuple[Book, tuple[Row, ...]]:
            old = registry.stored.book
            try:
                new = old.upserted(wishes, now_ms=self._parts.clock.now_ms(), limit=limit)
            except PreconditionFailed as failure:
                raise Refusal(409, str(failure)) from None
            except BookFull as failure:
                raise Refusal(422, str(failure)) from None
            return new, book_rows(old, new)

        book = await store(self._parts, decide)
        if wishes:
            log.warning("stored %d rules, which this server does not enforce", len(wishes))
        return json_response([_view(book.rules[wish.pattern]) for wish in wishes])

    async def delete(self) -> Response:
        """All of them or none; the reply names those that were there."""
        wishes = [
            (_pattern(place, entry.pattern), _expected(entry.expected_version))
            for place, entry in enumerate(await read_list(DeleteRule))
        ]

        def decide(registry: Registry) -> tuple[list[str], tuple[Row, ...]]:
            old = registry.stored.book
            try:
                new = old.without(wishes)
            except PreconditionFailed as failure:
                raise Refusal(409, str(failure)) from None
            removed = [pattern for pattern in dict(wishes) if pattern in old.rules]
            return removed, book_rows(old, new)

        removed = await store(self._parts, decide)
        if removed:
            log.info("removed the rules %s", ", ".join(removed))
        return json_response(removed)


async def _no_vqueue(vqueue_id: str) -> Response:
    try:
        check_vqueue_id(vqueue_id)
    except IdError as error:
        raise Refusal(400, f"The request field 'vqueue_id' is invalid. Reason: {error}") from None
    raise Refusal(
        404,
        f"The requested vqueue '{vqueue_id}' does not exist: this server has no vqueues (GET /version lists its features)",
    )


def _wish(place: int, entry: UpsertRule) -> Wish:
    condition = entry.precondition
    expected = (
        None if condition.type == "none" else _expected(condition.version, absent=condition.type != "matches")
    )
    return Wish(
        _pattern(place, entry.pattern), entry.limits.concurrency, entry.description, entry.disabled, expected
    )


def _expected(version: int | None, *, absent: bool = False) -> Expected | None:
    if absent:
        return Expected(None)
    return None if version is None else Expected(version)


def _pattern(place: int, text: str) -> str:
    try:
        return parse_pattern(text)
    except PatternError as error:
        raise Refusal(
            422, f"Failed to deserialize the JSON body into the target type: [{place}].pattern: {error}"
        ) from None


def _view(rule: Rule) -> models.Rule:
    return models.Rule(
        rule.pattern,
        models.StoredLimits(UNSET if rule.concurrency is None else rule.concurrency),
        rule.disabled,
        rule.version,
        rule.modified_ms,
        UNSET if rule.description is None else rule.description,
        [Remark(NOT_ENFORCED)],
    )
