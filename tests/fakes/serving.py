"""A real server on loopback, in a thread, around a runtime that the test gives it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading

import uvicorn

from bucketer.api.client_address import TrustedProxies
from bucketer.api.http import JSON_HEADERS, Reply, Response
from bucketer.doors.server.connection import Connection
from bucketer.doors.server.limits import Limits
from bucketer.doors.server.listening import listen
from bucketer.doors.server.sweeper import Sweeper
from bucketer.doors.server.watching import WatchedConnection, WatchedWorker
from bucketer.doors.server.worker import Worker

from .waiting import wait_until

JSON = (*JSON_HEADERS, ("Access-Control-Allow-Origin", "*"))


class EchoHandler:
    """Answers with what it was asked, so that a test sees what arrived.

    The path picks the manner: ``/event`` comes with an event, ``/slow`` needs the runtime's
    thread, ``/broken`` raises, ``/failed`` replies with a failure, ``/big`` is 300 KB.

    Attributes:
        asked: how many requests have come here so far.
    """

    edition = None
    json_headers = JSON

    def headers_for(self, asked):
        return JSON

    def __init__(self, limits=None):
        self.limits = limits or Limits()
        self.asked = 0

    def handle(self, request, now, new_uuid, known=None):
        del now, new_uuid, known
        self.asked += 1
        if request.path == "/slow":
            from bucketer.api.http import ProfileNeeded

            raise ProfileNeeded("somebody")
        if request.path == "/broken":
            raise RuntimeError("broken on purpose")
        status, body = 200, echo(request)
        if len(request.path) + 1 + len(request.query) > self.limits.url_bytes:
            status, body = 414, b"url too large"
        elif len(request.body) > self.limits.body_bytes:
            status, body = 413, b"body too large"
        elif request.path == "/big":
            body = b"x" * 300_000
        elif request.method == "OPTIONS":
            status, body = 204, b""
        elif request.path == "/failed":
            return Reply(
                Response(500, JSON, b"failed", request.request_id), failure=ValueError("why")
            )
        length = None
        if request.method == "HEAD":
            length, body = len(body), b""
        events = (f"event of {request.query}",) if request.path == "/event" else ()
        return Reply(Response(status, JSON, body, request.request_id, length), events)


def echo(request):
    """What `EchoHandler` and `FakeRuntime.serve` say about a request: one line of text."""
    body = request.body if len(request.body) < 100 else f"{len(request.body)} bytes".encode()
    words = (request.method, request.path, request.query or "-", request.ip)
    return " ".join(words).encode() + b" " + (body or b"-")


class FakeRuntime:
    """A runtime that provides nothing until the test lets it go on.

    Attributes:
        slow: how many requests have been set apart so far, for what they need or for their size.
    """

    stream_room = stay_of = None

    def __init__(self, handler=None, outbox=None):
        self.default = self
        self.handler = handler or EchoHandler()
        self.outbox = outbox
        self.go_on = threading.Event()
        self.slow = 0
        self.closed = False

    def handler_for(self, headers):
        return self.handler

    def answer_now(self, needed, request, new_uuid):
        raise needed

    def answering(self, request, deadline=None):
        self.slow += 1
        return FakeAnswering(self, request)

    def finish(self, request, reply):
        if reply.events and self.outbox is not None:
            self.outbox.add(reply.events)
        return reply.response

    def close(self):
        self.closed = True


class FakeAnswering:
    """What was needed is provided when the test says so; then there is an echo."""

    def __init__(self, runtime, request):
        self.runtime = runtime
        self.request = request
        self.provided = False

    def provide(self, needed):
        assert self.runtime.go_on.wait(10), "the test never let the slow request go on"
        self.provided = True

    def reply(self):
        request = self.request
        if not self.provided:
            return self.runtime.handler.handle(request, 0.0, lambda: "a uuid")
        if request.query == "fails":
            raise RuntimeError("failed on purpose, in the thread")
        return Reply(Response(200, JSON, echo(request), request.request_id))


class MemoryOutbox:
    """Keeps what it is given, and counts how often it was asked to."""

    def __init__(self):
        self.events = []
        self.writes = 0

    def add(self, events):
        self.events += events
        self.writes += 1

    def close(self):
        """There is nothing to hand over."""


@contextlib.contextmanager
def serving(runtime, *, limits=None, proxies=(), watchers=(), **options):
    """Serve *runtime* on a free port of 127.0.0.1 until the block ends; gives the port.

    With *watchers*, as a server does whose answers somebody watches.
    """
    limits = limits or Limits()
    listener = listen("127.0.0.1", 0)
    stop_seen = threading.Event()
    workers = []

    async def lifespan(scope, receive, send):
        await receive()
        loop = asyncio.get_running_loop()
        made = WatchedWorker if watchers else Worker
        worker = made(runtime, loop, limits, TrustedProxies(proxies), **options)
        if watchers:
            worker.watch(watchers)
        scope["state"]["worker"] = worker
        workers.append(worker)
        sweeper = Sweeper(loop, worker.connections, limits)
        sweeper.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for connection in list(worker.connections):
            connection.abort()
        sweeper.stop()
        worker.close()
        stop_seen.set()
        await send({"type": "lifespan.shutdown.complete"})

    config = uvicorn.Config(
        lifespan,
        http=WatchedConnection if watchers else Connection,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    try:
        yield Serving(port, server, workers)
    finally:
        server.should_exit = True
        thread.join(10)
        assert stop_seen.is_set(), "the server didn't stop"


class Serving:
    """The running server, as a test sees it."""

    def __init__(self, port, server, workers):
        self.port = port
        self.server = server
        self._workers = workers

    @property
    def worker(self):
        """The one that its connections share; it is there once the server has started."""
        wait_until(lambda: self._workers)
        return self._workers[0]

    def connect(self, timeout_s=5.0):
        """Open a connection; reads give up after *timeout_s*."""
        return Client(socket.create_connection(("127.0.0.1", self.port), timeout_s))

    def ask(self, data):
        """Send *data* on a connection of its own and return all that comes until the end."""
        with self.connect() as client:
            client.send(data)
            return client.rest()


class Client:
    """One raw connection."""

    def __init__(self, sock):
        self.sock = sock
        self._read = sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self._read.close()
        self.sock.close()

    def send(self, data):
        """Send bytes, or text as latin-1."""
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def answer(self, *, head_only=False):
        """Read one answer: (status, headers, body)."""
        line = self._read.readline()
        if not line:
            raise EOFError
        status = int(line.split()[1])
        headers = {}
        while line := self._read.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            assert name == name.lower()
            assert name not in headers, f"{name} is there twice"
            headers[name] = value.strip()
        if head_only or status in {100, 204}:
            return status, headers, b""
        return status, headers, self._read.read(int(headers["content-length"]))

    def rest_of(self, most):
        """Read up to *most* answers, and return how many came before the connection's end."""
        for number in range(most):
            try:
                self.answer()
            except EOFError:
                return number
        return most

    def rest(self):
        """Read until the server closes."""
        return self._read.read()

    def is_closed(self):
        """Say whether the server has closed its half, with nothing left to read."""
        return self._read.read(1) == b""
