"""What hostile clients do with sockets: send, stream, hold back, never read."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable
from itertools import repeat

#: A piece of an attack: takes the port of the server.
Attack = Callable[[int], None]

#: Seconds that a client which holds something back or never reads stays.
_STAYS_S = 2.0
#: Seconds for which an answer is waited for.
_PATIENCE_S = 20.0


def get(target: str, *headers: str) -> bytes:
    lines = [f"GET {target} HTTP/1.1", "Host: x", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def post(target: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def one_by_one(*requests: bytes) -> Attack:
    """Send each on a connection of its own, and wait for its answer."""

    def attack(port: int) -> None:
        for request in requests:
            with _connected(port) as client, contextlib.suppress(OSError):
                client.sendall(request)
                client.recv(65536)

    return attack


def at_once(clients: int, *requests: bytes) -> Attack:
    """So many clients do that at the same time."""

    def attack(port: int) -> None:
        threads = [
            threading.Thread(target=one_by_one(*requests), args=(port,)) for _ in range(clients)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    return attack


def stream(beginning: bytes, piece: bytes) -> Attack:
    """Begin a request and go on with it for as long as we stay, or are let."""

    def attack(port: int) -> None:
        until = time.monotonic() + _STAYS_S
        with _connected(port) as client, contextlib.suppress(OSError):
            client.sendall(beginning)
            while time.monotonic() < until:
                client.sendall(piece)

    return attack


def pipeline(requests: bytes, times: int = 1, clients: int = 1) -> Attack:
    """Send many requests in one go, and take what is answered."""

    def one(port: int) -> None:
        with _connected(port) as client, contextlib.suppress(OSError):
            client.settimeout(_STAYS_S)
            taking = threading.Thread(target=_take, args=(client,))
            taking.start()
            for _ in range(times):
                client.sendall(requests)
            client.shutdown(socket.SHUT_WR)
            taking.join()

    def attack(port: int) -> None:
        threads = [threading.Thread(target=one, args=(port,)) for _ in range(clients)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    return attack


def hold(clients: int, data: bytes = b"", drip: bytes = b"") -> Attack:
    """Open so many connections, send each its *data*, then a *drip* now and then; never read."""

    def attack(port: int) -> None:
        with contextlib.ExitStack() as stack:
            held = []
            for _ in range(clients):
                client = stack.enter_context(_connected(port))
                client.settimeout(0.2)
                held.append(client)
                with contextlib.suppress(OSError):
                    client.sendall(data)
            until = time.monotonic() + _STAYS_S
            while time.monotonic() < until:
                for client in held if drip else ():
                    with contextlib.suppress(OSError):
                        client.sendall(drip)
                time.sleep(0.1)

    return attack


def come_and_go(clients: int, data: bytes = b"") -> Attack:
    """Open so many connections one after the other, and leave each at once."""

    def attack(port: int) -> None:
        for _ in range(clients):
            with _connected(port) as client, contextlib.suppress(OSError):
                client.sendall(data)

    return attack


def each_of(requests: Iterable[bytes]) -> Attack:
    """As `one_by_one`, of many."""
    return one_by_one(*requests)


def again(request: bytes, times: int) -> Attack:
    return one_by_one(*repeat(request, times))


def wait(_port: int) -> None:
    """Do nothing with sockets: what is hostile comes another way."""
    time.sleep(_STAYS_S)


def _take(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while client.recv(1 << 20):
            pass


def _connected(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), _PATIENCE_S)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client
