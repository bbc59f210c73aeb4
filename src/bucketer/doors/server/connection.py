"""One client's connection: requests in, answers out in the order the requests came.

`Connection` is what uvicorn makes for each client when it is given as ``Config(http=…)``.
uvicorn keeps the sockets, the loop, workers and signals; in here a parsed request goes straight
to the handler, inside the parser's callback: no ASGI scope, no task, no message. A decision
needs no ``await``, so nothing is lost but the cost (docs/decisions/0030).
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from bucketer.api.client_address import read_address
from bucketer.api.http import SDK_KEY, Needed, Request, is_sane_request_id
from bucketer.api.refusals import refusal
from bucketer.core.bandit import PredictionNeeded
from bucketer.doors.server.held import HeldAnswer
from bucketer.doors.server.phases import BODY, CLOSING, HEAD, IDLE, NEW, STALLED, WORKING
from bucketer.doors.server.reading import RequestReader
from bucketer.doors.server.targets import origin_form
from bucketer.runtime.apart import LARGE_BYTES

if TYPE_CHECKING:
    import asyncio
    from typing import Any

    from uvicorn import Config
    from uvicorn.server import ServerState

    from bucketer.api.http import Response
    from bucketer.doors.server.worker import Worker

#: Answers that one connection may have waiting before we stop reading from it.
MAX_HELD = 64
#: Bytes of answers that a client may leave untaken before we stop reading from it, and count them.
UNTAKEN_BYTES = 16 * 1024
#: How long a client that holds up a full server has had nothing to show for, before it gives way.
_STUCK_S = 1.0

_METHODS = {b"GET": "GET", b"POST": "POST", b"HEAD": "HEAD", b"OPTIONS": "OPTIONS"}


class Connection(RequestReader):
    """The answering half. Everything runs on the loop's thread.

    Attributes:
        answered: how many answers have been written.
        mark, since: `Sweeper`'s: what it saw at its last look, and since when.
    """

    __slots__ = (
        "_held",
        "_leaving",
        "_open",
        "_owed_bytes",
        "_peer",
        "_proxied",
        "_server",
        "_stalled",
        "_transport",
        "answered",
        "mark",
        "since",
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
        self._transport: asyncio.Transport
        self._peer = ""
        self._proxied = False
        self._open = False
        self._leaving = False
        self._stalled = False
        self._held: deque[HeldAnswer] = deque()
        self._owed_bytes = 0
        self.answered = 0
        self.mark: tuple[int, str] | None = None
        self.since = 0.0

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
        self._server.connections.discard(self)
        self._worker.forget(self)

    def eof_received(self) -> bool:
        """Stay open for the answers that are still due: a client may close its half early."""
        self._last = True
        return bool(self._held)

    def shutdown(self) -> None:
        """Leave, as the server is stopping: at once when idle, else after the answer due."""
        if self.phase() in {NEW, IDLE, CLOSING} and not self._unfed:
            self._last = True
            self._transport.close()
        else:
            self._leaving = True

    def abort(self) -> None:
        """Cut the client off."""
        self._last = True
        self._open = False
        self._transport.abort()

    def gives_way(self) -> bool:
        """Leave to make room for another, if that costs nobody an answer.

        A connection between requests does. So does one that has sent or taken nothing whole for
        so long that it may be there to hold others up; the sweeper knows since when.
        """
        phase = self.phase()
        if phase in {NEW, IDLE}:
            self._last = True
            self._transport.close()
            return True
        stuck = phase != WORKING and self.mark == (self.answered, phase)
        if stuck and self._worker.loop.time() - self.since > _STUCK_S:
            self.abort()
            return True
        return False

    # -- answering ------------------------------------------------------------------------

    def _answer(self, body: bytes) -> None:
        """Hand the request to the handler and send what it says, now or when it may go."""
        worker, parser = self._worker, self._parser
        method = parser.get_method()
        said = self._headers.get("connection")
        if self._leaving or not parser.should_keep_alive():
            self._check_version()
            self._last = True
        elif said is not None:
            self._check_version()
        request = self._request(_METHODS.get(method) or self._unusual(method), body)
        self._forget_request()
        if body and len(body) > LARGE_BYTES:
            self._answer_apart(request, said, None)
            return
        try:
            runtime, headers = worker.runtime, request.headers
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
        data = worker.render(request, reply.response, self._server, said, last=self._last)
        if reply.events and worker.grouping is not None:
            held = HeldAnswer(self.send_ready, data)
            self._hold(held)
            worker.grouping.accept(reply.events, held.release)
        else:
            self._send(data)

    def _unusual(self, method: bytes) -> str:
        """Return the name of a method that is seldom asked for, or that the parser can't know."""
        if self._unheard_of:
            method, self._last = self._unheard_of, True
        return method.decode("ascii")

    def _request(self, method: str, body: bytes) -> Request:
        worker, headers, url = self._worker, self._headers, self._url
        if url[:1] != b"/":
            url = origin_form(url)
        path, _, query = url.decode().partition("?")  # it is ASCII: the reader saw to that
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
        held = HeldAnswer(self.send_ready)
        self._hold(held)
        last = self._last

        def answered(response: Response) -> None:
            held.data = worker.render(request, response, self._server, said, last=last)
            held.release()

        def refused() -> None:
            headers = worker.runtime.handler.headers_for(request.headers)
            answered(refusal(503, request.request_id, headers))

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
        request = self._request(self._unusual(self._parser.get_method()), body)
        self._forget_request()
        reply = worker.runtime.handler.handle(request, time.time(), worker.new_uuid)
        self._send(worker.render(request, reply.response, self._server, None, last=True))

    def _refuse(self, status: int) -> None:
        self._last = True
        headers = self._headers
        self._forget_request()
        self._send(self._worker.refusal(status, self._server, self._peer, headers))

    # -- order ----------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        if self._held:
            self._hold(HeldAnswer(self.send_ready, data, ready=True))
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
            if self._last:
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

    # -- pressure and time-outs -----------------------------------------------------------

    def pause_writing(self) -> None:
        """Stop reading from a client who doesn't take its answers."""
        self._stalled = True
        self._owe(0)
        self._look_at_pressure()

    def resume_writing(self) -> None:
        """Go on."""
        self._stalled = False
        self._owe(0)
        self._look_at_pressure()

    def _owe(self, more_bytes: int) -> None:
        """Count the bytes of answers that wait here: *more_bytes* held, and what isn't taken."""
        self._owed_bytes += more_bytes
        owed = self._owed_bytes
        if self._stalled:
            owed += self._transport.get_write_buffer_size()
        if owed and self._open:
            self._worker.untaken.keep(self, owed)
        else:
            self._worker.untaken.release(self)

    def _look_at_pressure(self) -> None:
        """Read only from a client who takes its answers and isn't far ahead of them."""
        pause = self._stalled or len(self._held) >= MAX_HELD
        if pause == self._paused or not self._open:
            return
        self._paused = pause
        self._regulate_reading()
        if self._unfed and not pause:
            self._worker.loop.call_soon(self._feed_on)

    def _regulate_reading(self) -> None:
        """Read on, unless something has to be parsed or sent first."""
        if not self._open:
            return
        if self._paused or self._unfed:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _has_read(self) -> bool:
        """Say whether anything before what is being parsed has been read."""
        return bool(self.answered or self._held or self._head_bytes)

    def phase(self) -> str:
        """Say what this connection is doing."""
        if self._stalled:
            return STALLED
        if self._held:
            return WORKING
        if self._last:
            return CLOSING
        if self._body is not None:
            return BODY
        if self._url:
            return HEAD
        # The parser doesn't tell of bytes before a target. On a connection's first request they
        # needn't be told from none: both are waited for as long as for a head.
        return IDLE if self.answered else NEW

    def time_out(self, phase: str) -> None:
        """Give up on a client that has been in *phase* for too long."""
        if phase in {HEAD, BODY}:
            self._refuse(408)
        elif phase in {NEW, IDLE}:
            self._last = True
            self._transport.close()
        else:
            self.abort()
