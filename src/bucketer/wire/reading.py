"""One request out and its answer in: a status line, headers, and a body, all of it bounded."""

from __future__ import annotations

from contextlib import suppress

from .connect import left

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Mapping

MAX_HEAD_BYTES = 64 * 1024
_PIECE = 64 * 1024
_NO_BODY = frozenset({204, 304})


class Answer:
    """What came back: `status`, `headers` (lower-case names, last value wins) and `body`."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


class MalformedAnswer(Exception):
    """The peer doesn't speak HTTP as we do; the message is the clause for the user."""


class ClosedBeforeAnswer(MalformedAnswer):
    """The other side closed the connection before the first byte of an answer."""


class TooLong(MalformedAnswer):
    """The body is longer than was allowed."""


class Reader:
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
        """Send all of *message*, or as much as the other side wants to have."""
        self._connection.settimeout(left(self._deadline))
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
        """Read the answer to a request by *method*.

        Raises:
            MalformedAnswer: it isn't one, or it is too long.
            OSError: the connection broke; TimeoutError past the deadline.
        """
        while True:
            version, headers = self._head()
            if self._status >= 200:  # noqa: PLR2004 -- 1xx announces another head
                break
        self.keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        try:
            return Answer(self._status, headers, self._body(method, headers))
        except TooLong:
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
            raise MalformedAnswer("an answer with a bad Content-Length")
        self._length = int(length)
        self._allow(self._length)
        return self._exactly(self._length)

    def _head(self) -> tuple[str, dict[str, str]]:
        while b"\r\n\r\n" not in self._rest:
            if len(self._rest) > MAX_HEAD_BYTES:
                raise MalformedAnswer(f"more than {MAX_HEAD_BYTES} bytes of headers")
            self._rest += self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, after = first.partition(" ")
        if not (version.startswith("HTTP/1.") and after[:3].isdecimal()):
            raise MalformedAnswer("an answer that isn't HTTP/1.1")
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
            raise MalformedAnswer("an answer with a bad chunk size")
        return size

    def _line(self) -> bytes:
        while b"\r\n" not in self._rest:
            if len(self._rest) > MAX_HEAD_BYTES:
                raise MalformedAnswer("an answer with an endless line")
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
                raise ClosedBeforeAnswer("it closed the connection before an answer")
            raise MalformedAnswer("it closed the connection in the middle of an answer")
        return piece

    def _receive(self) -> bytes:
        self._connection.settimeout(left(self._deadline))
        piece = self._connection.recv(_PIECE)
        self._received += len(piece)
        return piece

    def _allow(self, size: int) -> None:
        if size > self._max_bytes:
            raise TooLong(f"an answer of more than {self._max_bytes} bytes")
