"""A worker and connections that time each answer and tell of it: metrics, access lines, traces.

They take the place of the plain ones when somebody wants to know; else nothing of this runs.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from bucketer.api.http import Request
from bucketer.doors.server.connection import Connection
from bucketer.doors.server.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from uvicorn.server import ServerState

    from bucketer.api.http import Needed, Response
    from bucketer.core.bandit import PredictionNeeded
    from bucketer.doors.server.phases import Client

    class Watcher(Protocol):
        """Is told of each answer, on the loop's thread."""

        def __call__(self, request: Request, response: Response, seconds: float, /) -> None:
            """Take note; *seconds* are from the request's last byte until its answer was there.

            The request's path is empty for what never became one.
            """


# Looked up once and not for each request, as `super()` would.
_render, _request = Worker.render, Connection._request  # noqa: SLF001 -- of our own parent


class WatchedWorker(Worker):
    """Tells watchers of each answer.

    Attributes:
        began: when the request that is answered now had come whole, by `perf_counter`.
        turned_away: connections for which there was no room.
    """

    began = 0.0
    turned_away = 0
    _note: Watcher

    def watch(self, watchers: Sequence[Watcher]) -> None:
        """Tell *watchers*, of which there is one at least, from now on."""
        self._note = watchers[0] if len(watchers) == 1 else _each_of(watchers)

    def render(
        self,
        request: Request,
        response: Response,
        state: ServerState,
        said: str | None,
        *,
        last: bool,
    ) -> bytes:
        """Tell of the answer, and return its bytes; see `Worker.render`."""
        self._note(request, response, perf_counter() - self.began)
        if said is None and not last:  # nearly always: as `Worker.render` does, without a call
            return self._heads.render(response, state.default_headers, b"")
        return _render(self, request, response, state, said, last=last)

    def render_stream(
        self, request: Request, response: Response, state: ServerState, *, chunked: bool
    ) -> bytes:
        """Tell that an answer has begun that goes on, and return its head."""
        self._note(request, response, perf_counter() - self.began)
        return super().render_stream(request, response, state, chunked=chunked)

    def refused(
        self, status: int, ip: str, headers: Mapping[str, str], target: bytes = b""
    ) -> Response:
        """Tell of what was refused, and return the answer."""
        response = super().refused(status, ip, headers, target)
        request = Request("", "", headers=headers, ip=ip, request_id=response.request_id)
        self._note(request, response, 0.0)
        return response

    def serve_apart(
        self,
        request: Request,
        needed: PredictionNeeded | Needed | None,
        client: Client,
        answered: Callable[[Response], None],
        refused: Callable[[], None],
    ) -> None:
        """Serve *request* on other threads; its time goes on until it is answered."""
        began = self.began

        def then(response: Response) -> None:
            self.began = began
            answered(response)

        def otherwise() -> None:
            self.began = began
            refused()

        super().serve_apart(request, needed, client, then, otherwise)

    def admit(self, client: Client) -> bool:
        """Take up *client*, or count it among those for whom there is no place."""
        admitted = super().admit(client)
        self.turned_away += not admitted
        return admitted


class WatchedConnection(Connection):
    """Notes when a request has come whole."""

    __slots__ = ()
    _worker: WatchedWorker

    def _request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Request:
        self._worker.began = perf_counter()
        return _request(self, method, target, headers, body)


def _each_of(watchers: Sequence[Watcher]) -> Watcher:
    every = tuple(watchers)

    def note(request: Request, response: Response, seconds: float, /) -> None:
        for watcher in every:
            watcher(request, response, seconds)

    return note
