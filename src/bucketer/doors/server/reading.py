"""Bytes in, one parsed request after another out: what of a connection deals with httptools.

`RequestReader` is the half of a connection that reads; `Connection` inherits it and answers.
They are one object, as a call from half to half would cost more than it would explain.

What isn't obvious about the parser (llhttp, by way of httptools 0.6 to 0.9):

* It joins what it is fed, so a header without an end would grow without an end: the bytes of a
  head are counted here.
* It takes what follows a head with ``Upgrade`` for another protocol, body included; a request
  that asks for an upgrade is parsed again without asking.
* It reports trailers as headers.
* It refuses bytes beyond ASCII in a target, which curl and hand-written clients do send.
* It refuses methods that it has never heard of, which are to be told what is allowed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httptools

from bucketer.doors.server.heads import header_name
from bucketer.doors.server.targets import quoted, unknown_method

if TYPE_CHECKING:
    from bucketer.doors.server.worker import Worker

#: Bytes that are parsed before the connection looks whether it should go on: what bounds the
#: answers that one chunk full of pipelined requests can make us hold.
SLICE_BYTES = 4 * 1024

#: What the parser is told in the place of a method that it doesn't know; no route takes it.
_STAND_IN = b"UNLINK"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class StopParsing(Exception):
    """Nothing further on this connection is to be looked at."""


class RequestReader(asyncio.Protocol):
    """The reading half of a connection. The answering half has to give it five methods."""

    __slots__ = (
        "_body",
        "_head_bytes",
        "_head_done",
        "_headers",
        "_last",
        "_parser",
        "_paused",
        "_unfed",
        "_unheard_of",
        "_upgrade",
        "_url",
        "_worker",
    )

    def __init__(self, worker: Worker) -> None:
        """Wait for the first byte."""
        self._worker = worker
        self._parser = httptools.HttpRequestParser(self)
        self._last = False
        self._paused = False
        self._unfed = b""
        self._unheard_of = b""
        self._forget_request()

    def _forget_request(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._head_done = False
        self._body: bytearray | None = None
        self._upgrade = False

    # -- what the answering half does -----------------------------------------------------

    def _answer(self, body: bytes) -> None:
        """Answer the request that has been read."""
        raise NotImplementedError

    def _refuse(self, status: int) -> None:
        """Answer something that isn't a request, and leave."""
        raise NotImplementedError

    def _refuse_oversized(self, body: bytes) -> None:
        """Answer a request that is too big to be read to its end, and leave."""
        raise NotImplementedError

    def _send(self, data: bytes) -> None:
        """Send *data* after all that is due before it."""
        raise NotImplementedError

    def _close_when_sent(self) -> None:
        """Close, but let the client read its answers first."""
        raise NotImplementedError

    # -- feeding --------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless earlier answers have to leave first."""
        if self._last:
            return
        if self._paused or self._unfed or len(data) > SLICE_BYTES:
            self._unfed += data
            self._feed_on()
        elif data.isascii():  # nearly always: the shortest way
            self._parse(data)
            if self._url and not (self._head_done or self._last):
                self._bound_head(len(data))
        else:
            self._feed(data)

    def _feed_on(self) -> None:
        """Parse what was left over, slice by slice, for as long as we may go on reading."""
        rest, start = self._unfed, 0
        while start < len(rest) and not (self._paused or self._last):
            piece = rest[start : start + SLICE_BYTES]
            start += SLICE_BYTES
            self._feed(piece)
        self._unfed = b"" if self._last else rest[start:]

    def _feed(self, data: bytes) -> None:
        if data.isascii() or self._body is not None:
            self._parse(data)
        else:
            self._feed_lines(data)
        if self._url and not (self._head_done or self._last):
            self._bound_head(len(data))

    def _feed_lines(self, data: bytes) -> None:
        """Feed a head with bytes beyond ASCII: line by line, those of its first line quoted.

        The parser refuses them in a target, but the handler knows better what to do with them.
        Quoting changes nothing of where lines end, so nothing of where a request ends.
        """
        start = 0
        while start < len(data) and self._body is None and not self._last:
            end = data.find(b"\n", start) + 1 or len(data)
            line = data[start:end]
            start = end
            self._parse(line if self._headers else quoted(line))
        if start < len(data) and not self._last:
            self._parse(data[start:])

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError as error:
            if not self._last:
                self._worker.unforeseen(error.__context__ or error, "(not read yet)")
                self._refuse(500)
        except httptools.HttpParserInvalidMethodError:
            if not self._last:
                self._go_on_by_another_name(data)
        except httptools.HttpParserError:
            if not self._last:
                self._refuse(400)

    def _bound_head(self, fed_bytes: int) -> None:
        """Refuse a head that is too big before it is complete.

        Called only when a slice ended inside a head; one that came whole within a slice is
        smaller than the bound for headers, and its URL is the handler's to refuse.
        """
        self._head_bytes += fed_bytes
        limits = self._worker.limits
        if len(self._url) > limits.url_bytes:
            self._refuse_oversized(b"")
        elif self._head_bytes > limits.url_bytes + limits.header_bytes:
            self._refuse(431)

    def _go_on_by_another_name(self, data: bytes) -> None:
        """Read a request whose method the parser refuses, to be answered with what is allowed.

        Only one that *data* begins with: behind others, nothing tells where it begins.
        """
        method = unknown_method(data)
        if not method:
            self._refuse(400)
            return
        self._unheard_of = method
        self._parser = httptools.HttpRequestParser(self)
        self._parse(_STAND_IN + data[len(method) :])

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Read a request as if it hadn't asked for another protocol (RFC 9110, 7.8)."""
        if not self._upgrade:  # CONNECT: answered already, and what follows is not HTTP
            self._last = True
            self._close_when_sent()
            return
        head = [b"%b %b HTTP/1.1" % (self._parser.get_method(), self._url)]
        del self._headers["upgrade"]
        head += [f"{name}: {value}".encode("latin-1") for name, value in self._headers.items()]
        self._forget_request()
        self._parser = httptools.HttpRequestParser(self)
        self._parse(b"\r\n".join(head) + b"\r\n\r\n" + rest)

    # -- what the parser calls ------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        self._url = self._url + url if self._url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; several of one name are joined in the order they came."""
        if self._head_done:  # a trailer: it could claim to be any header, so it counts for none
            return
        key = header_name(name)
        text = value.decode("latin-1")
        headers = self._headers
        if key in headers:
            if key == "host":  # RFC 9112, 3.2
                self._refuse(400)
                raise StopParsing
            text = f"{headers[key]}, {text}"
        headers[key] = text

    def on_headers_complete(self) -> None:
        """Answer a request without a body; get ready for the body of another."""
        if self._last:
            raise StopParsing
        headers = self._headers
        self._head_done = True
        if "upgrade" in headers and self._parser.should_upgrade():
            self._upgrade = self._parser.get_method() != b"CONNECT"
            if self._upgrade:
                return
        if self._head_bytes or "host" not in headers:
            self._check_head()
        if "content-length" in headers or "transfer-encoding" in headers:
            self._expect_body()
        else:
            self._answer(b"")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, up to the limit."""
        if self._body is None:
            return
        self._body += body
        if len(self._body) > self._worker.limits.body_bytes:
            self._refuse_oversized(self._worker.oversized_body)
            raise StopParsing

    def on_message_complete(self) -> None:
        """Answer a request whose body is complete."""
        body = self._body
        if body is not None:
            self._body = None
            self._answer(bytes(body))

    def _check_head(self) -> None:
        """Refuse a head that is too big, or without the ``Host`` that HTTP/1.1 demands."""
        if self._head_bytes:
            size = sum(len(name) + len(value) for name, value in self._headers.items())
            if size > self._worker.limits.header_bytes:
                self._refuse(431)
                raise StopParsing
        if "host" not in self._headers and self._parser.get_http_version() == "1.1":
            self._refuse(400)
            raise StopParsing

    def _expect_body(self) -> None:
        headers = self._headers
        if int(headers.get("content-length", 0)) > self._worker.limits.body_bytes:
            self._refuse_oversized(self._worker.oversized_body)
            raise StopParsing
        self._body = bytearray()
        if headers.get("expect", "").lower() == "100-continue":
            self._send(_CONTINUE)
