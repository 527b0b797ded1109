"""Where a deployment listens, and how a byte stream to it is opened."""

import os
import ssl
from collections.abc import Sequence
from typing import Self
from urllib.parse import urlsplit

import attrs
import trio

from restate.runtime.net.exchange import ConnectFailed

# OpenSSL's X509_V_ERR_... for a chain that ends nowhere, or in a certificate that is not trusted.
_UNKNOWN_AUTHORITY = frozenset((18, 19, 20, 21))
_NOT_TLS = frozenset(("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNEXPECTED_MESSAGE"))


@attrs.frozen
class Origin:
    """Scheme and address of a deployment. `authority` is what the peer sees as its own name."""

    scheme: str
    host: str
    port: int
    authority: bytes

    @classmethod
    def of(cls, uri: str) -> Self:
        """The origin of a deployment URI; path and query are ignored.

        ValueError: not an absolute http:// or https:// URI.
        """
        parts = urlsplit(uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"expected an http:// or https:// address with a host, got {uri!r}")
        default = 443 if parts.scheme == "https" else 80
        authority = parts.netloc.rpartition("@")[2].encode("idna" if not parts.netloc.isascii() else "ascii")
        return cls(parts.scheme, parts.hostname, default if parts.port is None else parts.port, authority)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority.decode()}"


async def dial(
    origin: Origin, context: ssl.SSLContext | None, protocols: Sequence[str], timeout_s: float
) -> tuple[trio.abc.Stream, str | None]:
    """Open a stream to `origin`, with TLS when its scheme asks for it, within `timeout_s`.

    context: for https; its list of protocols is replaced. protocols: offered by ALPN, best first. Gives the stream and the protocol that was negotiated; the caller
    closes the stream. ConnectFailed: everything that can go wrong.
    """
    try:
        with trio.fail_after(timeout_s):
            tcp = await trio.open_tcp_stream(origin.host, origin.port)
            if origin.scheme == "http":
                return tcp, None
            assert context is not None
            return await _start_tls(tcp, origin.host, context, protocols)
    except trio.TooSlowError as error:
        raise ConnectFailed(f"no connection to {origin} within {timeout_s:g} s") from error
    except (OSError, trio.BrokenResourceError, ssl.SSLError, UnicodeError) as error:
        raise ConnectFailed(f"cannot connect to {origin}: {_reason(error)}") from error


async def _start_tls(
    tcp: trio.SocketStream, host: str, context: ssl.SSLContext, protocols: Sequence[str]
) -> tuple[trio.abc.Stream, str | None]:
    # The context hands its list of protocols to each connection when that is created, so that one context can
    # serve connections that offer different lists.
    context.set_alpn_protocols(list(protocols))
    stream = trio.SSLStream(tcp, context, server_hostname=host, https_compatible=True)
    try:
        await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream, stream.selected_alpn_protocol()


def _reason(error: BaseException) -> str:
    """The useful part: the innermost cause, because Trio's own wrappers say little."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, BaseExceptionGroup):
        return _reason(error.exceptions[0])
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = (
            "; if that is as it should be, name the certificate of its authority in net.client_ca_file"
            if error.verify_code in _UNKNOWN_AUTHORITY
            else ""
        )
        return f"its certificate is not accepted: {error.verify_message.rstrip('.')}{hint}"
    if isinstance(error, ssl.SSLError) and error.reason in _NOT_TLS:
        return "it does not answer in TLS; its address may have to start with http://"
    if isinstance(error, ConnectionError) and error.errno:
        # Trio's text repeats the address, which is told already.
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
