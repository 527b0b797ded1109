"""The base error, and the table of error codes: what each means, its HTTP and gRPC status, and what to do about it.

`RT....` codes come from running (configuration, storage, attempts), `META....` codes from registering deployments. They
are the ones that operators of the wire-compatible server already search for; the words are ours.
"""

from enum import IntEnum

import attrs


class GrpcStatus(IntEnum):
    """The numbers of gRPC's status codes, without the import cost of a gRPC library."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


@attrs.frozen
class ErrorCode:
    """One row of the table. title: one line, no full stop. hint: what the reader should do."""

    title: str
    http_status: int
    grpc_status: GrpcStatus
    hint: str


_INVALID = GrpcStatus.INVALID_ARGUMENT
_PRECONDITION = GrpcStatus.FAILED_PRECONDITION
_INTERNAL = GrpcStatus.INTERNAL
_UNAVAILABLE = GrpcStatus.UNAVAILABLE

CODES: dict[str, ErrorCode] = {
    "RT0001": ErrorCode(
        "the service did not react to the abort timeout",
        500,
        GrpcStatus.DEADLINE_EXCEEDED,
        "Move slow work of the handler into steps of its own, or raise invoker.inactivity_timeout and"
        " invoker.abort_timeout.",
    ),
    "RT0002": ErrorCode(
        "the configuration is not usable",
        500,
        _INVALID,
        "Correct the named key; restate-server --print-config shows the values in effect and where each comes from.",
    ),
    "RT0003": ErrorCode(
        "a message is over the size limit",
        500,
        GrpcStatus.RESOURCE_EXHAUSTED,
        "Keep large data outside of the journal and pass references, or raise invoker.message_size_limit.",
    ),
    "RT0004": ErrorCode(
        "an address to listen on cannot be bound",
        500,
        _UNAVAILABLE,
        "Stop the program that uses the port, or choose another bind_address (port 0 picks a free one).",
    ),
    "RT0005": ErrorCode(
        "the database is in use by another process",
        500,
        _UNAVAILABLE,
        "Stop the other server that uses this base_dir, or give this one a base_dir of its own.",
    ),
    "RT0006": ErrorCode(
        "an attempt failed in the server",
        500,
        _INTERNAL,
        "The invocation is retried. If it goes on, the rest of the log line says which entry or answer was at fault.",
    ),
    "RT0007": ErrorCode(
        "the service reported an error that can be retried",
        500,
        _INTERNAL,
        "Look into the log of the service; an error that should not be retried must be raised as a terminal error.",
    ),
    "RT0008": ErrorCode(
        "the data was written in a storage format this version does not know",
        500,
        _PRECONDITION,
        "Start the version that wrote the data, or give this one another base_dir.",
    ),
    "RT0009": ErrorCode(
        "the data directory is not empty, but files or its format version are missing or damaged",
        500,
        _PRECONDITION,
        "Point base_dir to data of this server or to an empty directory; restore a backup if files were lost.",
    ),
    "RT0010": ErrorCode(
        "the service deployment cannot be reached",
        500,
        _UNAVAILABLE,
        "Check that the deployment runs and that its registered address can be reached from this machine.",
    ),
    "RT0011": ErrorCode(
        "there is no deployment to run the invocation on",
        500,
        _PRECONDITION,
        "Register a deployment that has the service; an invocation pinned to a removed deployment needs that one again,"
        " or must be killed.",
    ),
    "RT0012": ErrorCode(
        "the answer of the service breaks the service protocol",
        500,
        _INTERNAL,
        "Check that the address is that of an SDK endpoint with no proxy changing its answers, and update the SDK.",
    ),
    "RT0013": ErrorCode(
        "the deployment only speaks service protocol versions that are no longer supported",
        500,
        _PRECONDITION,
        "Update the SDK of the service and register it as a new deployment.",
    ),
    "RT0014": ErrorCode(
        "the invocation was started with a service protocol version that is no longer supported",
        500,
        _PRECONDITION,
        "Let a server version that supports it finish the invocation, or kill it.",
    ),
    "RT0015": ErrorCode(
        "the service refused the service protocol version",
        500,
        _PRECONDITION,
        "The SDK was changed in place: register the deployment again, and give new code a new address next time.",
    ),
    "RT0016": ErrorCode(
        "the handler took another path than its journal records",
        500,
        _INTERNAL,
        "Code under running invocations was changed or is not deterministic: put the old code back for them, and wrap"
        " random values, time and I/O in steps.",
    ),
    "RT0017": ErrorCode(
        "a command of the handler is not allowed",
        500,
        _PRECONDITION,
        "The log line names the command and the rule, such as writing state in a shared handler; correct the handler.",
    ),
    "RT0018": ErrorCode(
        "the handler calls a service or handler that is not registered",
        500,
        GrpcStatus.NOT_FOUND,
        "Register the deployment of the called service; the invocation goes on at its next retry.",
    ),
    "RT0019": ErrorCode(
        "the service refused the request as too large",
        500,
        GrpcStatus.RESOURCE_EXHAUSTED,
        "The journal is over what the service, or a proxy before it, accepts: raise its limit or write shorter journals.",
    ),
    "RT0020": ErrorCode(
        "the service is on a deployment whose service protocol takes no new invocations",
        500,
        _PRECONDITION,
        "Update the SDK of the service and register it as a new deployment.",
    ),
    "RT0021": ErrorCode(
        "the inactivity timeout has no effect for a request-response deployment",
        200,
        GrpcStatus.OK,
        "Serve the deployment over HTTP/2 with bidirectional streams if the timeout matters.",
    ),
    "RT0022": ErrorCode(
        "a retention time was lowered to the server's maximum",
        200,
        GrpcStatus.OK,
        "Ask for a shorter retention, or raise the server's maximum.",
    ),
    "RT0023": ErrorCode(
        "the service asks to be called less often",
        500,
        GrpcStatus.RESOURCE_EXHAUSTED,
        "The invocation waits as long as the service asked; give the service more capacity if this goes on.",
    ),
    "RT0024": ErrorCode(
        "scope or limit key of a call is not usable",
        400,
        _INVALID,
        "Leave out scope and limit key: flow control by scope is not supported.",
    ),
    "RT0025": ErrorCode(
        "what the handler waits for is nested too deeply",
        500,
        GrpcStatus.RESOURCE_EXHAUSTED,
        "Combine fewer futures inside futures (at most 100 levels), then resume the paused invocation.",
    ),
    "META0001": ErrorCode(
        "a service contract has no usable service type",
        400,
        _INVALID,
        "Give the service the option dev.restate.ext.service_type; a keyed service needs at least one method.",
    ),
    "META0002": ErrorCode(
        "the key of a keyed service is not usable",
        400,
        _INVALID,
        "Mark one string field of every input message as KEY, of the same kind in all methods.",
    ),
    "META0003": ErrorCode(
        "the deployment cannot be reached for discovery",
        500,
        _UNAVAILABLE,
        "Check the address, that the service runs, and the additional headers it may need.",
    ),
    "META0004": ErrorCode(
        "a deployment with this address is already registered",
        409,
        GrpcStatus.ALREADY_EXISTS,
        "Give new code a new address, or register with force to replace what is known about this one.",
    ),
    "META0005": ErrorCode(
        "the service name cannot be used",
        400,
        _INVALID,
        "Choose a name outside of those kept for the server itself.",
    ),
    "META0006": ErrorCode(
        "the deployment conflicts with a service that is already registered",
        409,
        GrpcStatus.ALREADY_EXISTS,
        "Keep type, key and methods of a service from one revision to the next, or register with force or breaking.",
    ),
    "META0007": ErrorCode(
        "two fields of one input message have the same annotation",
        400,
        _INVALID,
        "Keep the annotation on one of the fields.",
    ),
    "META0008": ErrorCode(
        "a field with an event annotation has the wrong type",
        400,
        _INVALID,
        "An event payload is string or bytes, event metadata is map<string, string>.",
    ),
    "META0009": ErrorCode(
        "source or sink of the subscription is not usable",
        400,
        _INVALID,
        "Sources look like kafka://cluster/topic, sinks like service://Service/handler; both must be known.",
    ),
    "META0010": ErrorCode(
        "the registered deployments were written in a storage format this version does not know",
        500,
        _PRECONDITION,
        "Start the version that wrote the data, or give this one another base_dir.",
    ),
    "META0011": ErrorCode(
        "the store of registered deployments has no format version",
        500,
        _PRECONDITION,
        "Point base_dir to data of this server or to an empty directory; restore a backup if files were lost.",
    ),
    "META0012": ErrorCode(
        "deployment and server have no service protocol version in common",
        500,
        _PRECONDITION,
        "Use an SDK version that speaks one of the versions the message names.",
    ),
    "META0013": ErrorCode(
        "the discovery answer of the deployment is not usable",
        500,
        _INTERNAL,
        "Check that the address is that of an SDK endpoint with no proxy changing its answers, and update the SDK.",
    ),
    "META0014": ErrorCode(
        "the deployment answered in HTTP/1.1 to an HTTP/2 request",
        500,
        _UNAVAILABLE,
        "Serve HTTP/2 without TLS (h2c), or register the deployment with use_http_11.",
    ),
    "META0015": ErrorCode(
        "the deployment announces bidirectional streams over a transport that has none",
        500,
        _PRECONDITION,
        "Configure the endpoint for request-response.",
    ),
    "META0016": ErrorCode(
        "an update would change the service protocol versions of the deployment",
        400,
        _PRECONDITION,
        "Update in place only with the same SDK version range; otherwise register a new deployment.",
    ),
    "META0017": ErrorCode(
        "several registered deployments have this address, so it is open which one to replace",
        409,
        _PRECONDITION,
        "Delete all but one of them first.",
    ),
}


class RestateError(Exception):
    """An error with a meaning for people outside of this process.

    message: what was expected and what came; also str(). code: key of CODES or None. The statuses are those of the code
    unless given: the same condition may answer differently on the ports and generations.
    """

    default_code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        http_status: int | None = None,
        grpc_status: GrpcStatus | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.default_code if code is None else code
        row = CODES[self.code] if self.code is not None else None
        self.http_status = http_status if http_status is not None else row.http_status if row else 500
        self.grpc_status = (
            grpc_status if grpc_status is not None else row.grpc_status if row else GrpcStatus.INTERNAL
        )

    @property
    def hint(self) -> str | None:
        """What to do about it, or None without a code."""
        return CODES[self.code].hint if self.code is not None else None


class ConfigError(RestateError):
    """A key or value of the configuration is not usable."""

    default_code = "RT0002"


class PortInUse(RestateError):
    """An address cannot be bound, for whatever reason the system gives."""

    default_code = "RT0004"


class StorageLocked(RestateError):
    """Another process has the database open."""

    default_code = "RT0005"


class StorageFormatError(RestateError):
    """The data has another format version than this code reads, or none (give code RT0009 then)."""

    default_code = "RT0008"


class StorageDamaged(RestateError):
    """The data is known to be incomplete or altered; the server must not go on with it."""

    default_code = "RT0009"


class DeploymentError(RestateError):
    """A deployment cannot be discovered or registered; the code is one of META...., or None where none is defined."""
