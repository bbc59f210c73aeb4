"""Host and port in, a listening socket out, or a plain word on why there can't be one."""

from __future__ import annotations

import errno
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_BACKLOG = 2048
#: Only Linux spreads clients over all sockets that listen on one port.
_SPREADS = sys.platform == "linux"


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


class SharedPort(socket.socket):
    """A port that several processes listen on. In each it is sent to, it is a socket of its own.

    The kernel then spreads clients over the processes by their addresses. Of one socket that all
    listen on, whoever wakes first takes nearly all of a burst: 37 of 42 (docs/decisions/0032).
    In the process that made it, it is bound, which keeps the port, but doesn't listen.
    """

    def __reduce__(self) -> tuple[Callable[..., socket.socket], tuple[object, ...]]:
        """Arrive in another process as a socket that listens beside those of the others."""
        return _listen_beside, (self.family, self.getsockname())


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a socket that listens already: from now on clients wait instead of being refused.

    Args:
        host: a name or an address of this machine, of either family.
        port: 0 takes any free one.
        shared: for several processes to listen on; it is they who do, when they are there.

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
        if shared and _SPREADS:
            # That nobody else listens here is known now; a shared port wouldn't say.
            where = listener.getsockname()
            listener.close()
            return _bind_shared(SharedPort(family), where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(address, *_trouble(error, port)) from error
    listener.set_inheritable(True)
    return listener


def _bind_shared(listener: socket.socket, where: object) -> socket.socket:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(where)  # type: ignore[arg-type]  # an address, of whichever family
    return listener


def _listen_beside(family: int, where: object) -> socket.socket:
    listener = _bind_shared(socket.socket(family), where)
    listener.listen(_BACKLOG)
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
