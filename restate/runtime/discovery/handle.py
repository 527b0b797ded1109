"""Ask an address what it serves, and find out which generation it is (service-protocol.md §1.3)."""

from collections.abc import Iterator

import trio

from restate.runtime import config
from restate.runtime.discovery.announcement import announce_classic, announce_modern
from restate.runtime.discovery.questions import Answer, Headers, Question, Questions
from restate.runtime.discovery.serdes import SerdeRequest, convert
from restate.runtime.errors import DeploymentError
from restate.runtime.net.client import Client, ClientError, HttpVersion, ProtocolFailure
from restate.runtime.schema.deployment import Deployment
from restate.runtime.schema.registration import Announcement
from restate.runtime.service_protocol.discovery import (
    CLASSIC_TYPE,
    MODERN_ACCEPT,
    MODERN_TYPES,
    parse_classic,
    parse_modern,
)
from restate.runtime.service_protocol.identity import IDENTITY_REFUSED, Identity

_RETRIED = frozenset((408, 429, 500, 502, 503, 504))
# What a classic SDK, or whatever stands where one was expected, answers to the modern question.
_MAYBE_CLASSIC = frozenset((400, 404, 405, 406, 415))
_SHOWN_BODY_BYTES = 1024
_PATH = "/discover"


class Discovery:
    """The handle. The time limit of `settings` is for all questions of one registration, retries included."""

    def __init__(self, client: Client, settings: config.Discovery, identity: Identity) -> None:
        self._questions = Questions(client, identity, settings.response_size_limit)
        self._timeout_s = settings.request_timeout_ms / 1000
        self._first_delay_s = settings.retry_initial_interval_ms / 1000
        self._max_attempts = settings.max_attempts

    async def discover(self, uri: str, headers: Headers = (), *, use_http_11: bool = False) -> Announcement:
        """What the deployment at `uri` announces. headers: added to the question. Raises DeploymentError."""
        http_version: HttpVersion = "1.1" if use_http_11 else "auto" if uri.startswith("https:") else "2"
        try:
            with trio.fail_after(self._timeout_s):
                return await self._discover(uri, headers, http_version)
        except trio.TooSlowError:
            raise DeploymentError(
                f"the deployment at {uri} did not answer within the {self._timeout_s:g} s of discovery.request_timeout",
                code="META0003",
            ) from None

    async def convert(self, deployment: Deployment, request: SerdeRequest) -> bytes:
        """What a serializer of the deployment makes of the body. Raises DeploymentError 500."""
        try:
            with trio.fail_after(self._timeout_s):
                return await convert(self._questions, deployment, request)
        except trio.TooSlowError:
            raise DeploymentError(
                f"the deployment at {deployment.uri} did not answer within the {self._timeout_s:g} s of"
                " discovery.request_timeout",
                http_status=500,
            ) from None

    async def _discover(self, uri: str, headers: Headers, http_version: HttpVersion) -> Announcement:
        answer = await self._ask_modern(uri, headers, http_version)
        if answer.ok and answer.content_type in MODERN_TYPES:
            sdk_version = answer.header(b"x-restate-server")
            manifest = parse_modern(answer.body, sdk_version=sdk_version)
            return announce_modern(manifest, answer.http_version, sdk_version)
        if answer.ok and answer.content_type == CLASSIC_TYPE:
            return announce_classic(parse_classic(answer.body), answer.http_version)
        if answer.ok or answer.status in _MAYBE_CLASSIC:
            classic = await self._ask_classic(uri, headers, http_version)
            if classic is not None and classic.ok and classic.content_type == CLASSIC_TYPE:
                return announce_classic(parse_classic(classic.body), classic.http_version)
        raise _refusal(uri, answer)

    async def _ask_modern(self, uri: str, headers: Headers, http_version: HttpVersion) -> Answer:
        """Retried while the deployment seems to be starting or overloaded. Raises DeploymentError."""
        for delay_s in self._delays():
            try:
                question = Question("GET", _PATH, [("accept", MODERN_ACCEPT), *headers], signed=True)
                answer = await self._questions.ask(uri, question, http_version)
                if answer.status not in _RETRIED or delay_s is None:
                    return answer
            except ClientError as error:
                if isinstance(error, ProtocolFailure) and error.http1_peer:
                    raise DeploymentError(
                        f"the deployment at {uri} does not speak HTTP/2: {error}", code="META0014"
                    ) from error
                if delay_s is None:
                    raise DeploymentError(
                        f"the deployment at {uri} cannot be reached: {error}", code="META0003"
                    ) from error
            await trio.sleep(delay_s)
        raise AssertionError("the last try returns or raises")

    def _delays(self) -> Iterator[float | None]:
        """Seconds after each try that fails, None after the last. The official command-line client gives up after 13 s."""
        delay_s = self._first_delay_s
        for _ in range(self._max_attempts - 1):
            yield delay_s
            delay_s = min(2 * delay_s, self._timeout_s)
        yield None

    async def _ask_classic(self, uri: str, headers: Headers, http_version: HttpVersion) -> Answer | None:
        """Asked once; None when it fails, because the answer to the modern question is then the one to report."""
        try:
            asked = [("content-type", CLASSIC_TYPE), ("accept", CLASSIC_TYPE), *headers]
            return await self._questions.ask(uri, Question("POST", _PATH, asked), http_version)
        except ClientError:
            return None


def _refusal(uri: str, answer: Answer) -> DeploymentError:
    """The error of the modern question: what the official client expects to see."""
    if answer.ok:
        expected = ", ".join((*MODERN_TYPES, CLASSIC_TYPE))
        return DeploymentError(
            f"expected one of the content types {expected} from {uri}, got {answer.content_type or 'none'!r}",
            code="META0013",
        )
    unidentified = f"; {IDENTITY_REFUSED}" if answer.status == 401 else ""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    body = answer.body[:_SHOWN_BODY_BYTES].decode(errors="replace")
    return DeploymentError(
        f"the deployment at {uri} answered the discovery with status {answer.status}, headers {headers}, body {body!r}"
        f"{unidentified}",
        code="META0003",
    )
