"""Settings in, a running server out, until a signal ends it."""

from __future__ import annotations

import errno
import signal
import socket
import sys
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.supervisors import Multiprocess

from bucketer.doors.server.connection import Connection
from bucketer.doors.server.lifespan import Application
from bucketer.doors.server.limits import Limits
from bucketer.doors.server.logs import configure_logs

if TYPE_CHECKING:
    from types import FrameType

    from bucketer.settings import Settings

_BACKLOG = 2048


class CannotListen(Exception):
    """The server can't have the address that it was told to listen on.

    Attributes:
        address: host and port.
        why: one clause.
        remedy: what to do, a sentence.
    """

    def __init__(self, address: str, why: str, remedy: str) -> None:
        """Say where, why and what to do."""
        super().__init__(address, why, remedy)
        self.address, self.why, self.remedy = address, why, remedy

    def __str__(self) -> str:
        return f"can't listen on {self.address}: {self.why}. {self.remedy}"


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit status of the process.

    Returns:
        0 when it was told to stop and did; 1 when it could not start; the trouble has been told
        on standard error.
    """
    configure_logs()
    try:
        listener = listen(settings.host, settings.port)
    except CannotListen as error:
        print(f"bucketer: {error}", file=sys.stderr)  # noqa: T201 -- the command's way to fail
        return 1
    limits = Limits(url_bytes=settings.max_url_bytes, body_bytes=settings.max_body_bytes)
    application = Application(settings, address_of(listener), limits)
    config = uvicorn.Config(
        application,
        http=Connection,
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
    if settings.workers > 1:
        Multiprocess(config, sockets=[listener]).run()
        return 0
    return _run_alone(config, listener)


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


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens already: from now on clients wait instead of being refused.

    Args:
        host: a name or an address of this machine, of either family.
        port: 0 takes any free one.

    Raises:
        CannotListen: the port is taken, or isn't ours to take, or the host isn't this machine.
    """
    address = f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, where = found[0]
        listener = socket.socket(family)
    except (OSError, UnicodeError) as error:
        raise CannotListen(
            address, f"{host!r} is no address of this machine", "Set BUCKETER_HOST or --host."
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(address, *_trouble(error, port)) from error
    listener.set_inheritable(True)
    return listener


def _trouble(error: OSError, port: int) -> tuple[str, str]:
    """Return why, and what to do about it."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is taken by another process",
            "Choose another with --port, or 0 for any.",
        )
    if error.errno == errno.EACCES:
        return f"port {port} is for root only", "Choose one above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return "the address is none of this machine's", "Set BUCKETER_HOST or --host."
    return error.strerror or str(error), "Set --host and --port."


def address_of(listener: socket.socket) -> str:
    """Return the URL by which a person on this machine reaches *listener*."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 -- compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
