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
import time
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable, Mapping, Sequence

    from bucketer.runtime.runtime import Runtime

_log = logging.getLogger("bucketer")

NAME = "bucketer"
_REGISTER = "/2020-01-01/extension/register"
_NEXT = "/2020-01-01/extension/event/next"
_MAX_ANSWER_BYTES = 1024 * 1024
#: The runtime posts the answer after the handler has returned it. A thread that woke at once would
#: take the interpreter from it; the caller would wait for what was meant to come after.
_GIVE_WAY_S = 0.001
#: As much again before real work, which doesn't let go so soon.
_GIVE_WAY_TO_POST_S = 0.001
#: How soon Lambda answers a question that came late: it would tell of an invocation that is over.
_LATE_S = 0.02


def ask_to_register(environ: Mapping[str, str]) -> Extension | None:
    """Ask Lambda to be told of each invocation; `start` reads what it says to that.

    Must be called during init: Lambda lets nobody register later. What it takes Lambda to answer
    can be spent on the datafile. Where there is no Extensions API (some emulators), or nobody to
    be asked, the answer is None.

    Args:
        environ: AWS's variables.
    """
    address = environ.get("AWS_LAMBDA_RUNTIME_API", "")
    if not address:
        return None
    try:
        extension = Extension(address)
        extension.ask_to_register()
    except OSError as error:
        _warn(error)
        return None
    return extension


def start(
    runtime: Runtime,
    extension: Extension | None,
    work_s: float,
    tells: Sequence[Callable[[], None]] = (),
) -> Callable[[], object]:
    """Arrange for `runtime.after_response` to be called; return what the handler calls when done.

    Without an extension the work is done at the end of the handler instead, before the answer.

    Args:
        runtime: whose work it is.
        extension: that has asked to be registered.
        work_s: the longest that the work may take.
        tells: are called after each answer, and after the work if there is any.
    """
    if extension is not None:
        try:
            extension.start(runtime, work_s, tells)
        except (OSError, ValueError) as error:
            _warn(error)
        else:
            _close_on_sigterm(runtime)
            return extension.alarm.set
    return lambda: _work(runtime, work_s, tells)


def _warn(error: Exception) -> None:
    _log.warning("no internal extension (%s): events are sent before the answer", error)


def _work(runtime: Runtime, work_s: float, tells: Sequence[Callable[[], None]] = ()) -> None:
    """Never raises: the extension's thread must go on, and a handler has its answer already."""
    try:
        runtime.after_response(work_s)
        for tell in tells:
            tell()
    except Exception:  # noqa: BLE001 -- without the thread Lambda would wait for ever
        _log.exception("work after the response failed")


def _tell_all(tells: Sequence[Callable[[], None]]) -> None:
    """Never raises, as `_work`."""
    try:
        for tell in tells:
            tell()
    except Exception:  # noqa: BLE001 -- as in `_work`
        _log.exception("what was to be told after the response could not be")


class Extension:
    """A thread that asks for the next event, waits for the handler to be done, and works.

    It isn't woken when the invocation comes: it would take the interpreter from the handler.

    Args:
        address: host and port of the Extensions API.

    Attributes:
        alarm: to be set when the handler has an answer and is about to return it.
    """

    def __init__(self, address: str) -> None:
        self._client = _ExtensionsApi(address)
        self._identity: dict[str, str] = {}
        self.alarm = _Alarm()

    def ask_to_register(self) -> None:
        """Ask to be told of each invocation.

        Raises:
            OSError: there is nobody to ask.
        """
        name = {"Lambda-Extension-Name": NAME}
        self._client.send("POST", _REGISTER, name, b'{"events": ["INVOKE"]}')

    def start(
        self, runtime: Runtime, work_s: float, tells: Sequence[Callable[[], None]] = ()
    ) -> None:
        """Read that it is registered, and begin; see the function `start`.

        Raises:
            OSError, ValueError: it isn't.
        """
        from _thread import start_new_thread

        identifier = self._client.receive().get("lambda-extension-identifier")
        if not identifier:
            self._client.close()
            message = "the Extensions API gave no identifier"
            raise ValueError(message)
        self._identity["Lambda-Extension-Identifier"] = identifier
        self._runtime = runtime
        self._work_s, self._tells = work_s, tells
        self._ask_for_next()
        # `threading` would have the main thread wait until the other has begun.
        start_new_thread(self._run, ())

    def ask_again(self) -> None:
        """In a copy of a snapshot: ask for the next invocation anew if the question was lost."""
        if self._identity and self._client.is_gone():
            self._ask_for_next()

    def _run(self) -> None:
        """The thread. It ends only with the process: without it Lambda would wait for ever."""
        while True:
            self.alarm.wait()
            if self._runtime.has_work():
                time.sleep(_GIVE_WAY_TO_POST_S)
                _work(self._runtime, self._work_s, self._tells)
            else:
                _tell_all(self._tells)
            while not self._was_told():
                self._ask_for_next()
                if not self._client.has_answer(_LATE_S):
                    break  # the question stands
            else:
                self._ask_for_next()

    def _was_told(self) -> bool:
        """Read that there was an invocation; False when the question for it was lost."""
        try:
            self._client.receive()
        except (OSError, ValueError) as error:
            _log.warning("the Extensions API can't be read: %s", error)
            return False
        return True

    def _ask_for_next(self) -> None:
        """Say that the environment may be frozen until there is another invocation."""
        pause_s = 0.01
        while True:
            self._client.is_gone()  # or the question would be sent, and read by nobody
            try:
                self._client.send("GET", _NEXT, self._identity, b"")
            except OSError as error:  # it must not spin
                _log.warning("the Extensions API can't be asked: %s", error)
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, 1.0)
            else:
                return


class _Timer:
    """A clock of the kernel's, which wakes the thread when it is time, and not before.

    From Python 3.13 on.

    Attributes:
        set: lets `wait` return after `_GIVE_WAY_S`.
    """

    def __init__(self) -> None:
        flags = os.TFD_CLOEXEC  # type: ignore[attr-defined]  # types are checked for 3.11
        self._timer = os.timerfd_create(time.CLOCK_MONOTONIC, flags=flags)  # type: ignore[attr-defined]
        self.set: Callable[[], object] = partial(
            os.timerfd_settime,  # type: ignore[attr-defined]
            self._timer,
            initial=_GIVE_WAY_S,
        )

    def wait(self) -> None:
        """Wait until a time that was set is over; at once if it already is."""
        os.read(self._timer, 8)


class _Sleeper:
    """The same without such a clock: the thread is woken to sleep."""

    def __init__(self) -> None:
        from threading import Event

        self._is_set = Event()
        self.set: Callable[[], object] = self._is_set.set

    def wait(self) -> None:
        """Wait until a time that was set is over."""
        self._is_set.wait()
        self._is_set.clear()
        time.sleep(_GIVE_WAY_S)


_Alarm = _Timer if hasattr(os, "timerfd_create") else _Sleeper


class _ExtensionsApi:
    """HTTP with Lambda's own API on loopback, which answers with a length.

    Over `_socket`, what the `socket` module is made of: it is loaded in a fifth of the time, and
    this is the one connection that is needed before the first answer.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: _socket.socket | None = None

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send one request.

        Raises:
            OSError: nobody takes it.
        """
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._address}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        try:
            connection = self._connection or self._connect()
            connection.sendall("\r\n".join(lines).encode("ascii") + body)
        except OSError:
            self.close()
            raise

    def receive(self) -> dict[str, str]:
        """Wait for the answer to what was sent last, however long that takes; return its headers.

        Raises:
            OSError: no connection.
            ValueError: an answer that is no 200.
        """
        try:
            if self._connection is None:
                raise ConnectionError("the connection is gone")
            return self._read(self._connection)
        except (OSError, ValueError):
            self.close()
            raise

    def is_gone(self) -> bool:
        """Say whether what was sent last can't be answered any more."""
        from _socket import MSG_DONTWAIT, MSG_PEEK

        if self._connection is None:
            return True
        try:
            is_gone = not self._connection.recv(1, MSG_PEEK | MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            is_gone = True
        if is_gone:
            self.close()
        return is_gone

    def has_answer(self, within_s: float) -> bool:
        """Say whether what was sent last is answered in time."""
        from _socket import MSG_PEEK

        connection = self._connection
        if connection is None:
            return False
        connection.settimeout(within_s)
        try:
            return bool(connection.recv(1, MSG_PEEK))
        except OSError:
            return False
        finally:
            connection.settimeout(None)

    def _connect(self) -> _socket.socket:
        from _socket import AF_INET, SOCK_STREAM, socket

        host, _, port = self._address.partition(":")
        connection = self._connection = socket(AF_INET, SOCK_STREAM)
        connection.connect((host, int(port or 80)))
        return connection

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self, connection: _socket.socket) -> dict[str, str]:
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
        if headers.get("connection", "").lower() == "close" or first.startswith("HTTP/1.0"):
            self.close()
        if first.split(" ")[1:2] != ["200"]:
            message = f"{first[:60]}: {body[:200].decode('ascii', 'replace')}"
            raise ValueError(message)
        return headers


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
