"""Ports for programs that are told theirs before they listen."""

from __future__ import annotations

import contextlib
import socket


@contextlib.contextmanager
def held_port():
    """Give the number of a port on loopback that nobody else is given while this is open.

    Nobody listens on it, so who connects is refused. A program that sets SO_REUSEADDR, as servers
    do, may listen on it: the kernel lets such sockets share a port while one at most listens.
    A port that is looked for and let go again may be another process's before it is listened on.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
