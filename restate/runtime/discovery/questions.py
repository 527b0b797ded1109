"""One request to a deployment and its whole answer."""

from collections.abc import Sequence

import attrs

from restate.runtime.errors import DeploymentError
from restate.runtime.net.client import Client, HttpVersion
from restate.runtime.schema import deployment
from restate.runtime.schema.address import join_path
from restate.runtime.service_protocol.identity import Identity

Headers = Sequence[tuple[str, str]]


@attrs.frozen
class Answer:
    """A whole answer. headers: lower-case names, as they came."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    http_version: deployment.HttpVersion

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def content_type(self) -> str:
        return self.header(b"content-type") or ""

    def header(self, name: bytes) -> str | None:
        return next((value.decode("latin-1") for key, value in self.headers if key == name), None)


@attrs.frozen
class Question:
    """path: below the deployment's address, encoded. signed: whether it carries the server's identity."""

    method: str
    path: str
    headers: Headers
    body: bytes | None = None
    signed: bool = False


@attrs.frozen
class Questions:
    """Asks deployments. response_size_limit: bytes of a body."""

    client: Client
    identity: Identity
    response_size_limit: int

    async def ask(self, uri: str, question: Question, http_version: HttpVersion) -> Answer:
        """Raises ClientError; DeploymentError for what cannot be sent and for an answer over the limit."""
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in question.headers]
        if question.signed:
            encoded += self.identity.headers(question.path)
        try:
            exchange = await self.client.open(
                uri,
                question.method,
                join_path(uri, question.path),
                encoded,
                body=question.body,
                end=True,
                http_version=http_version,
            )
        except ValueError as error:
            raise DeploymentError(
                f"the deployment at {uri} cannot be asked: {error}", http_status=400
            ) from error
        async with exchange:
            head = await exchange.response()
            body = bytearray()
            while chunk := await exchange.receive():
                body += chunk
                if len(body) > self.response_size_limit:
                    raise DeploymentError(
                        f"the answer of {uri} to {question.path} is over {self.response_size_limit} bytes",
                        http_status=500,
                    )
        version: deployment.HttpVersion = "HTTP/1.1" if head.http_version.startswith("1") else "HTTP/2.0"
        return Answer(head.status, head.headers, bytes(body), version)
