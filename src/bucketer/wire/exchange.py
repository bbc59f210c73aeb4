"""One exchange, or several over one connection that is kept: what sources and sinks call."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic

from bucketer.core.errors import SourceError

from .connect import left, look_up, reach, tls
from .reading import ClosedBeforeAnswer, MalformedAnswer, Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Mapping

    from .address import Address
    from .reading import Answer


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
            reader: Reader | None = None
            try:
                if self._socket is None:
                    self._socket = self._connect(deadline, self._ca_file)
                reader = Reader(self._socket, deadline, max_bytes, cut=cut)
                reader.send(message)
                answer = reader.answer(method)
            except (OSError, ValueError, MalformedAnswer) as error:
                self.close()
                if kept and isinstance(error, ClosedBeforeAnswer):
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

        plain = reach(look_up(self.address.host, self.address.port, deadline), deadline)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.address.secure:
            return plain
        import ssl  # 18 ms: only for those who need it

        plain.settimeout(left(deadline))
        try:
            return tls(ca_file).wrap_socket(plain, server_hostname=self.address.host)
        except ssl.SSLCertVerificationError:
            plain.close()
            if ca_file is None or not self._or_systems_roots:
                raise
            # A private endpoint, or roots newer than ours: ask the system's, which cost 30 ms more.
            return self._connect(deadline, None)
        except BaseException:
            plain.close()
            raise


def _clause(error: Exception) -> str:
    """Say what went wrong in a clause that holds no address and no secret."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, MalformedAnswer):
        return str(error)
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate isn't trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or type(error).__name__}"
    return getattr(error, "strerror", None) or type(error).__name__
