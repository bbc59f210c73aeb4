"""Requests that would hold up an event loop, answered beside it: no kind of them holds up another.

What waits for a store, a bandit, an archive or a datafile has threads of its own kind, so that one
that doesn't answer keeps only those waiting who asked for it. What has a large body is decided on
one thread, whatever it waited for before: more of them would only keep the loop waiting for its
turn (docs/decisions/0105).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from bucketer.api.http import (
    EnvironmentNeeded,
    KeysNeeded,
    Needed,
    ProfileNeeded,
    RequestsNeeded,
    RevisionNeeded,
)
from bucketer.api.needs import OverrideGiven, OverridesNeeded, ProfileGiven, SegmentsNeeded
from bucketer.core.bandit import PredictionNeeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Reply, Request, Response
    from bucketer.runtime.answering import Answering
    from bucketer.runtime.runtime import Runtime

    Need = PredictionNeeded | Needed

#: Bytes of a body beyond which it is decided beside the loop. Each condition that looks into a text
#: takes about a nanosecond for each of its characters: a thousand of them 16 ms of such a body.
LARGE_BYTES = 16 * 1024
#: What a request costs in memory beyond its body and query while it waits for a thread.
_WAITING_BYTES = 2048

#: What is needed → whose threads wait for it. What isn't here (a webhook passed on) takes no time.
_KINDS: dict[type[Exception], str] = {
    PredictionNeeded: "predictions",
    SegmentsNeeded: "segments",
    **dict.fromkeys((ProfileNeeded, ProfileGiven, OverridesNeeded, OverrideGiven), "profiles"),
    EnvironmentNeeded: "environments",
    RevisionNeeded: "revisions",
    RequestsNeeded: "batches",
    KeysNeeded: "keys",
}
_OTHER = "others"
_LARGE = "large"
#: How much of the room each kind has: tenths.
_TENTHS = {**dict.fromkeys((*_KINDS.values(), _OTHER), 1), _LARGE: 3}


_NOBODY = object()


class TooMuchAtOnce(Exception):
    """As many requests as there is room for wait for the same kind of thing."""


class Apart:
    """The threads of one process's door, and how much may wait for each kind of them."""

    def __init__(self, runtime: Runtime, room_bytes: int, *, threads: int, wait_s: float) -> None:
        """Threads are made when the first request needs one.

        Args:
            runtime: knows how to provide what is needed.
            room_bytes: of all requests that wait; each kind has its part.
            threads: for each kind.
            wait_s: from its arrival that a request may wait for a prediction, and for a thread.
        """
        self._runtime = runtime
        self._wait_s = wait_s
        self._room = {kind: room_bytes * part // 10 for kind, part in _TENTHS.items()}
        self._kept = dict.fromkeys(_TENTHS, 0)
        self._lock = threading.Lock()
        self._lines = {kind: _Line() for kind in _TENTHS}
        self._pools = {
            kind: ThreadPoolExecutor(1 if kind == _LARGE else threads, f"bucketer-{kind}")
            for kind in _TENTHS
        }

    def serve(self, request: Request, needed: Need, client: object = None) -> Future[Response]:
        """Answer *request* of *client*, for which something is *needed*.

        What it obliges us to is done when the result is there. Of those who wait for the same, each
        client has its turn: who sends a thousand requests at once holds up the others by one.

        Raises:
            TooMuchAtOnce: in the result; there is no room for one more that needs this.
        """
        if len(request.body) > LARGE_BYTES:
            return self.serve_large(request, client)
        return self._begin(request, client, lambda way: way.provide(needed))

    def serve_large(self, request: Request, client: object = None) -> Future[Response]:
        """Answer *request*, which has a large body: as `serve`, whatever it turns out to need."""
        return self._begin(request, client, _Way.decide_large)

    def _begin(
        self, request: Request, client: object, go: Callable[[_Way], None]
    ) -> Future[Response]:
        deadline = time.monotonic() + self._wait_s
        way = _Way(self, request, self._runtime, lambda: deadline)
        way.client = client
        go(way)
        return way.result

    def run(self, kind: str, way: _Way, step: Callable[[], None]) -> None:
        """Have a thread of *kind* take a *step* of *way*, if there is room for it."""
        with self._lock:
            full = self._kept[kind] > self._room[kind]
            if not full:
                self._kept[kind] += way.cost_bytes
                self._lines[kind].add(way, step)
        if full:
            way.result.set_exception(TooMuchAtOnce())
        else:
            self._pools[kind].submit(self._take_next, kind)

    def _take_next(self, kind: str) -> None:
        with self._lock:
            found = self._lines[kind].next()
        if found is None:  # taken back by `close`
            return
        way, step = found
        try:
            step()
        except Exception as error:  # noqa: BLE001 -- it is the result; who asked logs it
            way.result.set_exception(error)
        finally:
            with self._lock:
                self._kept[kind] -= way.cost_bytes

    def close(self) -> None:
        """Let the threads end, after what they have begun; what still waits is refused."""
        with self._lock:
            left = [way for line in self._lines.values() for way in line.leave()]
        for way in left:
            way.result.set_exception(TooMuchAtOnce())
        for pool in self._pools.values():
            pool.shutdown(wait=True)


class _Line:
    """Steps that wait for a thread, of each client one after the other."""

    __slots__ = ("_by_client",)

    def __init__(self) -> None:
        #: In the order of their turns.
        self._by_client: dict[object, deque[tuple[_Way, Callable[[], None]]]] = {}

    def add(self, way: _Way, step: Callable[[], None]) -> None:
        self._by_client.setdefault(way.client, deque()).append((way, step))

    def leave(self) -> list[_Way]:
        """Return all who wait, who do so no longer."""
        found = [way for steps in self._by_client.values() for way, _ in steps]
        self._by_client.clear()
        return found

    def next(self) -> tuple[_Way, Callable[[], None]] | None:
        """Return the step whose turn it is, if any waits."""
        client = next(iter(self._by_client), _NOBODY)
        if client is _NOBODY:
            return None
        steps = self._by_client.pop(client)
        found = steps.popleft()
        if steps:
            self._by_client[client] = steps  # behind the others
        return found


class _Way:
    """One request's way through the threads. Each step ends in the next, or in the result."""

    __slots__ = (
        "_answering",
        "_apart",
        "_is_large",
        "_request",
        "_runtime",
        "client",
        "cost_bytes",
        "result",
    )

    def __init__(
        self, apart: Apart, request: Request, runtime: Runtime, deadline: Callable[[], float]
    ) -> None:
        self._apart, self._request, self._runtime = apart, request, runtime
        self._answering: Answering = runtime.answering(request, deadline)
        self._is_large = len(request.body) > LARGE_BYTES
        self.cost_bytes = len(request.body) + len(request.query) + _WAITING_BYTES
        self.client: object = None
        self.result: Future[Response] = Future()
        self.result.set_running_or_notify_cancel()  # nobody takes it back any more

    def provide(self, needed: Need) -> None:
        """Go on where others wait for the same."""

        def step() -> None:
            self._answering.provide(needed)
            if self._is_large:
                self.decide_large()
            else:
                self._decide()

        self._apart.run(_KINDS.get(type(needed), _OTHER), self, step)

    def decide_large(self) -> None:
        """Go on where large bodies are decided, one by one."""
        self._apart.run(_LARGE, self, self._decide)

    def _decide(self) -> None:
        try:
            reply = self._answering.reply()
        except (PredictionNeeded, Needed) as needed:
            self.provide(needed)
            return
        if self._is_large and reply.profile is not None:
            self._apart.run("profiles", self, lambda: self._finish(reply))
        else:
            self._finish(reply)

    def _finish(self, reply: Reply) -> None:
        self.result.set_result(self._runtime.finish(self._request, reply))
