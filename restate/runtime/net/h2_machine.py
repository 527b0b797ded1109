"""h2's connection without the habits that hurt a client with many streams."""

from hpack import Encoder

from restate.runtime.net._h2 import config, connection, settings
from restate.runtime.net.exchange import ClientLimits
from restate.runtime.net.header_compression import CachingEncoder

_State = connection.ConnectionState
_Input = connection.ConnectionInputs


class _StateMachine(connection.H2ConnectionStateMachine):
    """Stays open after a GOAWAY, because the streams up to its last stream id may still finish.

    h2 itself closes at once: the next DATA frame is then an error, even one in the same read.
    """

    _transitions = connection.H2ConnectionStateMachine._transitions | {
        (state, _Input.RECV_GOAWAY): (None, state) for state in (_State.IDLE, _State.CLIENT_OPEN)
    }


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
            self.encoder = CachingEncoder()
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
