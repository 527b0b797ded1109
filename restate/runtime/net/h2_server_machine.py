"""h2's connection as a server needs it: many short streams, and headers that are checked elsewhere. No I/O."""

import struct
from typing import Any

from hpack import Decoder, Encoder

from restate.runtime.net import _h2
from restate.runtime.net.header_compression import CachingDecoder, CachingEncoder
from restate.runtime.net.limits import Limits

_State = _h2.connection.ConnectionState
_Input = _h2.connection.ConnectionInputs
_StreamInput = _h2.stream.StreamInputs

_DATA, _HEADERS, _CONTINUATION = 0x0, 0x1, 0x9  # types of frames
_END_STREAM, _END_HEADERS = 0x1, 0x4
_FRAME_HEAD = struct.Struct(">HBBBL")


def _declares_nothing(headers: Any) -> None:
    """In place of h2's look at content-length."""


class _ConnectionState(_h2.connection.H2ConnectionStateMachine):
    """After a GOAWAY of the client its open streams go on: in the original the connection is closed by it."""

    _transitions = {  # noqa: RUF012 - a class variable there, too
        **_h2.connection.H2ConnectionStateMachine._transitions,
        (_State.SERVER_OPEN, _Input.RECV_GOAWAY): (None, _State.SERVER_OPEN),
    }


class ServerMachine(_h2.connection.H2Connection):
    """The state machine of one connection; its settings and windows are ready to be sent.

    The caller calls `forget` for each stream that has ended.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__(
            _h2.config.H2Configuration(
                client_side=False,
                header_encoding=None,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.state_machine = _ConnectionState()
        codes = _h2.settings.SettingCodes
        self.local_settings = _h2.settings.Settings(
            client=False,
            initial_values={
                codes.INITIAL_WINDOW_SIZE: limits.initial_window_bytes,
                codes.MAX_CONCURRENT_STREAMS: limits.max_concurrent_streams,
                codes.MAX_HEADER_LIST_SIZE: limits.header_block_bytes,
            },
        )
        self.initiate_connection()
        self.increment_flow_control_window(limits.connection_window_bytes - 65_535)
        # Above the announced size the stream gets an answer (431); above this one the connection ends.
        most_bytes = 4 * limits.header_block_bytes
        if isinstance(self.decoder, Decoder):
            self.decoder = CachingDecoder(most_bytes)
        if isinstance(self.encoder, Encoder):
            self.encoder = CachingEncoder()
        self.decoder.max_header_list_size = most_bytes

    @property
    def open_inbound_streams(self) -> int:
        """h2 walks over all streams here for every new one; with the limit it ends the connection."""
        return len(self.streams)

    def _begin_new_stream(self, stream_id: int, allowed_ids: Any) -> Any:
        """A body that is not as long as declared is the fault of its stream; h2 would end the connection for it."""
        stream = super()._begin_new_stream(stream_id, allowed_ids)
        stream._initialize_content_length = _declares_nothing  # type: ignore[method-assign]
        return stream

    def forget(self, stream_id: int) -> None:
        """Let go of a stream if it is closed; late frames for it are still known as such."""
        stream = self.streams.get(stream_id)
        if stream is not None and stream.closed:
            self._closed_streams[stream_id] = stream.closed_by
            del self.streams[stream_id]

    def send_headers(
        self,
        stream_id: int,
        headers: Any,
        end_stream: bool = False,
        *_: Any,
        **__: Any,
    ) -> None:
        """As the original, for final answers and trailers whose fields are bytes and checked."""
        if not isinstance(self.encoder, CachingEncoder):  # jh2
            super().send_headers(stream_id, headers, end_stream)
            return
        stream = self._get_stream_by_id(stream_id)
        self.state_machine.process_input(_Input.SEND_HEADERS)
        stream.state_machine.process_input(_StreamInput.SEND_HEADERS)
        flags = 0
        if end_stream:
            stream.state_machine.process_input(_StreamInput.SEND_END_STREAM)
            flags = _END_STREAM
        block = self.encoder.encode(headers)
        most = self.max_outbound_frame_size
        if len(block) <= most:
            self._append(_HEADERS, flags | _END_HEADERS, stream_id, block)
            return
        kind = _HEADERS
        for start in range(0, len(block), most):
            if start + most >= len(block):
                flags |= _END_HEADERS
            self._append(kind, flags, stream_id, block[start : start + most])
            kind, flags = _CONTINUATION, 0

    def send_data(
        self, stream_id: int, data: bytes | memoryview, end_stream: bool = False, pad_length: Any = None
    ) -> None:
        """As the original, for data that the caller has cut to what may be sent. There is no padding."""
        stream = self._get_stream_by_id(stream_id)
        self.state_machine.process_input(_Input.SEND_DATA)
        stream.state_machine.process_input(_StreamInput.SEND_DATA)
        if end_stream:
            stream.state_machine.process_input(_StreamInput.SEND_END_STREAM)
        size = len(data)
        stream.outbound_flow_control_window -= size
        self.outbound_flow_control_window -= size
        assert size == 0 or min(stream.outbound_flow_control_window, self.outbound_flow_control_window) >= 0
        self._append(_DATA, _END_STREAM if end_stream else 0, stream_id, data)

    def _append(self, kind: int, flags: int, stream_id: int, payload: bytes | memoryview) -> None:
        size = len(payload)
        self._data_to_send += _FRAME_HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream_id)
        self._data_to_send += payload
