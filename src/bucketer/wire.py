"""HTTP/1.1 over a socket: small, bounded in time and size, quick to import.

`http.client` would cost a cold start 27 ms, most of it for the e-mail parser, and bounds no
exchange as a whole. What is spoken here is what S3, a CDN, SQS, Optimizely's collectors and the
metadata endpoints of AWS answer with: a status line, headers, and a body by length, in chunks, or
up to the end. Sources fetch with it, sinks send with it (docs/decisions/0063).

Everything has an end: looking the host up, connecting (to each of its addresses), sending and
answering share one time limit, and an answer's head and body are bounded in bytes.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from time import monotonic

from bucketer.core.errors import SourceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Mapping, Sequence
    from typing import Any, TypeAlias

    #: As `socket.getaddrinfo` gives it: family, kind, protocol, name, address.
    Place: TypeAlias = tuple[int, int, int, str, Any]

MAX_HEAD_BYTES = 64 * 1024
_PIECE = 64 * 1024
_NO_BODY = frozenset({204, 304})


class Answer:
    """What came back: `status`, `headers` (lower-case names, last value wins) and `body`."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


class Address:
    """Where to connect: what `split_url` reads from a URL."""

    __slots__ = ("host", "port", "secure", "target")

    def __init__(self, secure: bool, host: str, port: int, target: str) -> None:
        self.secure, self.host, self.port, self.target = secure, host, port, target

    @property
    def host_header(self) -> str:
        """The `Host` header: with the port where that isn't the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def split_url(url: str) -> Address:
    """Read an absolute ``http://`` or ``https://`` URL; credentials in it are not accepted.

    Raises:
        SourceError: it is no such URL.
    """
    scheme, separator, rest = url.partition("://")
    secure = scheme.lower() == "https"
    if not separator or not (secure or scheme.lower() == "http"):
        raise SourceError("the URL", "must begin with https:// or http://")
    cut = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    authority, target = rest[:cut], rest[cut:].partition("#")[0]
    if not target.startswith("/"):
        target = "/" + target
    host, port_text = authority, ""
    if authority.startswith("["):
        host, _, after = authority[1:].partition("]")
        port_text = after.removeprefix(":")
    elif ":" in authority:
        host, _, port_text = authority.rpartition(":")
    plain = rest.isascii() and rest.isprintable() and " " not in rest
    if not (host and plain) or "@" in authority:
        raise SourceError("the URL", "has no usable host, or white space, or a password in it")
    if port_text and not (port_text.isdecimal() and 0 < int(port_text) < 65_536):  # noqa: PLR2004 -- TCP's
        raise SourceError("the URL", "has a port outside 1 to 65535")
    return Address(secure, host, int(port_text) if port_text else (443 if secure else 80), target)


def exchange(
    address: Address,
    headers: Mapping[str, str],
    *,
    method: str = "GET",
    body: bytes = b"",
    timeout_s: float,
    max_bytes: int,
    ca_file: str | None = None,
    deadline: float | None = None,
) -> Answer:
    """Send one request, read the whole answer, close.

    Args:
        address: from `split_url`.
        headers: beside ``Host`` (unless given), ``Connection`` and ``Content-Length``.
        method: upper case.
        body: sent with its length; empty sends none, but for POST and PUT.
        timeout_s: for all of it, from name look-up to the last byte.
        max_bytes: of body; more is an error.
        ca_file: roots to trust; the system's when None, and as a second try when not.
        deadline: by `time.monotonic`, where *timeout_s* is for more than this exchange.

    Raises:
        SourceError: anything but a complete, well-formed answer in time. Its detail has the status
            and how much had come.
    """
    line = Line(address, ca_file, or_systems_roots=True)
    try:
        return line.ask(
            {**headers, "Connection": "close"},
            method=method,
            body=body,
            deadline=monotonic() + timeout_s if deadline is None else deadline,
            max_bytes=max_bytes,
        )
    except ExchangeFailed as failure:
        why = f"no complete answer within {timeout_s:g} s" if failure.timed_out else failure.why
        raise SourceError(address.host, why, failure.progress) from failure
    finally:
        line.close()


class ExchangeFailed(Exception):
    """No whole answer came: whether the request was dealt with is unknown.

    Attributes:
        why: one clause, without address, URL or secret.
        progress: how far an answer had come: ``status 200, 37 of 100 bytes``; or nothing.
        timed_out: it was the time limit.
    """

    def __init__(self, why: str, progress: str = "", *, timed_out: bool = False) -> None:
        super().__init__(why)
        self.why, self.progress, self.timed_out = why, progress, timed_out


class Line:
    """One connection to one address, made when it is needed and kept while the other side allows.

    For one thread at a time, but for `abort`.

    Args:
        address: from `split_url`.
        ca_file: roots to trust in place of the system's, or None.
        or_systems_roots: try the system's as well when those of *ca_file* don't do.
    """

    def __init__(
        self, address: Address, ca_file: str | None = None, *, or_systems_roots: bool = False
    ) -> None:
        self.address = address
        self._ca_file = ca_file
        self._or_systems_roots = or_systems_roots
        self._socket: socket.socket | ssl.SSLSocket | None = None

    def ask(
        self,
        headers: Mapping[str, str],
        *,
        method: str,
        body: bytes,
        deadline: float,
        max_bytes: int,
        cut: bool = False,
    ) -> Answer:
        """Send one request and read the whole answer.

        A connection that was kept may have been closed by the other side meanwhile; if so (and
        nothing of an answer was seen) the request is sent once more on a new one.

        Args:
            headers: beside ``Host`` (unless given) and ``Content-Length``.
            method: upper case.
            body: sent with its length; empty sends none, but for POST and PUT.
            deadline: for all of it, by `time.monotonic`.
            max_bytes: of the answer's body.
            cut: of a longer body, or one that is no body, nothing is read and nothing is said: for
                those who only need the status.

        Raises:
            ExchangeFailed: refused, cut off, not HTTP, too long or too slow.
        """
        lines = [f"{method} {self.address.target} HTTP/1.1"]
        if not any(name.lower() == "host" for name in headers):
            lines.append(f"Host: {self.address.host_header}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method in {"POST", "PUT"}:
            lines.append(f"Content-Length: {len(body)}")
        message = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
        for kept in (self._socket is not None, False):
            reader: _Reader | None = None
            try:
                if self._socket is None:
                    self._socket = self._connect(deadline, self._ca_file)
                reader = _Reader(self._socket, deadline, max_bytes, cut=cut)
                reader.send(message)
                answer = reader.answer(method)
            except (OSError, ValueError, _MalformedAnswer) as error:
                self.close()
                if kept and isinstance(error, _ClosedBeforeAnswer):
                    continue
                late = isinstance(error, TimeoutError)
                progress = reader.progress() if reader else ""
                raise ExchangeFailed(_clause(error), progress, timed_out=late) from error
            if not reader.keep:
                self.close()
            return answer
        raise AssertionError(kept)

    def close(self) -> None:
        """Let go of the connection. The next `ask` makes a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def abort(self) -> None:
        """Cut short what another thread is waiting for: its `ask` fails at once."""
        connection = self._socket
        if connection is not None:
            with suppress(OSError):  # it may be closed already
                connection.shutdown(2)  # SHUT_RDWR; `close` would not wake the other thread

    def _connect(self, deadline: float, ca_file: str | None) -> socket.socket | ssl.SSLSocket:
        import socket  # 6 ms: Lambda serves without it until something is fetched or sent

        plain = reach(_look_up(self.address.host, self.address.port, deadline), deadline)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.address.secure:
            return plain
        import ssl  # 18 ms: only for those who need it

        plain.settimeout(_left(deadline))
        try:
            return _tls(ca_file).wrap_socket(plain, server_hostname=self.address.host)
        except ssl.SSLCertVerificationError:
            plain.close()
            if ca_file is None or not self._or_systems_roots:
                raise
            # A private endpoint, or roots newer than ours: ask the system's, which cost 30 ms more.
            return self._connect(deadline, None)
        except BaseException:
            plain.close()
            raise


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
            connection.settimeout(_left(deadline) / (len(places) - tried))
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


def _look_up(host: str, port: int, deadline: float) -> Sequence[Place]:
    with _pending_lock:
        pending = _pending.get((host, port))
        if pending is None:
            pending = _pending[host, port] = _LookUp(host, port)
            pending.start()
    pending.join(_left(deadline))
    if pending.is_alive():
        raise TimeoutError
    with _pending_lock:
        _pending.pop((host, port), None)
    if pending.failure is not None:
        raise pending.failure
    return pending.found


#: One per bundle: building a context reads and parses every root in it.
_contexts: dict[str | None, ssl.SSLContext] = {}


def _tls(ca_file: str | None) -> ssl.SSLContext:
    import ssl

    context = _contexts.get(ca_file)
    if context is None:
        context = ssl.create_default_context(cafile=ca_file)
        _contexts[ca_file] = context
    return context


def _left(deadline: float) -> float:
    """Seconds until *deadline*; never 0, which a socket takes for non-blocking."""
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _clause(error: Exception) -> str:
    """Say what went wrong in a clause that holds no address and no secret."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, _MalformedAnswer):
        return str(error)
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate isn't trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or type(error).__name__}"
    return getattr(error, "strerror", None) or type(error).__name__


class _MalformedAnswer(Exception):
    """The peer doesn't speak HTTP as we do; the message is the clause for the user."""


class _ClosedBeforeAnswer(_MalformedAnswer):
    """The other side closed the connection before the first byte of an answer."""


class _Reader:
    """Sends one request, and reads one answer, never past *deadline* or *max_bytes*.

    Attributes:
        keep: whether the connection may be used again after the answer.
    """

    def __init__(
        self,
        connection: socket.socket | ssl.SSLSocket,
        deadline: float,
        max_bytes: int,
        *,
        cut: bool,
    ) -> None:
        self._connection = connection
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._cut = cut
        self._rest = b""
        self._received = 0  # bytes of all kinds
        self._body_from = 0
        self._status = 0
        self._length: int | None = None
        self.keep = False

    def send(self, message: bytes) -> None:
        self._connection.settimeout(_left(self._deadline))
        # Who refuses a request (413) may close before having read all of it; there is an answer.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.sendall(message)

    def progress(self) -> str:
        """Say how far it came: ``status 200, 37 of 100 bytes``; nothing before a whole head."""
        if not self._status:
            return ""
        of = "" if self._length is None else f" of {self._length}"
        return f"status {self._status}, {self._received - self._body_from}{of} bytes"

    def answer(self, method: str) -> Answer:
        while True:
            version, headers = self._head()
            if self._status >= 200:  # noqa: PLR2004 -- 1xx announces another head
                break
        self.keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        try:
            return Answer(self._status, headers, self._body(method, headers))
        except _TooLong:
            if not self._cut:
                raise
            self.keep = False
            return Answer(self._status, headers, b"")

    def _body(self, method: str, headers: Mapping[str, str]) -> bytes:
        if method == "HEAD" or self._status in _NO_BODY:
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = headers.get("content-length")
        if length is None:
            self.keep = False
            return self._to_the_end()
        if not (length.isascii() and length.isdecimal()):
            raise _MalformedAnswer("an answer with a bad Content-Length")
        self._length = int(length)
        self._allow(self._length)
        return self._exactly(self._length)

    def _head(self) -> tuple[str, dict[str, str]]:
        while b"\r\n\r\n" not in self._rest:
            if len(self._rest) > MAX_HEAD_BYTES:
                raise _MalformedAnswer(f"more than {MAX_HEAD_BYTES} bytes of headers")
            self._rest += self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, after = first.partition(" ")
        if not (version.startswith("HTTP/1.") and after[:3].isdecimal()):
            raise _MalformedAnswer("an answer that isn't HTTP/1.1")
        pairs = (line.partition(":") for line in lines)
        self._status, self._body_from = int(after[:3]), self._received - len(self._rest)
        return version, {name.strip().lower(): text.strip() for name, _, text in pairs}

    def _chunks(self) -> bytes:
        pieces: list[bytes] = []
        total = 0
        while size := self._chunk_size():
            total += size
            self._allow(total)
            pieces.append(self._exactly(size))
            self._line()
        while self._line():  # trailers
            pass
        return b"".join(pieces)

    def _chunk_size(self) -> int:
        text = self._line().partition(b";")[0].strip()
        try:
            size = int(text, 16)
        except ValueError:
            size = -1
        if size < 0 or len(text) > 8:  # noqa: PLR2004 -- eight digits are 4 GB
            raise _MalformedAnswer("an answer with a bad chunk size")
        return size

    def _line(self) -> bytes:
        while b"\r\n" not in self._rest:
            if len(self._rest) > MAX_HEAD_BYTES:
                raise _MalformedAnswer("an answer with an endless line")
            self._rest += self._more()
        line, _, self._rest = self._rest.partition(b"\r\n")
        return line

    def _exactly(self, size: int) -> bytes:
        pieces = [self._rest[:size]]
        self._rest = self._rest[size:]
        missing = size - len(pieces[0])
        while missing > 0:
            piece = self._more()
            pieces.append(piece[:missing])
            self._rest = piece[missing:]
            missing -= len(piece)
        return b"".join(pieces)

    def _to_the_end(self) -> bytes:
        pieces = [self._rest]
        total = len(self._rest)
        self._allow(total)
        while piece := self._receive():
            total += len(piece)
            self._allow(total)
            pieces.append(piece)
        return b"".join(pieces)

    def _more(self) -> bytes:
        try:
            piece = self._receive()
        except ConnectionResetError:  # an end, if a rude one
            piece = b""
        if not piece:
            if not self._received:
                raise _ClosedBeforeAnswer("it closed the connection before an answer")
            raise _MalformedAnswer("it closed the connection in the middle of an answer")
        return piece

    def _receive(self) -> bytes:
        self._connection.settimeout(_left(self._deadline))
        piece = self._connection.recv(_PIECE)
        self._received += len(piece)
        return piece

    def _allow(self, size: int) -> None:
        if size > self._max_bytes:
            raise _TooLong(f"an answer of more than {self._max_bytes} bytes")


class _TooLong(_MalformedAnswer):
    """The body is longer than was allowed."""
