"""The runtime's side of one service stream, without I/O.

The service (its SDK) replays the journal it is sent and then appends to it. `attempt.py` is the state machine of one
stream: bytes in give what the service did, journal rows in give bytes for it. `framing.py` cuts the stream,
`modern.py` and `classic.py` know the control messages and the replay form of their generation; what a journal command
means is not known here but in `restate.runtime.journal`.

The two generations differ in how a result gets back to the service. Modern sends every journal row as its own message,
so the replay is the journal. Classic has no such message: the replay joins each command with its completion by
appending the result's field to the command's bytes, and a running service gets `Completion` messages by command index.
"""
