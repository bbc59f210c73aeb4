"""Work after the answer, in Lambda: an internal extension in a thread of the function's process.

Lambda gives the caller the answer as soon as the handler has returned, and freezes the environment
when the handler's runtime *and* every extension have asked for what comes next. An extension that
waits with its question until its work is done keeps the environment awake, and only that:

    extension:  register ── next ─┬─ invoked ── wait for the handler ── work ── next ── (frozen)
    runtime:                 next ┴─ invoked ── handler ── answer ── next ────────────── (frozen)

A plain thread would be frozen with its work undone, and run on at the next request.

The environment's bill and its time for the next request include the work, so the work is bounded.

Source: AWS, "Lambda Extensions API"; AWS Compute blog, "Running code after returning a response
from an AWS Lambda function". Held against the real emulator and one that freezes: tests/lab.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable, Mapping

    from bucketer.runtime import Runtime

_log = logging.getLogger("bucketer")

NAME = "bucketer"
_REGISTER = "/2020-01-01/extension/register"
_NEXT = "/2020-01-01/extension/event/next"
_MAX_ANSWER_BYTES = 1024 * 1024
#: The runtime posts the answer from another thread of this process. Work that began at once would
#: take the interpreter from it; the caller would wait for what was meant to come after.
_GIVE_WAY_S = 0.002
#: Longest wait for a handler whose deadline isn't known.
_LONGEST_INVOKE_S = 900.0


def start(runtime: Runtime, environ: Mapping[str, str], work_s: float) -> Callable[[], None] | None:
    """Arrange for `runtime.after_response` to be called; return what the handler calls when done.

    Must be called during init: Lambda lets nobody register later. Where there is no Extensions API
    (some emulators), the work is done at the end of the handler instead, before the answer. Where
    there will never be any work, nothing is arranged, for each extension costs its callers a tenth
    of a millisecond, and None is returned.

    Args:
        runtime: whose work it is.
        environ: AWS's variables.
        work_s: the longest that the work may take.
    """
    if not runtime.may_have_work():
        return None
    address = environ.get("AWS_LAMBDA_RUNTIME_API", "")
    if not address:
        return lambda: _work(runtime, work_s)
    extension = Extension(address, runtime, work_s)
    try:
        extension.register()
    except (OSError, ValueError) as error:
        _log.warning("no internal extension (%s): events are sent before the answer", error)
        return lambda: _work(runtime, work_s)
    extension.start()
    _close_on_sigterm(runtime)
    return extension.handler_is_done


def _work(runtime: Runtime, work_s: float) -> None:
    """Never raises: the extension's thread must go on, and a handler has its answer already."""
    try:
        runtime.after_response(work_s)
    except Exception:  # noqa: BLE001 -- without the thread Lambda would wait for ever
        _log.exception("work after the response failed")


class Extension(threading.Thread):
    """The thread that asks for the next event, and works in between.

    Args:
        address: host and port of the Extensions API.
        runtime: asked for its work after each invocation.
        work_s: the longest that the work may take.
    """

    def __init__(self, address: str, runtime: Runtime, work_s: float) -> None:
        super().__init__(name="bucketer-extension", daemon=True)
        self._client = _ExtensionsApi(address)
        self._runtime = runtime
        self._work_s = work_s
        self._identifier = ""
        self._handled = threading.Event()

    def register(self) -> None:
        """Ask to be told of each invocation.

        Raises:
            OSError, ValueError: there is nobody to ask, or they refuse.
        """
        headers, _ = self._client.call(
            "POST", _REGISTER, {"Lambda-Extension-Name": NAME}, b'{"events": ["INVOKE"]}'
        )
        self._identifier = headers["lambda-extension-identifier"]

    def handler_is_done(self) -> None:
        """The handler has an answer and is about to return it."""
        self._handled.set()

    def run(self) -> None:
        """The thread. It ends only with the process: without it Lambda would wait for ever."""
        pause_s = 0.01
        while True:
            try:
                deadline_s = self._next()
                pause_s = 0.01
            except (OSError, ValueError) as error:
                # A restored snapshot finds its connection gone; anything else must not spin.
                _log.warning("the Extensions API can't be read: %s", error)
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, 1.0)
                continue
            self._handled.wait(deadline_s)
            self._handled.clear()
            if not self._runtime.has_work():
                continue
            time.sleep(_GIVE_WAY_S)
            _work(self._runtime, self._work_s)

    def _next(self) -> float:
        """Wait (frozen, mostly) for the next invocation; return the seconds it may take."""
        identity = {"Lambda-Extension-Identifier": self._identifier}
        _, body = self._client.call("GET", _NEXT, identity, b"")
        _, found, rest = body.partition(b'"deadlineMs":')
        digits = rest.lstrip()[:20].partition(b",")[0].partition(b"}")[0].strip()
        if not found or not digits.isdigit():
            return _LONGEST_INVOKE_S
        return min(max(0.0, int(digits) / 1000 - time.time()), _LONGEST_INVOKE_S)


class _ExtensionsApi:
    """HTTP with Lambda's own API on loopback, which answers with a length.

    Over `_socket`, what the `socket` module is made of: it is loaded in a fifth of the time, and
    this is the one connection that is needed before the first answer.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: _socket.socket | None = None

    def call(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[dict[str, str], bytes]:
        """Send one request and wait for its answer, however long that takes.

        Raises:
            OSError: no connection.
            ValueError: an answer that is no 200.
        """
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._address}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        try:
            connection = self._connection or self._connect()
            connection.sendall("\r\n".join(lines).encode("ascii") + body)
            return self._read(connection)
        except (OSError, ValueError):
            self._close()
            raise

    def _connect(self) -> _socket.socket:
        from _socket import AF_INET, SOCK_STREAM, socket

        host, _, port = self._address.partition(":")
        connection = socket(AF_INET, SOCK_STREAM)
        connection.connect((host, int(port or 80)))
        self._connection = connection
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self, connection: _socket.socket) -> tuple[dict[str, str], bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += _some(connection, len(data))
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        while len(body) < length:
            body += _some(connection, len(body))
        if first.split(" ")[1:2] != ["200"]:
            message = f"{first[:60]}: {body[:200].decode('ascii', 'replace')}"
            raise ValueError(message)
        return headers, body


def _some(connection: _socket.socket, so_far: int) -> bytes:
    data = connection.recv(65_536)
    if not data or so_far > _MAX_ANSWER_BYTES:
        message = "the Extensions API closed the connection"
        raise OSError(message)
    return data


def _close_on_sigterm(runtime: Runtime) -> None:
    """Lambda sends SIGTERM before the end, and SIGKILL half a second later."""
    from _signal import SIGTERM, signal  # type: ignore[import-not-found]  # `signal` costs 1 ms

    def close(_number: int, _frame: object) -> None:
        try:
            runtime.close()
        except Exception:  # noqa: BLE001 -- it would rise in whatever was interrupted, and go on
            _log.exception("the end of the environment met something unforeseen")
        sys.stdout.flush()
        sys.stderr.flush()
        # `sys.exit` would wait for the thread that polls for the next invocation (on 3.13 until
        # SIGKILL): measured, docs/decisions/0052.
        os._exit(0)

    signal(SIGTERM, close)
