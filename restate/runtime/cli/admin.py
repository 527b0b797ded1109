"""A blocking connection to the admin port, JSON both ways."""

import http.client
import json
import select
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from restate.runtime.cli.problems import CommandError, RefusedError, UnreachableError

_ARROW = "application/vnd.apache.arrow.stream"
_AS_GIVEN = "surrogateescape"
"""Bytes of the command line that are no UTF-8 reach the server as they are; it says what is wrong with them."""

_FRESH_S = 1.0
"""Servers close connections that nobody uses. While a user reads, edits or decides, one that is kept becomes one of them."""

Json = dict[str, Any]
"""An object as the server sent it. Fields that this program does not know are left alone."""


class Admin:
    """One connection, opened at the first request and kept for the next ones. Closed by the owner."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        connect_timeout_s: float,
        request_timeout_s: float,
        verify_tls: bool = True,
    ) -> None:
        """url: http or https, without trailing slash; a path in it comes before every request's own."""
        self.url = url
        self._headers = {"user-agent": "restate-runtime-cli", "accept": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._connect_timeout_s = connect_timeout_s
        self._request_timeout_s = request_timeout_s
        self._verify_tls = verify_tls
        self._connection: http.client.HTTPConnection | None = None
        self._used_at = 0.0
        self._now: datetime | None = None

    @property
    def now(self) -> datetime:
        """The server's time at its last answer, in UTC: ages are told by the clock that made the timestamps.

        CommandError before the first answer, and when it had no date.
        """
        if self._now is None:
            raise CommandError(f"the server at {self.url} does not tell its time")
        return self._now

    def get(self, path: str, **query: str | None) -> Any:
        return self.request("GET", path, query=query)

    def request(
        self, method: str, path: str, body: object = None, query: Mapping[str, str | None] = {}
    ) -> Any:
        """The answer's JSON, None when it is empty. body: sent as JSON unless None. query: None values are left out.

        Raises RefusedError for a status of 300 and above, UnreachableError.
        """
        given = {name: value for name, value in query.items() if value is not None}
        target = urlsplit(self.url).path + path + (f"?{urlencode(given, errors=_AS_GIVEN)}" if given else "")
        content = self._answer(method, target, body, self._headers)
        return _json(content, self.url) if content else None

    def query_stream(self, sql: str) -> bytes:
        """The whole Arrow stream of a SQL query."""
        headers = {**self._headers, "accept": _ARROW}
        return self._answer("POST", urlsplit(self.url).path + "/query", {"query": sql}, headers)

    def query(self, sql: str) -> list[Json]:
        """The rows of a SQL query; NULLs are absent from a row."""
        answer = self.request("POST", "/query", {"query": sql})
        try:
            rows: list[Json] = answer["rows"]
        except (TypeError, KeyError):
            raise UnreachableError(f"POST /query at {self.url} gave no rows; is it the admin port?") from None
        return rows

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answer(self, method: str, target: str, body: object, headers: Mapping[str, str]) -> bytes:
        status, content = self._exchange(method, target, body, headers)
        if status >= 300:
            raise _refusal(status, content)
        return content

    def _exchange(
        self, method: str, target: str, body: object, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers = {**headers, "content-type": "application/json"}
        if not self._is_fresh():
            self.close()
        kept = self._connection is not None
        try:
            return self._send(method, target, content, headers)
        except (ConnectionResetError, BrokenPipeError, http.client.BadStatusLine) as error:
            self.close()
            # The server may be closing a kept connection just now; only what changes nothing may be sent twice.
            if not (kept and method == "GET"):
                raise self._unreachable(error) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(error) from error
        try:
            return self._send(method, target, content, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(error) from error

    def _is_fresh(self) -> bool:
        """Whether the kept connection was used just now, and the server has neither ended it nor said that it would."""
        if self._connection is None or self._connection.sock is None:
            return False
        if time.monotonic() - self._used_at > _FRESH_S:
            return False
        # Nothing is to be read between two requests but the end.
        return not select.select([self._connection.sock], [], [], 0)[0]

    def _send(
        self, method: str, target: str, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        connection = self._connection or self._connect()
        connection.request(method, target, content, headers)
        response = connection.getresponse()
        answer = response.read()
        self._used_at = time.monotonic()
        date = response.getheader("date")
        if date is not None:
            self._now = parsedate_to_datetime(date).astimezone(UTC)
        return response.status, answer

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            import ssl

            context = ssl.create_default_context()
            if not self._verify_tls:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            connection = http.client.HTTPSConnection(
                host, parts.port, timeout=self._connect_timeout_s, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=self._connect_timeout_s)
        connection.connect()
        connection.sock.settimeout(self._request_timeout_s)
        self._connection = connection
        return connection

    def _unreachable(self, error: Exception) -> UnreachableError:
        if isinstance(error, http.client.IncompleteRead):
            return UnreachableError(
                f"the answer of the server at {self.url} broke off after {len(error.partial)} bytes of it"
                "; the server's log tells why"
            )
        if isinstance(error, TimeoutError):
            reason = "no answer in time (see --connect-timeout and --request-timeout)"
        else:
            reason = str(error) or type(error).__name__
        return UnreachableError(
            f"no Restate server could be reached at {self.url}: {reason}\n"
            "Is it running? RESTATE_ADMIN_URL, RESTATE_HOST or --environment say where it is."
        )


def segment(text: str) -> str:
    """Text as one segment of a path."""
    return quote(text, safe="", errors=_AS_GIVEN)


def _json(content: bytes, url: str) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        raise UnreachableError(f"what answers at {url} does not speak JSON; is it the admin port?") from None


def _refusal(status: int, content: bytes) -> RefusedError:
    reason = http.client.responses.get(status, "unknown status")
    try:
        answer = json.loads(content)
        message, code = answer["message"], answer.get("restate_code")
    except (ValueError, TypeError, KeyError, AttributeError):
        message, code = content.decode(errors="replace").strip(), None
    text = f"{message} ({status} {reason})" if message else f"the server answered {status} {reason}"
    if status == 401:
        text += "\nRESTATE_AUTH_TOKEN, or bearer_token in the configuration file, is sent as the token."
    return RefusedError(text, status, code)
