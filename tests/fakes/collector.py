"""A stand-in for Optimizely's Event API: a real HTTP server on loopback that keeps what it gets.

It can be told to misbehave: `collector.script` is a list of moods, one per request, and `mood` is
what it does when the list is empty. A mood is a status, or one of the words below.

    hang      say nothing until the client gives up
    close     close the connection without an answer
    midway    close in the middle of the answer
    garbage   answer with what is not HTTP
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

Mood = int | str | tuple[int, dict[str, str]]


class Collector:
    """Listens from its making to `close`.

    Attributes:
        payloads: bodies that were answered with 2xx, parsed, in order.
        refused: bodies that were answered otherwise.
        requests: how many requests were read.
        judge: payload → mood, asked when the script is empty; for collectors that dislike somebody.
    """

    def __init__(self, port: int = 0, *, keep_payloads: bool = True) -> None:
        self.mood: Mood = 204
        self.script: list[Mood] = []
        self.judge = None
        self.payloads: list[dict] = []
        self.refused: list[dict] = []
        self.requests = 0
        self.connections = 0
        self.times: list[float] = []
        self.delay_s = 0.0
        self._closing = False
        self._keep = keep_payloads
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", port), reuse_port=False, backlog=64)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1/events"
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    # -- what arrived -----------------------------------------------------------------------

    def visitors(self) -> list[dict]:
        """All visitors in the order in which they arrived, repeats included."""
        with self._lock:
            return [visitor for payload in self.payloads for visitor in payload["visitors"]]

    def uuids(self) -> list[str]:
        """Their events' uuids."""
        return [
            event["uuid"] for v in self.visitors() for s in v["snapshots"] for event in s["events"]
        ]

    def wait_for(self, count: int, timeout_s: float = 60.0) -> None:
        """Wait until *count* different events have arrived.

        Raises:
            AssertionError: they did not.
        """
        until = time.monotonic() + timeout_s
        while len(set(self.uuids())) < count:
            assert time.monotonic() < until, f"{len(set(self.uuids()))} of {count} events arrived"
            time.sleep(0.01)

    def close(self) -> None:
        """Stop listening and drop all connections, as a machine that is switched off."""
        self._closing = True
        _drop(self._socket)
        for connection in list(self._open):
            _drop(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- serving ----------------------------------------------------------------------------

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        try:
            while self._one(connection, stream):
                pass
        except OSError:
            pass
        finally:
            self._open.discard(connection)
            _drop(connection)

    def _one(self, connection: socket.socket, stream) -> bool:
        if not stream.readline():
            return False
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = stream.read(length)
        payload = json.loads(body) if self._keep else None
        with self._lock:
            self.requests += 1
            self.times.append(time.monotonic())
            mood = self.script.pop(0) if self.script else None
        if mood is None:
            mood = self.judge(payload) if self.judge else self.mood
        if self.delay_s:
            time.sleep(self.delay_s)
        return self._answer(connection, payload, mood)

    def _answer(self, connection: socket.socket, payload, mood: Mood) -> bool:
        if mood == "hang":
            while not self._closing:
                time.sleep(0.05)
            return False
        if mood == "close":
            return False
        if mood == "midway":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Len")
            return False
        if mood == "garbage":
            connection.sendall(b"220 smtp.example ready\r\n\r\n")
            return False
        status, headers = mood if isinstance(mood, tuple) else (mood, {})
        with self._lock:
            (self.payloads if 200 <= status < 300 else self.refused).append(payload)
        lines = [f"HTTP/1.1 {status} X", *(f"{k}: {v}" for k, v in headers.items())]
        lines += [] if status == 204 else ["Content-Length: 2"]
        body = "" if status == 204 else "ok"
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        return True


def _drop(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed already
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
