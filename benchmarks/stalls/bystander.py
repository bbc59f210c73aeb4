"""The bystander: a client who asks something cheap every millisecond, and waits for the answer."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

#: Shown to every server; only one that asks for keys looks at it.
KEY = "bk_" + "bystander" * 4
_PING = (
    b"GET /bucketer?e=checkout_flow_experiment&u=bystander HTTP/1.1\r\nHost: x\r\n"
    b"Authorization: Bearer %b\r\n\r\n" % KEY.encode()
)
#: Seconds after which an answer is no longer waited for: a stall isn't measured beyond that.
PATIENCE_S = 5.0


def longest_stall_ms(port: int, least_s: float, most_s: float, done: Callable[[], bool]) -> float:
    """Return the longest time from question to answer, in ms; reconnecting is part of it.

    Asks for *least_s* seconds at the least, then until *done*, for *most_s* at the most. A stall of
    `PATIENCE_S` ends it.
    """
    began = time.monotonic()
    longest_s = 0.0
    client = _Client(port)
    try:
        while True:
            asked = time.perf_counter()
            client.ask(asked + PATIENCE_S)
            took = time.perf_counter() - asked
            longest_s = max(longest_s, took)
            spent = time.monotonic() - began
            if took >= PATIENCE_S or spent > most_s or (spent > least_s and done()):
                return longest_s * 1_000
            time.sleep(max(0.0, 0.001 - took))
    finally:
        client.close()


class _Client:
    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, until: float) -> None:
        """Ask once and wait for a 200; connect anew, and ask again, as often as it takes."""
        while (left := until - time.perf_counter()) > 0:
            try:
                if self._socket is None:
                    self._socket = socket.create_connection(("127.0.0.1", self._port), left)
                self._socket.settimeout(left)
                self._socket.sendall(_PING)
                if self._socket.recv(65536).startswith(b"HTTP/1.1 200"):
                    return
            except OSError:
                pass
            self.close()

    def close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None
