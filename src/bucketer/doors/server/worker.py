"""What the connections of one worker process share: runtime, limits, ids, threads.

Lives on the event loop's thread; what takes long runs elsewhere (`runtime/apart.py`).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

from bucketer.api.http import is_sane_request_id
from bucketer.api.refusals import refusal
from bucketer.doors.server.budget import Budget
from bucketer.doors.server.grouping import Grouping
from bucketer.doors.server.heads import Heads
from bucketer.doors.server.ids import request_ids, uuids
from bucketer.doors.server.known_heads import KnownHeads
from bucketer.doors.server.streams import Streams
from bucketer.doors.server.turns import Turns
from bucketer.runtime.apart import Apart, TooMuchAtOnce

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future

    from uvicorn.server import ServerState

    from bucketer.api.client_address import TrustedProxies
    from bucketer.api.http import Needed, Request, Response
    from bucketer.api.streams import Notice
    from bucketer.core.bandit import PredictionNeeded
    from bucketer.doors.server.limits import Limits
    from bucketer.doors.server.phases import Client, Sender
    from bucketer.runtime.runtime import Runtime

_log = logging.getLogger("bucketer.server")

#: Clients that are looked at for one that gives way to a new one, when all places are taken.
_ASKED_TO_LEAVE = 16
#: Clients beyond the limit of connections that may stay to read that there is no place for them.
_LINGERING = 16


class Worker:
    """One process's share of the work.

    Attributes:
        runtime: the edition in use and its handler; asked anew on each request.
        limits: what clients may ask.
        proxies: who is believed on where a request came from.
        loop: the event loop of the process.
        oversized_body: stands for any body over the limit, which we don't read to its end.
        new_uuid, new_request_id: make ids.
        connections: all that are open, in no order that means anything.
        unfinished: bytes of requests that haven't come whole, by connection.
        known_heads: those of late requests.
        turns: lets a few connections at a time parse on what they were sent at once.
        untaken: bytes of answers that their clients don't take, or that wait behind others.
        grouping: takes the events, after which their answers may go; None when events are off.
        streams: who listens to what, and tells them.
    """

    def __init__(
        self,
        runtime: Runtime,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        proxies: TrustedProxies,
        *,
        waits_for_disk: bool = False,
        listened: set[str] | None = None,
    ) -> None:
        """Make ready; threads are made when the first request needs one.

        What is in *listened* is kept true for those who make notices.
        """
        self.runtime = runtime
        self.loop = loop
        self.limits = limits
        self.proxies = proxies
        self.oversized_body = bytes(limits.body_bytes + 1)
        self.new_uuid = uuids()
        self.new_request_id = request_ids()
        self.connections: OrderedDict[Client, None] = OrderedDict()
        self.unfinished: Budget[Sender] = Budget(limits.unfinished_bytes, _give_up_request)
        self.untaken: Budget[Client] = Budget(limits.untaken_bytes, _abort)
        self.turns = Turns(loop)
        self._turned_away: set[Client] = set()
        outbox = runtime.outbox
        self.grouping: Grouping | None = None
        if outbox is not None:
            self.grouping = Grouping(outbox, loop, waits_for_disk=waits_for_disk)
        # Half the places stay for those who ask and go.
        most = limits.connections // 2
        listened = set() if listened is None else listened
        self.streams = Streams(loop, most, listened, runtime.stream_room)
        runtime.on_telling = self._tell_from_anywhere
        self._heads = Heads()
        self.known_heads = KnownHeads()
        self._apart = Apart(
            runtime, limits.unfinished_bytes, threads=limits.threads, wait_s=limits.apart_s
        )

    # -- who comes and goes ---------------------------------------------------------------

    def admit(self, client: Client) -> bool:
        """Take up *client*; say whether there is a place for it. The idle make one."""
        taken = len(self.connections) - len(self._turned_away)
        full = taken >= self.limits.connections and not self._make_way()
        self.connections[client] = None
        if full:
            self._turned_away.add(client)
        return not full

    def is_crowded(self) -> bool:
        """Say whether more clients than can be told at leisure have found no place."""
        return len(self._turned_away) > _LINGERING

    def forget(self, client: Client) -> None:
        """Let go of a client that is gone."""
        self.connections.pop(client, None)
        self._turned_away.discard(client)
        self.unfinished.release(client)
        self.untaken.release(client)

    def _make_way(self) -> bool:
        """Ask a few clients, those first that have not been asked for longest, to leave."""
        connections = self.connections
        for _ in range(min(_ASKED_TO_LEAVE, len(connections))):
            client = next(iter(connections))
            if client not in self._turned_away and client.gives_way():
                connections.pop(client, None)
                return True
            connections.move_to_end(client)
        return False

    # -- answers --------------------------------------------------------------------------

    def render(
        self,
        request: Request,
        response: Response,
        state: ServerState,
        said: str | None,
        *,
        last: bool,
    ) -> bytes:
        """Return the bytes of *response*.

        Args:
            request: what is answered, for whoever watches (`watching.py`).
            response: the answer.
            state: uvicorn's, which keeps the date.
            said: the request's ``Connection`` header; a client of HTTP/1.0 that asked for
                ``keep-alive`` has to be told that it got it.
            last: the connection closes after this answer.
        """
        del request
        if last:
            line = b"connection: close\r\n"
        else:
            line = b"" if said is None else b"connection: keep-alive\r\n"
        return self._heads.render(response, state.default_headers, line)

    def render_stream(
        self, request: Request, response: Response, state: ServerState, *, chunked: bool
    ) -> bytes:
        """Return the head of *response*, which goes on; *request* is for whoever watches."""
        del request
        return self._heads.stream(response, state.default_headers, chunked=chunked)

    def refusal(
        self,
        status: int,
        state: ServerState,
        ip: str,
        headers: Mapping[str, str],
        target: bytes = b"",
    ) -> bytes:
        """Return the bytes of an answer to what never became a request.

        Args:
            status: one of `REFUSALS`.
            state: uvicorn's, which keeps the date.
            ip: the peer.
            headers: the client's, as far as they had been read, by lower-case name.
            target: path and query, as far as they had been read.
        """
        response = self.refused(status, ip, headers, target)
        return self._heads.render(response, state.default_headers, b"connection: close\r\n")

    def refused(
        self, status: int, ip: str, headers: Mapping[str, str], target: bytes = b""
    ) -> Response:
        """Return the answer to what never became a request; see `refusal`."""
        del ip
        given_id = headers.get("x-request-id", "")
        request_id = given_id if is_sane_request_id(given_id) else self.new_request_id()
        path = target.partition(b"?")[0].decode("ascii", "replace")
        return refusal(status, request_id, self.runtime.handler.headers_for(headers), path)

    def unforeseen(self, failure: BaseException, request_id: str) -> None:
        """Log what was answered with a 500."""
        more = {"request_id": request_id}
        _log.error("request %s: unforeseen", request_id, exc_info=failure, extra=more)

    def _tell_from_anywhere(self, notices: Iterable[Notice]) -> None:
        """Tell what happened on another thread."""
        self.loop.call_soon_threadsafe(self.streams.tell, notices)

    def tell_in(self, delay_s: float, notices: Iterable[Notice]) -> None:
        """Tell what happened on another thread, so many seconds later."""
        self.loop.call_soon_threadsafe(self.loop.call_later, delay_s, self.streams.tell, notices)

    # -- answers that take long -----------------------------------------------------------

    def serve_apart(
        self,
        request: Request,
        needed: PredictionNeeded | Needed | None,
        client: Client,
        answered: Callable[[Response], None],
        refused: Callable[[], None],
    ) -> None:
        """Serve *request* on other threads, then call one of the others on the loop's.

        Args:
            request: which has a large body, or
            needed: what has to be fetched for it.
            client: who waits, in turns with others.
            answered: takes the answer; what it obliges us to has been done.
            refused: called where too many wait already.
        """
        if needed is None:
            result = self._apart.serve_large(request, client)
        else:
            result = self._apart.serve(request, needed, client)

        def go_on(result: Future[Response]) -> None:
            failure = result.exception()
            if failure is None:
                answered(result.result())
            elif isinstance(failure, TooMuchAtOnce):
                refused()
            else:
                self.unforeseen(failure, request.request_id)
                headers = self.runtime.handler.headers_for(request.headers)
                answered(refusal(500, request.request_id, headers, request.path))

        result.add_done_callback(lambda done: self.loop.call_soon_threadsafe(go_on, done))

    def close(self) -> None:
        """Stop the threads, then let the runtime hand over what it holds."""
        self.streams.close()
        self._apart.close()
        if self.grouping is not None:
            self.grouping.close()
        self.runtime.close()


def _give_up_request(client: Sender) -> None:
    client.give_up_request()


def _abort(client: Client) -> None:
    client.abort()
