"""One client's connection: requests in, answers out in the order the requests came.

`Connection` is what uvicorn makes for each client when it is given as ``Config(http=…)``.
uvicorn keeps the sockets, the loop, workers and signals; in here a parsed request goes straight
to the handler, inside the parser's callback: no ASGI scope, no task, no message. A decision
needs no ``await``, so nothing is lost but the cost (docs/decisions/0030).
"""

from __future__ import annotations

import time
from itertools import takewhile
from typing import TYPE_CHECKING

from bucketer.api.client_address import read_address
from bucketer.api.http import SDK_KEY, Needed, Reply, Request, Response, is_sane_request_id
from bucketer.api.refusals import refusal
from bucketer.core.bandit import PredictionNeeded
from bucketer.doors.server.held import HeldAnswer
from bucketer.doors.server.pacing import MAX_HELD, UNTAKEN_BYTES, PacedReader
from bucketer.doors.server.phases import (
    CLOSING,
    IDLE,
    NEW,
)
from bucketer.doors.server.streaming import Streaming
from bucketer.doors.server.targets import origin_form
from bucketer.runtime.apart import LARGE_BYTES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from typing import Any

    from uvicorn import Config
    from uvicorn.server import ServerState

    from bucketer.api.streams import Stream, Telling
    from bucketer.doors.server.worker import Worker


_METHODS = {b"GET": "GET", b"POST": "POST", b"HEAD": "HEAD", b"OPTIONS": "OPTIONS"}


class Connection(PacedReader):
    """The answering half. Everything runs on the loop's thread."""

    __slots__ = (
        "_leaving",
        "_peer",
        "_proxied",
        "_server",
    )

    def __init__(
        self,
        config: Config,  # noqa: ARG002 -- uvicorn's way of making a protocol
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Be made by uvicorn; `Application` put the worker in *app_state* at the start."""
        worker: Worker = app_state["worker"]
        super().__init__(worker)
        self._server = server_state
        self._peer = ""
        self._proxied = False
        self._leaving = False

    # -- coming and going -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of streams there is only this kind
        """Take up a client, or turn it away when there are too many."""
        self._transport = transport
        transport.set_write_buffer_limits(high=UNTAKEN_BYTES)
        self._open = True
        peer = transport.get_extra_info("peername")
        self._peer = read_address(peer[0]) if peer else ""
        worker = self._worker
        self._proxied = worker.proxies.trusts(self._peer)
        self._server.connections.add(self)  # type: ignore[arg-type]  # its type lists uvicorn's own classes
        if not worker.admit(self):
            self._refuse(503)
            if worker.is_crowded():
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- either way it is gone
        """Forget the client; answers that come later find nobody."""
        self._open = False
        self._last = True
        self._held.clear()
        self._unfed = b""
        self._forget_request()
        self._parser = None  # type: ignore[assignment]  # breaks the cycle of connection and parser
        if self._streaming is not None:
            self._streaming.leave()
        self._server.connections.discard(self)
        self._worker.forget(self)

    def eof_received(self) -> bool:
        """Stay open for the answers that are still due: a client may close its half early."""
        self._last = True
        return bool(self._held)

    def shutdown(self) -> None:
        """Leave, as the server is stopping: at once when idle, else after the answer due."""
        if self._streaming is not None:
            self._transport.write(self._streaming.end())
            self._transport.close()
        elif self.phase() in {NEW, IDLE, CLOSING} and not self._unfed:
            self._last = True
            self._transport.close()
        else:
            self._leaving = True

    # -- answering ------------------------------------------------------------------------

    def _answer(self, body: bytes) -> None:
        """Answer the request that the parser has read."""
        parser = self._parser
        method = parser.get_method()
        said = self._headers.get("connection")
        if not parser.should_keep_alive():
            self._check_version()
            self._last = True
        elif said is not None:
            self._check_version()
        name, target = _METHODS.get(method) or self._unusual(method), self._target()
        headers = self._headers
        self._forget_request()
        self._handle(name, target, headers, body, said)

    def _handle(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        said: str | None = None,
    ) -> None:
        """Hand a request to the handler and send what it says, now or when it may go.

        Args:
            method: upper case.
            target: path and query, percent-encoded.
            headers: by lower-case name; not to be changed.
            body: empty where there is none.
            said: its ``Connection`` header.
        """
        worker = self._worker
        if self._leaving:
            self._last = True
        request = self._request(method, target, headers, body)
        if body and len(body) > LARGE_BYTES:
            self._answer_apart(request, said, None)
            return
        try:
            runtime = worker.runtime
            handler = (
                runtime.handler_for(headers) if SDK_KEY in headers else runtime.default.handler
            )
            reply = handler.handle(request, time.time(), worker.new_uuid)
        except (PredictionNeeded, Needed) as needed:
            try:
                reply = worker.runtime.answer_now(needed, request, worker.new_uuid)
            except (PredictionNeeded, Needed) as still:
                self._answer_apart(request, said, still)
                return
        if reply.failure is not None:
            worker.unforeseen(reply.failure, request.request_id)
        if reply.__class__ is not Reply and self._is_told(request, reply):  # type: ignore[arg-type]  # there is one other
            return
        data = worker.render(request, reply.response, self._server, said, last=self._last)
        if reply.events and worker.grouping is not None:
            held = HeldAnswer(self, data)
            self._hold(held)
            worker.grouping.accept(reply.events, held)
        else:
            self._send(data)

    def _is_told(self, request: Request, reply: Telling) -> bool:
        """Tell what *reply* gives notice of; say whether its response is one that goes on."""
        self._worker.streams.tell(reply.notices)
        if reply.response.__class__ is Response:
            return False
        self._begin_stream(request, reply.response, self._is_chunked())  # type: ignore[arg-type]  # the other kind
        return True

    def _is_chunked(self) -> bool:
        return bool(self._parser.get_http_version() != "1.0")

    def _begin_stream(self, request: Request, stream: Stream, chunked: bool) -> None:
        """Answer with a *stream*; nothing further is read from the client."""
        worker = self._worker
        streaming = Streaming(self, worker.streams, worker.loop, chunked=chunked)
        listener = worker.streams.join(stream, streaming) if self._open else None
        if listener is None:
            headers = worker.runtime.handler.headers_for(request.headers)
            refused = refusal(503, request.request_id, headers, request.path)
            self._last = True
            self._send(worker.render(request, refused, self._server, None, last=True))
            return
        head = worker.render_stream(request, stream, self._server, chunked=chunked)
        self._last = False  # whatever the client says: the answer has only begun
        self._send(head + streaming.opened(stream.opening))
        self._last = True
        streaming.listener = listener
        if worker.runtime.stay_of is not None:
            streaming.stay = worker.runtime.stay_of(request)
        self._streaming = streaming

    def _keep_ahead_of(self, held: HeldAnswer) -> None:
        """Forget *held* and what stands behind it: nothing comes after an answer without end."""
        ahead = [*takewhile(lambda each: each is not held, self._held)]
        self._owe(-sum(each.owed_bytes for each in [*self._held][len(ahead) :]))
        self._held.clear()
        self._held += ahead

    def takes_more(self) -> bool:
        """Say whether the client has taken what it was sent."""
        return self._open and not self._stalled and not self._held

    def send_more(self, data: bytes) -> None:
        """Write a piece of an answer that goes on."""
        self.answered += 1
        self._transport.write(data)

    def _unusual(self, method: bytes) -> str:
        """Return the name of a method that is seldom asked for, or that the parser can't know."""
        if self._unheard_of:
            method, self._last = self._unheard_of, True
        return method.decode("ascii")

    def _target(self) -> str:
        """Return the target; the reader saw to it that it is ASCII."""
        url = self._url
        return (url if url[:1] == b"/" else origin_form(url)).decode("ascii")

    def _request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Request:
        worker = self._worker
        path, _, query = target.partition("?")
        request_id = headers.get("x-request-id")
        if request_id is None or not is_sane_request_id(request_id):
            request_id = worker.new_request_id()
        ip = self._peer
        if self._proxied:
            ip = worker.proxies.visitor(ip, headers)
        return Request(method, path, query, headers, body, ip, request_id)

    def _answer_apart(
        self, request: Request, said: str | None, needed: PredictionNeeded | Needed | None
    ) -> None:
        """Answer from another thread: what is *needed*, or None for a large body, takes long."""
        worker = self._worker
        held = HeldAnswer(self)
        self._hold(held)
        last, chunked = self._last, self._is_chunked()

        def answered(response: Response) -> None:
            if response.__class__ is not Response and self._open:
                self._keep_ahead_of(held)
                self._begin_stream(request, response, chunked)  # type: ignore[arg-type]  # the other kind
                return
            held.data = worker.render(request, response, self._server, said, last=last)
            held.release()

        def refused() -> None:
            headers = worker.runtime.handler.headers_for(request.headers)
            answered(refusal(503, request.request_id, headers, request.path))

        worker.serve_apart(request, needed, self, answered, refused)

    def _refuse_oversized(self, body: bytes) -> None:
        """Refuse in the handler's words: of what is too big it is shown enough to see that.

        A target is never cut, since the beginning of one may be another that is sound: a user's
        whose id is shorter. What is left of one without its host may be, so it is filled up.
        """
        worker = self._worker
        self._last = True
        self._url = origin_form(self._url)
        if not body:
            self._url = self._url.ljust(worker.limits.url_bytes + 1, b"-")
        method = self._unusual(self._parser.get_method())
        request = self._request(method, self._target(), self._headers, body)
        self._forget_request()
        reply = worker.runtime.handler.handle(request, time.time(), worker.new_uuid)
        self._send(worker.render(request, reply.response, self._server, None, last=True))

    def _refuse(self, status: int) -> None:
        self._last = True
        headers, target = self._headers, self._url
        self._forget_request()
        self._send(self._worker.refusal(status, self._server, self._peer, headers, target))

    # -- order ----------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        if self._held:
            self._hold(HeldAnswer(self, data, ready=True))
            return
        self.answered += 1
        self._transport.write(data)
        if self._stalled:
            self._owe(0)
        if self._last:
            self._close_when_sent()

    def _hold(self, held: HeldAnswer) -> None:
        if self._held:  # the first leaves by itself, soon; those behind may pile up
            held.owed_bytes = len(held.data)
            self._owe(held.owed_bytes)
        self._held.append(held)
        if len(self._held) >= MAX_HELD:
            self._look_at_pressure()

    def send_ready(self) -> None:
        """Send the held answers that are ready, as far as the order allows."""
        held = self._held
        while held and held[0].ready:
            self.answered += 1
            first = held.popleft()
            self._transport.write(first.data)
            if first.owed_bytes:
                self._owe(-first.owed_bytes)
        if self._stalled:
            self._owe(0)
        if self._paused:
            self._look_at_pressure()
        if self._open and not held:
            if self._leaving and not self._unfed and self.phase() == IDLE:
                self._last = True
            if self._streaming is not None:
                self._streaming.stream_ready()
            elif self._last:
                self._close_when_sent()

    def _close_when_sent(self) -> None:
        """Close, but let the client read its answers first.

        A socket that is closed with unread input is reset, and the reset may overtake the
        answer. So only our half is closed; what still comes is thrown away until the client
        closes its own, or until the time-out for that.
        """
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
        else:
            self._transport.close()
