"""Settings in, a running server out, until a signal ends it."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import TYPE_CHECKING

import uvicorn

from bucketer import wiring
from bucketer.doors.server import hangup
from bucketer.doors.server.connection import Connection
from bucketer.doors.server.descriptors import connections_within
from bucketer.doors.server.lifespan import Application
from bucketer.doors.server.limits import Limits
from bucketer.doors.server.listening import CannotListen, address_of, listen
from bucketer.doors.server.logs import configure_logs
from bucketer.doors.server.supervisor import Workers
from bucketer.doors.server.watchers import is_watched
from bucketer.doors.server.watching import WatchedConnection
from bucketer.doors.server.words import open_to_others

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from bucketer.settings import Settings

#: Bodies of the largest size that there is room for at once, however large that is.
_BODIES_AT_LEAST = 4
#: Those who may listen to a worker where OpenFeature's clients do.
LISTENERS = 10_000


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit status of the process.

    Returns:
        0 when it was told to stop and did; 1 when it, or one of its workers, could not start; the
        trouble has been told on standard error.

    Raises:
        SettingsError: they ask for something that a server can't do; nothing has been started.
    """
    wiring.check(settings)
    hangup.ignore()
    files = (settings.log_file, settings.access_log_file)
    configure_logs(settings.log_level, settings.log_format, files=files)
    try:
        listener = listen(settings.host, settings.port, shared=settings.workers > 1)
    except CannotListen as error:
        print(f"bucketer: cannot_listen: {error}", file=sys.stderr)  # noqa: T201 -- the command's way to fail
        return 1
    if settings.workers == 1:
        return _run_alone(_config(settings, listener), listener)
    with ExitStack() as until_the_end:
        try:
            speaking = until_the_end.enter_context(NamedTemporaryFile(prefix="bucketer-")).name
        except OSError:  # nowhere to write: each worker tells for itself
            speaking = ""
        counting = ""
        if settings.metrics != "off":
            try:
                counting = until_the_end.enter_context(TemporaryDirectory(prefix="bucketer-"))
            except OSError as error:
                why = error.strerror or type(error).__name__
                problem = f"metrics: nowhere to write ({why}), so each worker tells of itself alone"
                print(f"bucketer: {problem}", file=sys.stderr)  # noqa: T201 -- before any log
        supervisor = Workers(_config(settings, listener, speaking, counting), sockets=[listener])
        supervisor.run()
        # It leaves by itself, and without a status of failure, when a worker can't start.
        return int(supervisor.could_not_start())


def _config(
    settings: Settings, listener: socket.socket, speaking: str = "", counting: str = ""
) -> uvicorn.Config:
    """Return how uvicorn is to serve, with what each worker needs to know."""
    limits = limits_of(settings)
    warning = open_to_others(listener.getsockname()[0], keyed=settings.is_keyed)
    address = address_of(listener)
    application = Application(settings, address, limits, speaking, counting, warning)
    return uvicorn.Config(
        application,
        http=WatchedConnection if is_watched(settings) else Connection,
        ws="none",
        lifespan="on",
        interface="asgi3",
        loop="auto",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        workers=settings.workers,
        timeout_graceful_shutdown=limits.stop_s,
    )


def limits_of(settings: Settings) -> Limits:
    """Return what each worker bears, by what is set and by what the system gives it."""
    usual = Limits()
    wanted = usual.connections
    if settings.ofrep_event_streams == "on":
        wanted += LISTENERS  # half of all places are theirs
    return Limits(
        url_bytes=settings.max_url_bytes,
        body_bytes=settings.max_body_bytes,
        unfinished_bytes=max(usual.unfinished_bytes, _BODIES_AT_LEAST * settings.max_body_bytes),
        connections=connections_within(wanted),
        stop_s=settings.stop_timeout,
    )


def _run_alone(config: uvicorn.Config, listener: socket.socket) -> int:
    """Serve in this process."""
    # uvicorn stops on the first signal and, when all is closed, raises it once more for whoever
    # was there before it. That is us, and for us a stop that was asked for is a success.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _nothing_more)
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[listener])
    except SystemExit:  # uvicorn's way to say that the lifespan failed; it has logged why
        return 1
    return 0


def _nothing_more(_number: int, _frame: FrameType | None) -> None:
    """Hear a signal that has been acted upon."""
