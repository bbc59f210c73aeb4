import errno
import socket

import pytest
from tests.fakes.ports import held_port


def test_a_held_port_is_nobody_elses():
    with (
        held_port() as port,
        socket.socket() as other,
        pytest.raises(OSError, match="in use") as caught,
    ):
        other.bind(("127.0.0.1", port))

    assert errno.EADDRINUSE == caught.value.errno


def test_who_connects_to_a_held_port_is_refused_until_a_server_listens_on_it():
    with held_port() as port:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)
        with socket.create_server(("127.0.0.1", port)):
            socket.create_connection(("127.0.0.1", port), 5).close()
