"""Bytes in, one parsed request after another out: what of a connection deals with httptools.

`RequestReader` is the half of a connection that reads; `Connection` inherits it and answers.
They are one object, as a call from half to half would cost more than it would explain.

What isn't obvious about the parser (llhttp, by way of httptools 0.6 to 0.9):

* It joins what it is fed, so a header without an end would grow without an end. And it tells
  nothing of much that it reads: blank lines before a request, the lines between the chunks of a
  body. So whatever completes no request is counted here, by what was fed.
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

from bucketer.doors.server.heads import KNOWN_NAMES, header_name
from bucketer.doors.server.targets import quoted, unknown_method

if TYPE_CHECKING:
    from bucketer.doors.server.worker import Worker

#: Bytes that are parsed before the connection looks whether it should go on: what bounds the
#: answers that one chunk full of pipelined requests can make us hold.
SLICE_BYTES = 4 * 1024
#: Bytes of one request that are parsed before other connections have their turn.
TURN_BYTES = 16 * SLICE_BYTES

#: What one header costs in memory beyond its bytes: two strings and a place in a table.
HEADER_COST_BYTES = 200
#: Bytes between chunks that each byte of a body may bring with it: a chunk of one has five.
FRAMING_PER_BYTE = 6

#: What the parser is told in the place of a method that it doesn't know; no route takes it.
_STAND_IN = b"UNLINK"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class StopParsing(Exception):
    """Nothing further on this connection is to be looked at."""


class RequestReader(asyncio.Protocol):
    """The reading half of a connection. The answering half has to give it seven methods."""

    __slots__ = (
        "_between",
        "_body",
        "_body_seen",
        "_framing_bytes",
        "_head_bytes",
        "_head_done",
        "_headers",
        "_kept_bytes",
        "_last",
        "_parser",
        "_paused",
        "_repeated",
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
        self._repeated: dict[str, list[str]] = {}
        self._kept_bytes = 0
        self._body_seen = 0
        self._framing_bytes = 0
        self._between = True
        self._forget_request()

    def _forget_request(self) -> None:
        if self._kept_bytes:
            self._keep(0)
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

    def _has_read(self) -> bool:
        """Say whether anything before what is being parsed has been read."""
        raise NotImplementedError

    def _send(self, data: bytes) -> None:
        """Send *data* after all that is due before it."""
        raise NotImplementedError

    def _close_when_sent(self) -> None:
        """Close, but let the client read its answers first."""
        raise NotImplementedError

    def _regulate_reading(self) -> None:
        """Read on, unless something has to be parsed or sent first."""
        raise NotImplementedError

    # -- feeding --------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless earlier answers have to leave first."""
        if self._last:
            return
        if self._paused or self._unfed or len(data) > SLICE_BYTES:
            self._unfed += data
            if not self._worker.turns.take(self._feed_on):
                self._keep_unfinished()
                self._regulate_reading()
            return
        headers = self._headers
        if data.isascii():  # nearly always: the shortest way
            self._parse(data)
        else:
            self._feed(data)
        if self._headers is headers:  # each request leaves with its own
            self._count_unfinished(len(data))

    def _feed_on(self) -> None:
        """Parse what was left over, slice by slice, for as long as we may go on reading.

        After a slice that held requests the others have their turn, as a read of 256 KB can hold
        ten thousand of them; and after some slices of a body, as one can be all tiny chunks.
        """
        rest, start, turn_over = self._unfed, 0, False
        self._unfed = b""
        while start < len(rest) and not (turn_over or self._paused or self._last):
            piece = rest[start : start + SLICE_BYTES]
            start += SLICE_BYTES
            headers = self._headers
            self._feed(piece)
            if self._headers is headers:
                self._count_unfinished(len(piece))
                turn_over = start >= TURN_BYTES
            else:
                turn_over = True
        self._unfed = b"" if self._last else rest[start:]
        if self._unfed or self._kept_bytes:
            self._keep_unfinished()
        if self._unfed and not self._paused:
            self._worker.turns.wait(self._feed_on)
        self._regulate_reading()

    def _feed(self, data: bytes) -> None:
        if data.isascii() or self._body is not None:
            self._parse(data)
        else:
            self._feed_lines(data)

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
            self._fail(error.__context__ or error)
        except httptools.HttpParserInvalidMethodError:
            if not self._last:
                self._go_on_by_another_name(data)
        except httptools.HttpParserError:
            if not self._last:
                self._refuse(400)

    def _fail(self, error: BaseException) -> None:
        if not self._last:
            self._worker.unforeseen(error, "(not read yet)")
            self._refuse(500)

    # -- counting -------------------------------------------------------------------------

    def _count_unfinished(self, fed_bytes: int) -> None:
        """Refuse a request that is too big before it is complete; count what is kept of others.

        Called when a slice completed no request. One that came whole within a slice is smaller
        than any of the bounds, but for its URL, which is the handler's to refuse.
        """
        if self._last:
            return
        limits = self._worker.limits
        if self._body is None:
            self._head_bytes += fed_bytes
            if len(self._url) > limits.url_bytes:
                self._refuse_oversized(b"")
            elif self._head_bytes > limits.url_bytes + limits.header_bytes:
                self._refuse(431)
        else:
            came = len(self._body) - self._body_seen
            self._body_seen += came
            self._framing_bytes = max(0, self._framing_bytes - FRAMING_PER_BYTE * came)
            self._framing_bytes += max(0, fed_bytes - came)
            if self._framing_bytes > limits.header_bytes:
                self._refuse(431)
        if not self._last:
            self._keep_unfinished()

    def _keep_unfinished(self) -> None:
        """Count what this connection keeps in memory that hasn't become an answer."""
        kept = self._head_bytes + len(self._headers) * HEADER_COST_BYTES + len(self._unfed)
        if self._body is not None:
            kept += len(self._body)
        self._keep(kept)

    def _keep(self, kept_bytes: int) -> None:
        self._kept_bytes = kept_bytes
        if kept_bytes > SLICE_BYTES:
            self._worker.unfinished.keep(self, kept_bytes)
        else:
            self._worker.unfinished.release(self)

    def give_up_request(self) -> None:
        """Refuse what this connection is sending: all of them together send too much."""
        self._kept_bytes = 0
        self._unfed = b""
        if not self._last:
            self._refuse(503)

    # -- what isn't quite a request -------------------------------------------------------

    def _go_on_by_another_name(self, data: bytes) -> None:
        """Read a request whose method the parser refuses, to be answered with what is allowed.

        Only a connection's first: behind others, nothing tells where it begins. *data* may begin
        with the rest of a method whose request has been answered.
        """
        method = b"" if self._has_read() else unknown_method(data)
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
        parser = self._parser
        version = parser.get_http_version().encode()
        head = [b"%b %b HTTP/%b" % (parser.get_method(), self._url, version)]
        del self._headers["upgrade"]
        head += [f"{name}: {value}".encode("latin-1") for name, value in self._headers.items()]
        self._forget_request()
        self._parser = httptools.HttpRequestParser(self)
        self._parse(b"\r\n".join(head) + b"\r\n\r\n" + rest)

    # -- what the parser calls ------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Note that the first byte of a request has come."""
        self._between = False

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        self._url = self._url + url if self._url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; several of one name are joined in the order they came."""
        if self._head_done:  # a trailer: it could claim to be any header, so it counts for none
            return
        key = KNOWN_NAMES.get(name) or header_name(name)
        text = value.decode("latin-1")
        headers = self._headers
        if key in headers:
            if key == "host":  # RFC 9112, 3.2
                self._refuse(400)
                raise StopParsing
            # Joined once: joining each to those before it would copy a long list time and again.
            self._repeated.setdefault(key, [headers[key]]).append(text)
            self._head_bytes += 1  # so that the head will be looked at
        else:
            headers[key] = text

    def on_headers_complete(self) -> None:
        """Answer a request without a body; get ready for the body of another."""
        if self._last:
            raise StopParsing
        headers = self._headers
        self._head_done = True
        if self._head_bytes or "host" not in headers:
            self._check_head()
        if "upgrade" in headers and self._parser.should_upgrade():
            self._check_version()
            self._upgrade = self._parser.get_method() != b"CONNECT"
            if self._upgrade:
                return
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
        self._between = True
        body = self._body
        if body is not None:
            self._body = None
            self._answer(bytes(body))

    def _check_head(self) -> None:
        """Refuse a head that is too big, or without the ``Host`` that HTTP/1.1 demands."""
        for name, texts in self._repeated.items():
            self._headers[name] = ", ".join(texts)
        self._repeated.clear()
        if self._head_bytes:
            size = sum(len(name) + len(value) for name, value in self._headers.items())
            if size > self._worker.limits.header_bytes:
                self._refuse(431)
                raise StopParsing
        if "host" not in self._headers and self._parser.get_http_version() != "1.0":
            self._refuse(400)
            raise StopParsing

    def _check_version(self) -> None:
        """Refuse the versions that the parser takes and we don't: 0.9 and 2.0.

        Asked where a request has a body, or says something of its connection, or can't keep it:
        one of HTTP/1.1 without either is what the parser keeps a connection for unasked.
        """
        if self._parser.get_http_version() not in {"1.1", "1.0"}:
            self._refuse(400)
            raise StopParsing

    def _expect_body(self) -> None:
        headers = self._headers
        version = self._parser.get_http_version()
        if version != "1.1":
            self._check_version()
        is_old = version == "1.0"
        if (
            is_old and "transfer-encoding" in headers
        ):  # RFC 9112, 6.1: whoever sent it knows neither
            self._refuse(400)
            raise StopParsing
        # The parser has seen to it that it is a number, but zeros may stand in front without end.
        if int(headers.get("content-length", "").lstrip("0") or 0) > self._worker.limits.body_bytes:
            self._refuse_oversized(self._worker.oversized_body)
            raise StopParsing
        self._body = bytearray()
        self._body_seen = 0
        self._framing_bytes = 0
        if "expect" in headers and headers["expect"].lower() == "100-continue" and not is_old:
            self._send(_CONTINUE)  # RFC 9110, 10.1.1
