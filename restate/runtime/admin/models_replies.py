"""Replies about invocations and about the server itself."""

from typing import Any

import attrs
from msgspec import UNSET, UnsetType


@attrs.frozen
class Error:
    """What every refusal looks like. The message starts with the code where there is one.

    restate_code: RTnnnn or METAnnnn, as in the table of errors.
    """

    message: str
    restate_code: str | None


@attrs.frozen
class QueryError:
    """As `Error`; what is wrong with the SQL itself has no code at all."""

    message: str
    restate_code: str | UnsetType | None = UNSET


@attrs.frozen
class RestartedInvocation:
    new_invocation_id: str


@attrs.frozen
class FailedOperation:
    """error: the message that the operation on this one alone is refused with."""

    invocation_id: str
    error: str


@attrs.frozen
class BatchOutcome:
    """succeeded: ids."""

    succeeded: list[str]
    failed: list[FailedOperation]


@attrs.frozen
class RestartedOfBatch:
    old_invocation_id: str
    new_invocation_id: str


@attrs.frozen
class RestartBatchOutcome:
    succeeded: list[RestartedOfBatch]
    failed: list[FailedOperation]


@attrs.frozen
class Version:
    """features: {name: whether it is on}. ingress_endpoint: where services are called."""

    version: str
    min_admin_api_version: int
    max_admin_api_version: int
    ingress_endpoint: str
    features: dict[str, bool]


@attrs.frozen
class MetadataClusterHealth:
    members: list[int]


@attrs.frozen
class ClusterHealth:
    cluster_name: str
    metadata_cluster_health: MetadataClusterHealth


@attrs.frozen
class QueryRows:
    """One object for each row, without the columns that are null."""

    rows: list[dict[str, Any]]
