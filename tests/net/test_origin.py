"""Connections that cannot be opened: what is told about them."""

import errno
import os
import socket

import pytest

from restate.runtime.net.exchange import ConnectFailed
from restate.runtime.net.origin import Origin, dial


async def test_a_refused_connection_is_told_with_the_address_once() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port meanwhile
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(ConnectFailed) as caught:
            await dial(Origin.of(uri), None, (), 60)
    assert str(caught.value) == f"cannot connect to {uri}: {os.strerror(errno.ECONNREFUSED)}"
