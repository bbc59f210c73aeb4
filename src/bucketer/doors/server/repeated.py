"""Requests whose headers have come before, byte for byte: of them only the first line is read.

A client that keeps its connection sends the same headers with each request, and what the parser
would say of them is known. Whatever isn't exactly such a request is the parser's
(docs/decisions/0178).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.doors.server.known_heads import VERSION
from bucketer.doors.server.reading import SLICE_BYTES, RequestReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bucketer.doors.server.known_heads import KnownHead
    from bucketer.doors.server.worker import Worker

#: Unknown heads in a row after which a client isn't one that repeats them: each of its requests has
#: an id of its own, say, or it is a proxy. It is left to the parser, which then costs less.
TRIES = 8

_TARGET = bytes(range(0x21, 0x7F))


class RepeatedReader(RequestReader):
    """A reader that knows again what it has read before."""

    __slots__ = ("_known", "_tries")

    def __init__(self, worker: Worker) -> None:
        """Wait for the first byte; see `RequestReader`."""
        super().__init__(worker)
        #: The last request's, if that came whole and alone: the parser waits for another's first
        #: byte then, and doesn't mind whether one has passed it by.
        self._known: KnownHead | None = None
        self._tries = TRIES

    def _handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        """Answer a request of HTTP/1.1 that says nothing of its connection."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        """Answer what is known but for its first line and its body; parse what isn't."""
        known = self._known
        if known is not None and not (self._last or self._paused):
            try:
                if self._knows(data, known):
                    return
            except Exception as error:  # noqa: BLE001 -- as where the parser calls
                self._fail(error)
                return
        before, began = self._headers, self._between
        super().data_received(data)
        self._known = None
        # Each request leaves with its own headers, so others tell that it is complete.
        if began and self._tries and self._headers is not before and not self._last:
            self._tries -= 1
            self._known = self._worker.known_heads.learn(data, before)

    def _knows(self, data: bytes, known: KnownHead) -> bool:
        """Answer *data*, and say so, if it is one request with *known* or another known head."""
        head, headers, length = known
        if not length and data.endswith(head) and data.startswith(b"GET /"):
            # Nearly always, and the shortest way to what comes below.
            method, target, body = "GET", data[4 : -len(head)], b""
        else:
            start = data.find(b"\r") - len(VERSION)
            if not data.startswith(head, start):
                other = self._worker.known_heads.find(data, start)
                if other is None:
                    return False
                self._known = head, headers, length = other
            method = "POST" if data.startswith(b"POST /") else "GET"
            target, body = data[len(method) + 1 : start], data[start + len(head) :]
            if len(body) != length or not data.startswith((b"GET /", b"POST /")):
                return False
        if target.translate(None, _TARGET) or len(data) > SLICE_BYTES:
            return False
        self._tries = TRIES
        self._handle(method, target.decode("ascii"), headers, body)
        return True
