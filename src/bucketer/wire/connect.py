"""Connecting within a deadline: look the host up, reach one of its addresses, speak TLS."""

from __future__ import annotations

import threading
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Sequence
    from typing import Any, TypeAlias

    #: As `socket.getaddrinfo` gives it: family, kind, protocol, name, address.
    Place: TypeAlias = tuple[int, int, int, str, Any]


def reach(places: Sequence[Place], deadline: float) -> socket.socket:
    """Connect to the first address that answers; each has its share of the time that is left.

    `socket.create_connection` would give the whole time to each of them.

    Args:
        places: what `socket.getaddrinfo` gives.
        deadline: by `time.monotonic`.

    Raises:
        OSError: none of them does; of several, what the last one said.
    """
    import socket

    failure = OSError("the host has no address")
    for tried, (family, kind, protocol, _, place) in enumerate(places):
        try:
            connection = socket.socket(family, kind, protocol)
        except OSError as error:  # a host's IPv6 address where there is no IPv6
            failure = error
            continue
        try:
            # Not all of it, or one that never answers would keep the others from being tried.
            connection.settimeout(left(deadline) / (len(places) - tried))
            connection.connect(place)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


class _LookUp(threading.Thread):
    """Asks the system for a host's addresses, which knows no time limit."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(name="bucketer-lookup", daemon=True)
        self._host, self._port = host, port
        self.found: Sequence[Place] = ()
        self.failure: OSError | ValueError | None = None

    def run(self) -> None:
        """The thread."""
        import socket

        try:
            self.found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:  # ValueError: what can't be a name of a host
            self.failure = error


#: Look-ups that have not been answered, by host and port: the next attempt waits for the same one.
_pending: dict[tuple[str, int], _LookUp] = {}
_pending_lock = threading.Lock()


def look_up(host: str, port: int, deadline: float) -> Sequence[Place]:
    """Ask for the addresses of *host*; whoever asks for the same one meanwhile waits with us.

    Raises:
        OSError: it has none; TimeoutError past *deadline*, by `time.monotonic`.
        ValueError: it can't be the name of a host.
    """
    with _pending_lock:
        pending = _pending.get((host, port))
        if pending is None:
            pending = _pending[host, port] = _LookUp(host, port)
            pending.start()
    pending.join(left(deadline))
    if pending.is_alive():
        raise TimeoutError
    with _pending_lock:
        _pending.pop((host, port), None)
    if pending.failure is not None:
        raise pending.failure
    return pending.found


#: One per bundle: building a context reads and parses every root in it.
_contexts: dict[str | None, ssl.SSLContext] = {}


def tls(ca_file: str | None) -> ssl.SSLContext:
    """Return the context that trusts the roots of *ca_file*; the system's when None."""
    import ssl

    context = _contexts.get(ca_file)
    if context is None:
        context = ssl.create_default_context(cafile=ca_file)
        _contexts[ca_file] = context
    return context


def left(deadline: float) -> float:
    """Return the seconds until *deadline*; never 0, which a socket takes for non-blocking.

    Raises:
        TimeoutError: it has passed.
    """
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left
