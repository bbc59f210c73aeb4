"""Lambda's Extensions API over real sockets: registers, and tells of an invocation when told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class ExtensionsApi:
    """One extension's side of Lambda.

    Attributes:
        address: for ``AWS_LAMBDA_RUNTIME_API``.
        asked: the paths of all requests so far.
        status: of the answer to a registration.
        identifier: in it.
        closes: whether the connection is closed behind it, with a word or without.
    """

    def __init__(
        self, status: int = 200, identifier: str = "it", closes: str | None = None
    ) -> None:
        self.status, self.identifier, self.closes = status, identifier, closes
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._changed = threading.Condition()
        self._ended = self._untold = False
        self._waiting: list[socket.socket] = []  # connections with an unanswered `next`
        self._open: list[socket.socket] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def wait_until_asked(self, times: int) -> None:
        """Wait until the next invocation has been asked for so often.

        Raises:
            TimeoutError: it wasn't within five seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._asked_for_next() >= times, 5):
                raise TimeoutError(self.asked)

    def invoke(self) -> None:
        """Tell whoever waits of an invocation; without anybody, who asks next."""
        with self._changed:
            waiting, self._waiting = self._waiting, []
            self._untold = not waiting
        for connection in waiting:
            connection.sendall(_INVOKE)

    def drop(self) -> None:
        """Cut all connections, as a restored snapshot may find them."""
        with self._changed:
            gone, self._open, self._waiting = self._open, [], []
        for connection in gone:
            with contextlib.suppress(OSError):  # it is gone already
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
        self._listener.shutdown(socket.SHUT_RDWR)  # or the thread would go on accepting
        self._listener.close()
        self.drop()

    def _asked_for_next(self) -> int:
        return sum(path.endswith("/event/next") for path in self.asked)

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                if self._ended:
                    connection.close()
                    return
                self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the process at the other end is gone, or we dropped it
            self._read(connection)

    def _read(self, connection: socket.socket) -> None:
        data = b""
        while some := connection.recv(65_536):
            data += some
            while b"\r\n\r\n" in data:
                head, _, rest = data.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                if len(rest) < length:
                    break
                data = rest[length:]
                self._take(head.split()[1].decode(), connection)

    def _take(self, path: str, connection: socket.socket) -> None:
        with self._changed:
            self.asked.append(path)
            if path.endswith("/register"):
                connection.sendall(self._registered())
                if self.closes is not None:
                    connection.shutdown(socket.SHUT_RDWR)
            elif self._untold:
                self._untold = False
                connection.sendall(_INVOKE)
            else:
                self._waiting.append(connection)
            self._changed.notify_all()

    def _registered(self) -> bytes:
        return _answer(self.status, b"{}", self.identifier, self.closes or "")


def _answer(status: int, body: bytes, identifier: str = "it", more: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status} OK\r\nLambda-Extension-Identifier: {identifier}\r\n{more}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


_INVOKE = _answer(200, b'{"eventType": "INVOKE", "deadlineMs": 1}')
