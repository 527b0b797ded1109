"""The client's side of the Postgres wire protocol: messages → bytes, bytes → messages, and a connection over Trio."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from typing import TYPE_CHECKING

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Sequence

SSL_REQUEST = struct.pack(">ii", 8, 80877103)
GSS_REQUEST = struct.pack(">ii", 8, 80877104)


def message(tag: str, body: bytes = b"") -> bytes:
    return tag.encode() + struct.pack(">i", len(body) + 4) + body


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def startup(version: int = 196608, /, **parameters: str) -> bytes:
    pairs = b"".join(text(name) + text(value) for name, value in parameters.items()) + b"\0"
    return struct.pack(">ii", 8 + len(pairs), version) + pairs


def cancel_request(process_id: int, secret: bytes) -> bytes:
    return struct.pack(">iii", 12 + len(secret), 80877102, process_id) + secret


def query(sql: str) -> bytes:
    return message("Q", text(sql))


def parse(sql: str, name: str = "", oids: Sequence[int] = ()) -> bytes:
    return message("P", text(name) + text(sql) + struct.pack(f">h{len(oids)}I", len(oids), *oids))


def bind(
    values: Sequence[bytes | None] = (),
    *,
    portal: str = "",
    statement: str = "",
    formats: Sequence[int] = (),
    results: Sequence[int] = (),
) -> bytes:
    body = text(portal) + text(statement) + struct.pack(f">h{len(formats)}h", len(formats), *formats)
    body += struct.pack(">h", len(values))
    for value in values:
        body += struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value
    return message("B", body + struct.pack(f">h{len(results)}h", len(results), *results))


def describe(kind: str = "P", name: str = "") -> bytes:
    return message("D", kind.encode() + text(name))


def execute(portal: str = "", max_rows: int = 0) -> bytes:
    return message("E", text(portal) + struct.pack(">i", max_rows))


def close(kind: str = "P", name: str = "") -> bytes:
    return message("C", kind.encode() + text(name))


SYNC = message("S")
FLUSH = message("H")
TERMINATE = message("X")


@attrs.frozen
class Said:
    """One message of the server."""

    tag: str
    body: bytes

    @property
    def fields(self) -> dict[str, str]:
        """Of an error or a notice: {letter: text}."""
        return {part[:1].decode(): part[1:].decode() for part in self.body.split(b"\0") if part}

    @property
    def row(self) -> list[bytes | None]:
        """Of a DataRow."""
        at, values = 2, list[bytes | None]()
        for _ in range(int.from_bytes(self.body[:2], "big")):
            size = int.from_bytes(self.body[at : at + 4], "big", signed=True)
            at += 4
            values.append(None if size < 0 else self.body[at : at + size])
            at += max(size, 0)
        return values

    @property
    def columns(self) -> list[tuple[str, int, int]]:
        """Of a RowDescription: name, type oid, format."""
        at, found = 2, list[tuple[str, int, int]]()
        for _ in range(int.from_bytes(self.body[:2], "big")):
            end = self.body.index(b"\0", at)
            _, _, oid, _, _, binary = struct.unpack(">ihihih", self.body[end + 1 : end + 19])
            found.append((self.body[at:end].decode(), oid, binary))
            at = end + 19
        return found

    def __str__(self) -> str:
        """Short, for comparing sequences: rows and errors with what matters of them."""
        match self.tag:
            case "E" | "N":
                position = f" @{self.fields['P']}" if "P" in self.fields else ""
                return f"{self.tag} {self.fields['S']} {self.fields['C']}{position}"
            case "C":
                return f"C {self.body[:-1].decode()}"
            case "Z":
                return f"Z {self.body.decode()}"
            case "S":
                return "S " + "=".join(part.decode() for part in self.body.split(b"\0")[:2])
            case "D":
                return "D " + ",".join("NULL" if v is None else v.decode("latin1") for v in self.row)
            case "T":
                return "T " + ",".join(f"{name}:{oid}:{binary}" for name, oid, binary in self.columns)
            case "t":
                return "t " + ",".join(map(str, struct.unpack(f">{len(self.body[2:]) // 4}I", self.body[2:])))
            case _:
                return self.tag


class Replies:
    """Bytes of the server → messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    @property
    def rest(self) -> bytes:
        return bytes(self._buffer)

    def next(self) -> Said | None:
        if len(self._buffer) < 5:
            return None
        size = 1 + int.from_bytes(self._buffer[1:5], "big")
        if len(self._buffer) < size:
            return None
        said = Said(chr(self._buffer[0]), bytes(self._buffer[5:size]))
        del self._buffer[:size]
        return said

    def all(self) -> list[Said]:
        return list(iter(self.next, None))


def said(data: bytes) -> list[str]:
    """All messages in the bytes, in short."""
    replies = Replies()
    replies.feed(data)
    found = [str(each) for each in replies.all()]
    assert replies.rest == b""
    return found


class PgClient:
    """A connection. patience: seconds after which a wait is an error."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.patience = 60.0
        self.process_id = 0
        self.secret = b""
        self._replies = Replies()

    @classmethod
    async def connect(cls, port: int, *, user: str = "tester", **parameters: str) -> PgClient:
        client = cls(await trio.open_tcp_stream("127.0.0.1", port))
        await client.send(startup(user=user, **parameters))
        await client.until("Z")
        return client

    async def send(self, *data: bytes) -> None:
        await self.stream.send_all(b"".join(data))

    async def next(self) -> Said:
        """Raises EOFError when the server has ended the connection."""
        while (found := self._replies.next()) is None:
            with trio.fail_after(self.patience):
                try:
                    data = await self.stream.receive_some(65536)
                except trio.BrokenResourceError:
                    raise EOFError from None
            if not data:
                raise EOFError
            self._replies.feed(bytes(data))
        if found.tag == "K":
            self.process_id = int.from_bytes(found.body[:4], "big")
            self.secret = found.body[4:]
        return found

    async def until(self, tag: str) -> list[Said]:
        """Everything up to and with the next message of the kind."""
        found = [await self.next()]
        while found[-1].tag != tag:
            found.append(await self.next())
        return found

    async def ask(self, *data: bytes) -> list[str]:
        """Send, and give all that comes until ReadyForQuery, in short."""
        await self.send(*data)
        return [str(each) for each in await self.until("Z")]

    async def query(self, sql: str) -> list[str]:
        return await self.ask(query(sql))

    async def rest(self) -> list[str]:
        """All that comes until the server ends the connection; then so does the client."""
        found: list[str] = []
        try:
            while True:
                found.append(str(await self.next()))
        except EOFError:
            await self.aclose()
            return found

    async def aclose(self) -> None:
        await trio.aclose_forcefully(self.stream)


class Scram:
    """The client's side of SCRAM-SHA-256."""

    def __init__(self, password: str, nonce: str = "abcdefgh", header: str = "n,,") -> None:
        self._password = password.encode()
        self._nonce = nonce
        self._header = header
        self._bare = f"n=,r={nonce}"
        self._server_key = b""
        self._signed = b""

    def first(self, mechanism: str = "SCRAM-SHA-256") -> bytes:
        data = (self._header + self._bare).encode()
        return message("p", text(mechanism) + struct.pack(">i", len(data)) + data)

    def final(self, server_first: bytes) -> bytes:
        """server_first: the body of AuthenticationSASLContinue after its code."""
        attributes = dict(part.split("=", 1) for part in server_first.decode().split(","))
        assert attributes["r"].startswith(self._nonce)
        salt, iterations = base64.b64decode(attributes["s"]), int(attributes["i"])
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        self._server_key = hmac.digest(salted, b"Server Key", "sha256")
        without_proof = f"c={base64.b64encode(self._header.encode()).decode()},r={attributes['r']}"
        self._signed = f"{self._bare},{server_first.decode()},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), self._signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        return message("p", f"{without_proof},p={base64.b64encode(proof).decode()}".encode())

    def check(self, server_final: bytes) -> bool:
        """Whether the server knows the password, too."""
        expected = hmac.digest(self._server_key, self._signed, "sha256")
        return server_final == b"v=" + base64.b64encode(expected)
