"""Names of headers in, heads of answers out: the HTTP/1.1 text around a `Response`.

Almost all answers share status and headers but for the request id and the length, so their
common head is kept as bytes and made anew only when one of its parts is another object.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from bucketer.api.http import SDK_KEY, OneMore

if TYPE_CHECKING:
    from bucketer.api.http import Response

_NO_CONTENT = 204
#: Bytes of a body below which the line with its length is made beforehand.
_SHORT = 512
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}

#: Lower-case text of the names that clients send most, so that they needn't be made each time.
KNOWN_NAMES = {
    spelling.encode(): name
    for name in (
        "accept",
        "accept-encoding",
        "accept-language",
        "connection",
        "content-length",
        "content-type",
        "host",
        "origin",
        "referer",
        "traceparent",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-request-id",
    )
    for spelling in (name, name.title(), name.upper())
} | dict.fromkeys((b"x-optimizely-sdk-key", b"X-Optimizely-SDK-Key"), SDK_KEY)


def _length(size: int) -> bytes:
    """Return the end of the line before, and a line with the length."""
    return b"\r\ncontent-length: %d\r\n" % size


_LENGTHS = [_length(size) for size in range(_SHORT)]


def header_name(raw: bytes) -> str:
    """Return the lower-case text of a header's name that isn't among `KNOWN_NAMES`."""
    return raw.lower().decode("latin-1")


class Heads:
    """Renders answers, keeping the head of the last kind of answer (nearly all are of one)."""

    __slots__ = ("_default", "_headers", "_prefix", "_status", "_with_own")

    def __init__(self) -> None:
        """Begin with nothing kept."""
        self._with_own: Heads | None = None
        self._status = 0
        self._headers: object = None
        self._default: object = None
        self._prefix = b""

    def render(
        self, response: Response, default: list[tuple[bytes, bytes]], connection: bytes
    ) -> bytes:
        """Return head and body as they go over the wire.

        Args:
            response: what the handler said.
            default: headers that every answer has; uvicorn makes a new list each second, with
                the new ``Date``.
            connection: a ``Connection`` line with its line end, or nothing.
        """
        if (
            response.headers is not self._headers
            or response.status != self._status
            or default is not self._default
        ):
            if response.headers.__class__ is OneMore:
                return self._render_one_more(response, default, connection)
            self._keep(response.status, response.headers, default)
        body = response.body
        if response.status == _NO_CONTENT:
            length = b"\r\n"
        else:
            size = len(body) if response.length is None else response.length
            length = _LENGTHS[size] if size < _SHORT else _length(size)
        request_id = response.request_id.encode()
        return b"".join((self._prefix, request_id, length, connection, b"\r\n", body))

    def _render_one_more(
        self, response: Response, default: list[tuple[bytes, bytes]], connection: bytes
    ) -> bytes:
        """Return the same for an answer whose last header is its own.

        What it has in common with others is kept, apart from what those without one have.
        """
        kept = self._with_own
        if kept is None:
            kept = self._with_own = Heads()
        status, headers = response.status, response.headers
        common = headers[:-1]
        if kept._headers != common or kept._status != status or kept._default is not default:
            kept._keep(status, common, default)
        name, value = headers[-1]
        body = response.body
        own = f"{response.request_id}\r\n{name.lower()}: {value}".encode("latin-1")
        size = len(body) if response.length is None else response.length
        length = _LENGTHS[size] if size < _SHORT else _length(size)
        return b"".join((kept._prefix, own, length, connection, b"\r\n", body))

    def stream(
        self, response: Response, default: list[tuple[bytes, bytes]], *, chunked: bool
    ) -> bytes:
        """Return the head of an answer that goes on; its end isn't known."""
        self._keep(response.status, response.headers, default)
        line = b"transfer-encoding: chunked" if chunked else b"connection: close"
        return b"".join((self._prefix, response.request_id.encode(), b"\r\n", line, b"\r\n\r\n"))

    def _keep(
        self,
        status: int,
        headers: tuple[tuple[str, str], ...],
        default: list[tuple[bytes, bytes]],
    ) -> None:
        self._status, self._headers, self._default = status, headers, default
        lines = [_STATUS_LINES[status]]
        lines += [b"%b: %b\r\n" % header for header in default]
        for name, value in headers:
            lines.append(f"{name.lower()}: {value}\r\n".encode("latin-1"))
        lines.append(b"x-request-id: ")
        self._prefix = b"".join(lines)
