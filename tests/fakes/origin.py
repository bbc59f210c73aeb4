"""A web server on loopback that says exactly the bytes it is told to, right or wrong."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Self


class Origin:
    """Answers each connection with the next of `answers`, the last one again and again.

    An answer is bytes; a float is a pause in seconds; a list of both is said in order. Requests
    that came are kept whole in `requests`.
    """

    def __init__(self, *answers: bytes | list[bytes | float], port: int = 0) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def headers(self, number: int = -1) -> dict[str, str]:
        """The headers of one request, lower-case names."""
        lines = self.requests[number].decode("latin-1").split("\r\n\r\n")[0].split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                piece = connection.recv(65536)
                if not piece:
                    return
                data += piece
            self.requests.append(data)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            for part in answer if isinstance(answer, list) else [answer]:
                if isinstance(part, float):
                    time.sleep(part)
                else:
                    connection.sendall(part)


def ok(body: bytes, **headers: str) -> bytes:
    """A plain 200 with *body*; ``etag='"1"'`` and the like become headers."""
    return answer(200, body, **headers)


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An answer of any status; underscores in names stand for hyphens."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
