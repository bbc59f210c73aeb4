"""One HTTP/1.1 client for what is sent away: events to Optimizely, messages to SQS.

Over a plain socket, because `http.client` costs a Lambda 27 ms of cold start and `socket` 6. It
speaks what these two collectors need: POST with a body, an answer with a length, in chunks or up
to the end of the connection, kept alive where the collector allows it.

Everything has an end: looking the host up, connecting (to each of its addresses), sending and
answering share one time limit per request, and an answer's head and body are cut at a size.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Sequence
    from typing import Any

    #: As `socket.getaddrinfo` gives it: family, kind, protocol, name, address.
    _Where = tuple[int, int, int, str, Any]

_MAX_HEAD_BYTES = 32 * 1024
_MAX_BODY_BYTES = 256 * 1024
_READ_BYTES = 64 * 1024


class PostFailed(Exception):
    """No whole answer came: whether the request was dealt with is unknown.

    Attributes:
        why: one clause for the log, without the URL.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Answer:
    """What the other side said.

    Attributes:
        status: 200 and so on.
        headers: lower-case names; of several equal ones the last.
        body: cut at 256 KiB.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Address:
    """Where to connect, taken from a URL.

    Raises:
        ValueError: the URL is not `http://` or `https://` with a host.
    """

    __slots__ = ("authority", "host", "path", "port", "secure")

    def __init__(self, url: str) -> None:
        scheme, found, rest = url.partition("://")
        cut = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
        self.authority, path = rest[:cut], rest[cut:].partition("#")[0]
        host, colon, port = self.authority.rpartition(":")
        if not found or scheme not in {"http", "https"} or not self.authority:
            message = "expected an http:// or https:// URL with a host"
            raise ValueError(message)
        if not colon or port.endswith("]"):  # no port; `[::1]` alone ends in a bracket
            host, port = self.authority, ""
        self.host = host.strip("[]")
        self.port = int(port) if port else (443 if scheme == "https" else 80)
        if not 0 < self.port < 65_536:  # noqa: PLR2004 -- TCP's
            message = "expected a port from 1 to 65535"
            raise ValueError(message)
        self.path = path if path.startswith("/") else f"/{path}"
        self.secure = scheme == "https"


class Poster:
    """Keeps one connection to one address. For one thread at a time."""

    def __init__(self, address: Address, ca_file: str | None = None) -> None:
        self.address = address
        self._ca_file = ca_file
        self._socket: socket.socket | ssl.SSLSocket | None = None
        self._lookup: _Lookup | None = None

    def post(self, body: bytes, headers: dict[str, str], timeout_s: float) -> Answer:
        """Send *body* and wait for the answer, both within *timeout_s* seconds.

        A connection that was kept alive may have been closed by the other side meanwhile; if so
        (and nothing of an answer was seen) the request is sent once more on a new one.

        Raises:
            PostFailed: refused, cut off, not HTTP, or too slow.
        """
        deadline = monotonic() + timeout_s
        lines = [f"POST {self.address.path} HTTP/1.1", f"Host: {self.address.authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        request = "\r\n".join(lines).encode("latin-1") + body
        kept = self._socket is not None
        try:
            return self._exchange(request, deadline)
        except _Closed as closed:
            self.close()
            if kept:
                return self._again(request, deadline)
            raise PostFailed(str(closed)) from None
        except (OSError, ValueError) as error:
            self.close()
            raise PostFailed(_clause(error)) from error

    def _again(self, request: bytes, deadline: float) -> Answer:
        try:
            return self._exchange(request, deadline)
        except (_Closed, OSError, ValueError) as error:
            self.close()
            raise PostFailed(_clause(error)) from error

    def close(self) -> None:
        """Let go of the connection. The next `post` makes a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def abort(self) -> None:
        """Cut short what another thread is waiting for: its `post` fails at once."""
        connection = self._socket
        if connection is not None:
            with suppress(OSError):  # it may be closed already
                connection.shutdown(2)  # SHUT_RDWR; `close` would not wake the other thread

    def _exchange(self, request: bytes, deadline: float) -> Answer:
        if self._socket is None:
            self._socket = self._connect(deadline)
        stream = _Stream(self._socket, deadline)
        stream.send(request)
        answer, keep = _read_answer(stream)
        if not keep:
            self.close()
        return answer

    def _connect(self, deadline: float) -> socket.socket | ssl.SSLSocket:
        import socket  # 6 ms at cold start, paid after the response

        address = self.address
        plain = self._connect_to_one(deadline)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not address.secure:
            return plain
        import ssl  # 18 ms and more at cold start

        plain.settimeout(_left(deadline))
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
            return context.wrap_socket(plain, server_hostname=address.host)
        except BaseException:
            plain.close()
            raise

    def _connect_to_one(self, deadline: float) -> socket.socket:
        """Try the host's addresses in turn, all of them within the one deadline.

        Each gets its share of what is left, so that a dead first address leaves time for the rest;
        `socket.create_connection` would give the whole time to each of them.
        """
        import socket

        found = self._look_up(deadline)
        failure: OSError = TimeoutError("timed out")
        for tried, (family, kind, protocol, _, where) in enumerate(found):
            try:
                plain = socket.socket(family, kind, protocol)
            except OSError as error:  # a host's IPv6 address where there is no IPv6
                failure = error
                continue
            try:
                plain.settimeout(_left(deadline) / (len(found) - tried))
                plain.connect(where)
            except OSError as error:
                plain.close()
                failure = error
            else:
                return plain
        raise failure

    def _look_up(self, deadline: float) -> Sequence[_Where]:
        """The host's addresses. The system's look-up knows no limit, so it has a thread."""
        pending = self._lookup
        if pending is None:
            pending = self._lookup = _Lookup(self.address.host, self.address.port)
            pending.start()
        pending.join(_left(deadline))
        if pending.is_alive():  # the next attempt waits for the same answer
            raise TimeoutError("timed out")
        self._lookup = None
        if pending.failure is not None:
            raise pending.failure
        return pending.found


class _Lookup(threading.Thread):
    """Asks for a host's addresses, however long that takes."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(name="bucketer-lookup", daemon=True)
        self._host, self._port = host, port
        self.found: Sequence[_Where] = ()
        self.failure: OSError | ValueError | None = None

    def run(self) -> None:
        """The thread."""
        import socket

        try:
            self.found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:  # ValueError: what can't be a name of a host
            self.failure = error


class _Closed(Exception):
    """The other side closed a connection before the first byte of an answer."""


class _Stream:
    """Reads and writes with one deadline for all of it."""

    def __init__(self, connection: socket.socket | ssl.SSLSocket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self.buffer = b""

    def send(self, data: bytes) -> None:
        self._connection.settimeout(_left(self._deadline))
        try:
            self._connection.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            # A collector may answer (413) and close before it has read everything.
            return

    def fill(self) -> bool:
        """Read some more; False at the end of the connection."""
        self._connection.settimeout(_left(self._deadline))
        try:
            data = self._connection.recv(_READ_BYTES)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def until(self, mark: bytes, limit: int) -> bytes:
        """Take everything before *mark*, and *mark* with it."""
        while mark not in self.buffer:
            if len(self.buffer) > limit:
                message = "the head of the answer is too long"
                raise ValueError(message)
            if not self.fill():
                if not self.buffer:
                    raise _Closed("the connection was closed before an answer")
                message = "the connection was closed in the middle of the answer"
                raise ValueError(message)
        found, _, self.buffer = self.buffer.partition(mark)
        return found

    def exactly(self, size: int) -> bytes:
        """Take *size* bytes."""
        while len(self.buffer) < size:
            if not self.fill():
                message = "the connection was closed in the middle of the answer"
                raise ValueError(message)
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found


def _read_answer(stream: _Stream) -> tuple[Answer, bool]:
    """Read one answer; the second value says whether the connection may be kept."""
    status = 100
    while status < 200:  # noqa: PLR2004 -- 1xx come before the answer
        first, *lines = stream.until(b"\r\n\r\n", _MAX_HEAD_BYTES).decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
            message = "the answer is not HTTP"
            raise ValueError(message)
        status = int(rest[:3])
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    if status in {204, 304}:
        return Answer(status, headers, b""), keep
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Answer(status, headers, _read_chunks(stream)), keep
    if "content-length" in headers:
        length = int(headers["content-length"])
        if length > _MAX_BODY_BYTES:  # the status is all that matters then
            return Answer(status, headers, b""), False
        return Answer(status, headers, stream.exactly(length)), keep
    while len(stream.buffer) < _MAX_BODY_BYTES and stream.fill():
        pass
    return Answer(status, headers, stream.buffer), False


def _read_chunks(stream: _Stream) -> bytes:
    body = b""
    while True:
        size = int(stream.until(b"\r\n", 1_000).partition(b";")[0], 16)
        if len(body) + size > _MAX_BODY_BYTES:
            message = "the answer is too long"
            raise ValueError(message)
        if size == 0:
            while stream.until(b"\r\n", _MAX_HEAD_BYTES):
                pass  # trailers
            return body
        body += stream.exactly(size)
        stream.until(b"\r\n", 2)


def _left(deadline: float) -> float:
    """Seconds until *deadline*; never 0, which a socket takes for non-blocking."""
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _clause(error: Exception) -> str:
    """What went wrong, in a few words and without addresses or URLs."""
    if isinstance(error, TimeoutError):
        return "timed out"
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
