"""TLS of our own listeners: the certificate, and the transport over it."""

import contextlib
import ssl
from pathlib import Path

import attrs
import trio

from restate.runtime.errors import ConfigError
from restate.runtime.net.http import ConnectionClosed
from restate.runtime.net.transport import Direction, Transport

_RECORDS_BYTES = 256 << 10  # encrypted at a time: a large body must not be held twice


@attrs.frozen
class ServerTls:
    """The certificate of a port. section: of the configuration, for messages."""

    section: str
    certificate_file: Path
    key_file: Path | None
    context: ssl.SSLContext

    def reload(self) -> None:
        """Read the files again: connections from now on get what is in them. Raises ConfigError; then nothing changes."""
        _load(_context(()), self.section, self.certificate_file, self.key_file)
        _load(self.context, self.section, self.certificate_file, self.key_file)


def server_tls(
    section: str, certificate_file: Path | None, key_file: Path | None, protocols: tuple[str, ...] = ()
) -> ServerTls | None:
    """None without a certificate. protocols: for ALPN, best first. Raises ConfigError."""
    if certificate_file is None:
        if key_file is not None:
            raise ConfigError(
                f"{section}.tls_key_file: expected {section}.tls_certificate_file to be set as well"
            )
        return None
    context = _context(protocols)
    _load(context, section, certificate_file, key_file)
    return ServerTls(section, certificate_file, key_file, context)


def _context(protocols: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def _load(context: ssl.SSLContext, section: str, certificate_file: Path, key_file: Path | None) -> None:
    try:
        context.load_cert_chain(certificate_file, key_file, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is the former
        plain = isinstance(error, OSError) and not isinstance(error, ssl.SSLError)
        reason = error.strerror if plain and isinstance(error, OSError) else error
        if key_file is not None and _has_certificates(certificate_file):
            raise ConfigError(
                f"{section}.tls_key_file: expected the private key of the certificate in {certificate_file}, without a"
                f" password, in PEM form in {key_file}: {reason}"
            ) from error
        files = f"{certificate_file}{f' and {key_file}' if key_file else ''}"
        raise ConfigError(
            f"{section}.tls_certificate_file: expected a certificate and its private key, without a password, in PEM"
            f" form in {files}: {reason}"
        ) from error


def _has_certificates(path: Path) -> bool:
    try:
        ssl.create_default_context(cafile=path)
    except OSError:
        return False
    return True


def _no_password() -> str:
    # Without this the library would ask on the terminal.
    raise ValueError("the key has a password")


class TlsTransport:
    """TLS, as the server, over another transport, which it closes with itself. The first `receive` shakes hands."""

    def __init__(self, transport: Transport, context: ssl.SSLContext) -> None:
        self._transport = transport
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        # Invariant: who holds it may take from `_outgoing` and send it; records must leave in their order.
        self._sending = trio.Lock()
        self._shaken = False

    async def receive(self, size: int) -> bytes:
        """See `Transport`. Raises ConnectionClosed, also for what is no TLS."""
        while True:
            try:
                if not self._shaken:
                    self._tls.do_handshake()
                    self._shaken = True
                    await self._flush()
                data = self._tls.read(size)
            except ssl.SSLWantReadError:
                await self._flush()
                encrypted = await self._transport.receive(size)
                if encrypted:
                    self._incoming.write(encrypted)
                else:
                    self._incoming.write_eof()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                await trio.lowlevel.checkpoint()
                return b""
            except ssl.SSLError as error:
                # An alert that tells the client why.
                self._send_pending_now()
                raise ConnectionClosed(f"cannot receive over TLS: {error}") from error
            else:
                await trio.lowlevel.checkpoint()
                return data

    async def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                taken = self._tls.write(rest[:_RECORDS_BYTES])
            except ssl.SSLError as error:
                raise ConnectionClosed(f"cannot send over TLS: {error}") from error
            rest = rest[taken:]
            await self._flush()

    def open_directions(self) -> Direction:
        return self._transport.open_directions()

    def send_now(self, data: bytes) -> bool:
        try:
            self._tls.write(data)
        except ssl.SSLError:
            return False
        return self._send_pending_now()

    def send_eof(self) -> None:
        with contextlib.suppress(ssl.SSLError):  # the client's own goodbye is not waited for
            self._tls.unwrap()
        self._send_pending_now()
        self._transport.send_eof()

    def close(self) -> None:
        self._transport.close()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            async with self._sending:
                await self._transport.send(self._outgoing.read())

    def _send_pending_now(self) -> bool:
        if not self._outgoing.pending:
            return True
        return not self._sending.locked() and self._transport.send_now(self._outgoing.read())
