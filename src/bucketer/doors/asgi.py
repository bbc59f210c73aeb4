"""An ASGI application, for mounting in another one or under another server.

    uvicorn bucketer.doors.asgi:app
    Mount("/experiments", app=bucketer.doors.asgi.app)      # Starlette, FastAPI

Answers what `bucketer serve` answers. It costs two to three times as much per request as that
(docs/benchmarks.md), since ASGI wants a task and four messages for each.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from bucketer import wiring
from bucketer.api.client_address import TrustedProxies, read_address
from bucketer.api.http import Needed, Request, is_sane_request_id, one_value_each
from bucketer.api.refusals import refusal
from bucketer.core.bandit import PredictionNeeded
from bucketer.runtime.apart import LARGE_BYTES, Apart, TooMuchAtOnce
from bucketer.runtime.ids import new_uuid
from bucketer.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping
    from typing import Any

    from bucketer.api.http import Response
    from bucketer.runtime.runtime import Runtime
    from bucketer.settings import Settings

    Message = MutableMapping[str, Any]
    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

_log = logging.getLogger("bucketer.asgi")

#: Seconds from its arrival that a request may wait for a prediction, as `Limits.apart_s`.
APART_S = 25.0
#: Bodies of the largest size that there is room for at once, however large that is.
_BODIES_AT_LEAST = 4
#: Requests at once that may wait for one kind of thing, as `Limits.threads`.
THREADS = 16
#: Bytes of requests that may wait, as `Limits.unfinished_bytes`.
_WAITING_BYTES = 64 * 1024 * 1024
#: Bytes of a body that are taken even when there is no room.
_SMALL_BYTES = 4 * 1024


class ClientGone(Exception):
    """The client left before its request was complete."""


class BucketerApp:
    """The application. One per process; it builds its runtime when it is first needed.

    With the lifespan protocol that is at the start of the server. Starlette doesn't pass that
    on to what is mounted; the first request builds it then, and `close` is the host's to call.
    """

    def __init__(
        self,
        runtime: Runtime | None = None,
        *,
        proxies: Iterable[str] | None = None,
        max_body_bytes: int | None = None,
        max_kept_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        """Use *runtime*, or build one from the environment's settings.

        Args:
            runtime: to share one that is there already.
            proxies: who is believed on where a request came from; the settings unless given.
            max_body_bytes: more isn't read; the setting unless given.
            max_kept_bytes: of all bodies that aren't answered; beyond that, or four of the
                largest, one that is longer than 4 KiB gets 503.
        """
        self._runtime = runtime
        self._proxies = None if proxies is None else TrustedProxies(proxies)
        self._max_body_bytes = max_body_bytes
        self._building = asyncio.Lock()
        self._max_kept_bytes = max_kept_bytes
        self._kept_bytes = 0
        self._apart: Apart | None = None
        self._made: tuple[Runtime, Apart, TrustedProxies, int] | None = None
        #: Is told of each answer, and of how many seconds it took, where metrics are on.
        self._note: Callable[[Request, Response, float], None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through one lifespan."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def close(self) -> None:
        """Hand over what the runtime holds."""
        if self._apart is not None:
            self._apart.close()
        if self._runtime is not None:
            self._runtime.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._ready()
        except Exception as error:  # noqa: BLE001 -- told to the server, which then stops
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.to_thread(self.close)
        await send({"type": "lifespan.shutdown.complete"})

    async def _ready(self) -> tuple[Runtime, Apart, TrustedProxies, int]:
        """Return what serving needs, made on the first call."""
        if self._made is not None:
            return self._made
        async with self._building:
            settings = read_settings(os.environ)
            if self._runtime is None:
                self._runtime = await asyncio.to_thread(self._build, settings)
                self._runtime.keep_fresh()
                await asyncio.to_thread(self._runtime.wait_for_all)
            if self._proxies is None:
                self._proxies = TrustedProxies(settings.trusted_proxies, settings.address_header)
            limit_bytes = self._max_body_bytes or settings.max_body_bytes
            if self._apart is None:
                self._apart = Apart(self._runtime, _WAITING_BYTES, threads=THREADS, wait_s=APART_S)
            self._made = self._runtime, self._apart, self._proxies, limit_bytes
        return self._made

    def _build(self, settings: Settings) -> Runtime:
        """Build a runtime; what it does is counted where *settings* want it."""
        if settings.metrics == "off":
            return wiring.build(settings)
        from bucketer.metrics.collector import Collector  # most services do without
        from bucketer.metrics.requests import RequestCounts

        collector, counts = Collector(), RequestCounts(settings.path_prefix)
        collector.parts.append(counts.samples)
        runtime = wiring.build(settings, collector=collector)
        self._note = counts.note
        return runtime

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        runtime, apart, proxies, max_body_bytes = await self._ready()
        body = bytearray()
        request, began = Request("", ""), 0.0  # as long as there is none
        try:
            await self._read_body(body, receive, max_body_bytes)
            began = time.perf_counter()
            request = to_request(scope, bytes(body[: max_body_bytes + 1]), proxies)
            response = await _answer(runtime, apart, request, scope.get("client"))
        except ClientGone:
            return
        except TooMuchAtOnce:
            headers = runtime.handler.headers_for(_headers_of(scope))
            response = refusal(503, new_uuid(), headers, quote(scope["path"]))
        finally:
            self._kept_bytes -= len(body)
        if self._note is not None:
            self._note(request, response, time.perf_counter() - began)
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": to_headers(response),
            }
        )
        await send({"type": "http.response.body", "body": response.body})

    async def _read_body(self, body: bytearray, receive: Receive, limit_bytes: int) -> None:
        """Read into *body*, up to the first piece over the limit: enough for the handler to refuse.

        What is in *body* counts as kept, whichever way this ends.

        Raises:
            ClientGone: there is nobody to answer.
            TooMuchAtOnce: all clients together keep more than may be kept.
        """
        kept_at_most = max(self._max_kept_bytes, _BODIES_AT_LEAST * limit_bytes)
        while len(body) <= limit_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            piece = message.get("body", b"")
            body += piece
            self._kept_bytes += len(piece)
            if not message.get("more_body", False):
                break
            if self._kept_bytes > kept_at_most and len(body) > _SMALL_BYTES:
                raise TooMuchAtOnce


async def _answer(runtime: Runtime, apart: Apart, request: Request, client: object) -> Response:
    """Decide here, or in a thread where it takes long or something has to be fetched.

    Raises:
        TooMuchAtOnce: too many wait for that already.
    """
    if len(request.body) > LARGE_BYTES:
        return await asyncio.wrap_future(apart.serve_large(request, str(client)))
    try:
        reply = runtime.handler_for(request.headers).handle(request, time.time(), new_uuid)
    except (PredictionNeeded, Needed) as needed:
        try:
            reply = runtime.answer_now(needed, request, new_uuid)
        except (PredictionNeeded, Needed) as still:
            return await asyncio.wrap_future(apart.serve(request, still, str(client)))
    if reply.failure is not None:
        _log.error("request %s failed", request.request_id, exc_info=reply.failure)
    if reply.events and runtime.outbox is not None:
        await asyncio.to_thread(runtime.outbox.add, reply.events)
    return reply.response


def to_request(scope: Scope, body: bytes, proxies: TrustedProxies) -> Request:
    """Turn a scope into a `Request`; where the application is mounted is not part of the path."""
    headers = _headers_of(scope)
    raw_path = scope.get("raw_path")
    if raw_path is None:
        path = quote(scope["path"], safe="/:@!$&'()*+,;=~")
    else:
        path = raw_path.partition(b"?")[0].decode("utf-8", "surrogateescape")
    mounted_at = scope.get("root_path", "").rstrip("/")
    if mounted_at and f"{path}/".startswith(f"{mounted_at}/"):
        path = path[len(mounted_at) :] or "/"
    client = scope.get("client")
    ip = read_address(client[0]) if client else ""
    if proxies.trusts(ip):
        ip = proxies.visitor(ip, headers)
    request_id = headers.get("x-request-id", "")
    return Request(
        scope["method"],
        path,
        scope.get("query_string", b"").decode("utf-8", "surrogateescape"),
        headers,
        body,
        ip,
        request_id if is_sane_request_id(request_id) else new_uuid(),
    )


def _headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers as text, one value for each lower-case name."""
    return one_value_each(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    )


def to_headers(response: Response) -> list[tuple[bytes, bytes]]:
    """Return the headers as ASGI wants them: lower-case names, bytes, with the length."""
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.all_headers()
    ]
    if response.status != 204:  # noqa: PLR2004 -- no content
        length = len(response.body) if response.length is None else response.length
        headers.append((b"content-length", b"%d" % length))
    return headers


#: Built from the environment when it is first needed.
app = BucketerApp()
