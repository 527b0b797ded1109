"""h2's connection without the habits that hurt a client with many streams."""

from typing import Any

from hpack import Encoder

from restate.runtime.net._h2 import config, connection, settings
from restate.runtime.net.exchange import ClientLimits

# Headers whose values do not come again.
_ONCE = frozenset(
    (
        b"content-length",
        b"traceparent",
        b"x-restate-invocation-id",
        b"x-restate-jwt-v1",
        b"x-restate-service-key",
    )
)
_INDEXED, _INSERTED = 0x80, 0x40  # the first bits of a header's representation (RFC 7541 §6)
_State = connection.ConnectionState
_Input = connection.ConnectionInputs


class _StateMachine(connection.H2ConnectionStateMachine):
    """Stays open after a GOAWAY, because the streams up to its last stream id may still finish.

    h2 itself closes at once: the next DATA frame is then an error, even one in the same read.
    """

    _transitions = connection.H2ConnectionStateMachine._transitions | {
        (state, _Input.RECV_GOAWAY): (None, state) for state in (_State.IDLE, _State.CLIENT_OPEN)
    }


class _CachingEncoder(Encoder):
    """Header compression for requests that differ in one or two headers only.

    hpack searches its whole table for every header. Values that come once are kept out of the table, so that it
    stays as it is after the first requests, and the index of an entry can be remembered. Without Huffman coding,
    which costs more time here than its bytes do. jh2 has an encoder in Rust, which needs none of this.
    """

    def __init__(self) -> None:
        super().__init__()
        self._indexed: dict[tuple[bytes, bytes], bytes] = {}  # good until the table changes

    def encode(self, headers: Any, huffman: bool = False) -> bytes:
        """The header block for pairs of bytes."""
        if self.header_table.resized:
            self._indexed.clear()
            return super().encode(headers, huffman)
        indexed = self._indexed
        pieces = []
        for header in headers:
            piece = indexed.get(header)
            if piece is None:
                piece = self.add(header, header[0] in _ONCE, huffman)
                if piece[0] & _INDEXED:
                    indexed[header] = piece
                elif piece[0] & _INSERTED:
                    indexed.clear()
            pieces.append(piece)
        return b"".join(pieces)


class H2Machine(connection.H2Connection):
    """The state machine of one connection to a service: no I/O."""

    def __init__(self, limits: ClientLimits) -> None:
        super().__init__(
            config.H2Configuration(
                client_side=True,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.state_machine = _StateMachine()
        if isinstance(self.encoder, Encoder):
            self.encoder = _CachingEncoder()
        self.local_settings = settings.Settings(
            client=True,
            initial_values={
                settings.SettingCodes.ENABLE_PUSH: 0,
                settings.SettingCodes.INITIAL_WINDOW_SIZE: limits.stream_window_bytes,
                settings.SettingCodes.MAX_HEADER_LIST_SIZE: limits.header_list_bytes,
            },
        )
        self.decoder.max_header_list_size = limits.header_list_bytes

    def clear_outbound_data_buffer(self) -> None:
        """h2 drops unsent frames when a GOAWAY arrives; those of streams that may finish are still due."""

    @property
    def has_output(self) -> bool:
        """Whether there are bytes for the writer."""
        return bool(self._data_to_send)

    @property
    def open_outbound_streams(self) -> int:
        """h2 walks over all streams here for every new one; the connection counts them itself."""
        return 0

    def forget_if_closed(self, stream_id: int) -> None:
        """Let go of a closed stream, which h2 does on its walk; late frames for it are still known as such."""
        stream = self.streams.get(stream_id)
        if stream is not None and stream.closed:
            self._closed_streams[stream_id] = stream.closed_by
            del self.streams[stream_id]
