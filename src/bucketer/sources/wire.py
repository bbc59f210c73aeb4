"""One HTTP/1.1 exchange over a socket: small, bounded in time and size, quick to import.

`http.client` would cost a cold start 27 ms, most of it for the e-mail parser, and bounds no
exchange as a whole. What is spoken here is what S3, a CDN and the metadata endpoints of AWS
answer with: a status line, headers, and a body by length, in chunks, or up to the end.
"""

from __future__ import annotations

import time

from bucketer.core.errors import SourceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Mapping, Sequence
    from typing import Any

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
        timeout_s: for all of it, to the last byte; but the system looks the name up in its own
            time, and only what that leaves is for the rest.
        max_bytes: of body; more is an error.
        ca_file: roots to trust; the system's when None, and as a second try when not.
        deadline: by `time.monotonic`, where *timeout_s* is for more than this exchange.

    Raises:
        SourceError: anything but a complete, well-formed answer in time. Its detail has the status
            and how much had come.
    """
    if deadline is None:
        deadline = time.monotonic() + timeout_s
    lines = [f"{method} {address.target} HTTP/1.1"]
    if not any(name.lower() == "host" for name in headers):
        lines.append(f"Host: {address.host_header}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append("Connection: close")
    if body or method in {"POST", "PUT"}:
        lines.append(f"Content-Length: {len(body)}")
    message = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
    reader: _Reader | None = None
    try:
        connection = _connect(address, deadline, ca_file)
        try:
            connection.settimeout(_left(deadline))
            connection.sendall(message)
            reader = _Reader(connection, deadline, max_bytes)
            return reader.answer(method)
        finally:
            connection.close()
    except (OSError, _MalformedAnswer) as error:
        if isinstance(error, TimeoutError):
            why = f"no complete answer within {timeout_s:g} s"
        else:
            why = _plain(error) if isinstance(error, OSError) else str(error)
        raise SourceError(address.host, why, reader.progress() if reader else "") from error


class _MalformedAnswer(Exception):
    """The peer doesn't speak HTTP as we do; the message is the clause for the user."""


def _connect(address: Address, deadline: float, ca_file: str | None) -> socket.socket:
    import socket  # here, as Lambda serves without it until something is fetched

    places = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    plain = _reach(places, deadline)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not address.secure:
        return plain
    import ssl  # 18 ms: only for those who need it

    plain.settimeout(_left(deadline))
    try:
        return _tls(ca_file).wrap_socket(plain, server_hostname=address.host)
    except ssl.SSLCertVerificationError:
        plain.close()
        if ca_file is None:
            raise
        # A private endpoint, or roots newer than ours: ask the system's, which cost 30 ms more.
        return _connect(address, deadline, None)
    except BaseException:
        plain.close()
        raise


def _reach(places: Sequence[tuple[Any, ...]], deadline: float) -> socket.socket:
    """Connect to the first address that answers; each has its share of the time that is left.

    Args:
        places: what `socket.getaddrinfo` gives; never empty.
        deadline: by `time.monotonic`.
    """
    import socket

    for number, (family, kind, protocol, _, place) in enumerate(places, 1):
        connection = socket.socket(family, kind, protocol)
        try:
            # Not all of it, or one that never answers would keep the others from being tried.
            connection.settimeout(_left(deadline) / (len(places) - number + 1))
            connection.connect(place)
        except OSError:
            connection.close()
            if number == len(places):
                raise
        else:
            return connection
    raise AssertionError(places)


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
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _plain(error: OSError) -> str:
    """Say what went wrong in a clause that holds no address and no secret."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate isn't trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or type(error).__name__}"
    return error.strerror or type(error).__name__


class _Reader:
    """Reads one answer from *connection*, never past *deadline* or *max_bytes*."""

    def __init__(self, connection: socket.socket, deadline: float, max_bytes: int) -> None:
        self._connection = connection
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._rest = b""
        self._received = 0  # bytes of all kinds
        self._body_from = 0
        self._status = 0
        self._length: int | None = None

    def progress(self) -> str:
        """Say how far it came: ``status 200, 37 of 100 bytes``; nothing before a whole head."""
        if not self._status:
            return ""
        of = "" if self._length is None else f" of {self._length}"
        return f"status {self._status}, {self._received - self._body_from}{of} bytes"

    def answer(self, method: str) -> Answer:
        while True:
            status, headers = self._head()
            if status >= 200:  # noqa: PLR2004 -- 1xx announces another head
                break
        if method == "HEAD" or status in _NO_BODY:
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return Answer(status, headers, self._chunks())
        length = headers.get("content-length")
        if length is None:
            return Answer(status, headers, self._to_the_end())
        if not (length.isascii() and length.isdecimal()):
            raise _MalformedAnswer("an answer with a bad Content-Length")
        self._length = int(length)
        self._allow(self._length)
        return Answer(status, headers, self._exactly(self._length))

    def _head(self) -> tuple[int, dict[str, str]]:
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
        return self._status, {name.strip().lower(): text.strip() for name, _, text in pairs}

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
        piece = self._receive()
        if not piece:
            raise _MalformedAnswer("it closed the connection in the middle of an answer")
        return piece

    def _receive(self) -> bytes:
        self._connection.settimeout(_left(self._deadline))
        piece = self._connection.recv(_PIECE)
        self._received += len(piece)
        return piece

    def _allow(self, size: int) -> None:
        if size > self._max_bytes:
            raise _MalformedAnswer(f"an answer of more than {self._max_bytes} bytes")
