"""Bodies of requests and replies about rules (admin.md §4.7).

`metadata` of a field goes into its JSON schema.
"""

from typing import Any, Literal

import attrs
from msgspec import UNSET, UnsetType

from restate.runtime.admin.models_kafka import Remark

MAX_U32 = 2**32 - 1


def _whole(minimum: int) -> Any:
    """A number from `minimum` to the largest of 32 bits, or None."""
    validators = attrs.validators
    return attrs.field(
        default=None,
        validator=validators.optional(validators.and_(validators.ge(minimum), validators.le(MAX_U32))),
        metadata={"minimum": minimum, "maximum": MAX_U32},
    )


@attrs.frozen
class Limits:
    """concurrency: how many invocations at a time; absent is no limit."""

    concurrency: int | None = _whole(1)


@attrs.frozen
class Precondition:
    """What must be so for a change to be made. version: for `matches`."""

    type: Literal["none", "does_not_exist", "matches"]
    version: int | None = _whole(0)

    def __attrs_post_init__(self) -> None:
        if self.type == "matches" and self.version is None:
            raise ValueError("missing field `version`")


@attrs.frozen
class UpsertRule:
    """A rule as it is to be."""

    pattern: str = attrs.field(
        metadata={
            "description": "one to three parts joined by /, each * or at most 36 characters of [a-zA-Z0-9_.-]",
            "minLength": 1,
        }
    )
    limits: Limits = Limits()
    description: str | None = None
    disabled: bool = False
    precondition: Precondition = Precondition("none")


@attrs.frozen
class StoredLimits:
    """concurrency: absent is no limit."""

    concurrency: int | UnsetType = UNSET


@attrs.frozen
class Rule:
    """A stored rule. version: grows when limits or `disabled` change."""

    pattern: str
    limits: StoredLimits
    disabled: bool
    version: int
    last_modified_millis_since_epoch: int
    description: str | UnsetType = UNSET
    info: list[Remark] | UnsetType = UNSET


@attrs.frozen
class DeleteRule:
    """A rule that is to go, if it has the expected version."""

    pattern: str = attrs.field(metadata={"minLength": 1})
    expected_version: int | None = _whole(0)
