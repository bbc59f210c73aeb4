"""A stand-in for the Lambda service, with the habits that AWS's own emulator lacks.

* The answer leaves as soon as the function has given it; extensions finish behind it.
* The environment is **frozen** (SIGSTOP) once the runtime and every extension have asked for
  their next event, and thawed for the next invocation: a background thread gets no time.
* Init is eager. Shutdown sends SIGTERM when an extension is registered, and SIGKILL at once
  when none is; after 500 ms it is SIGKILL in any case.
* SnapStart: the runtime's hooks run, the process is frozen, `restore` lets it go on.

Only *internal* extensions (threads of the function) are known here, as only those are ours.
Not here: the kill at the function's time-out, payload limits (`tests.lab.rie` has both).

Source: written from AWS's documentation of the Runtime API and the Extensions API and their
Compute blog, not checked against AWS itself. Standard library and loopback only.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.lab.prepare import Lab

_ARN = "arn:aws:lambda:us-east-1:123456789012:function:bucketer"
_SHUTDOWN_S = 0.5


class _Invocation:
    """One event on its way: taken by the runtime, answered, then done when all are idle."""

    def __init__(self, event: object) -> None:
        self.request_id = str(uuid.uuid4())
        self.payload = json.dumps(event).encode()
        self.started = time.monotonic()
        self.answers: queue.Queue[bytes] = queue.Queue()
        self.taken = False
        self.answered = False


class _Extension:
    """A registered internal extension. `ready`: it has asked for an event and has none."""

    def __init__(self, name: str, events: list[str]) -> None:
        self.name, self.events = name, events
        self.ready = False
        self.waiting: list[dict[str, object]] = []


class Minirapid:
    """One execution environment of one function.

    Attributes:
        init_ms: from process start to the first request for an event.
        duration_ms: how long the client of the last `invoke` waited.
        billed_ms: from the start of the last invocation to everybody idle.
        extensions: what has registered, by identifier.
        history: ``(monotonic milliseconds, what)``: freezes, thaws, registrations, signals.
        init_error: what the runtime reported when init failed, parsed; else None.
    """

    def __init__(
        self,
        lab: Lab,
        task: Path,
        handler: str,
        *,
        environment: Mapping[str, str] | None = None,
        timeout_s: int = 10,
        freeze: bool = True,
        snapstart: bool = False,
    ) -> None:
        """Start the function and wait for the end of its init phase (SnapStart: the snapshot)."""
        self.duration_ms = self.billed_ms = self.init_ms = 0.0
        self.extensions: dict[str, _Extension] = {}
        self.history: list[tuple[float, str]] = []
        self.init_error: dict[str, Any] | None = None
        self.frozen = False
        self._timeout_s, self._freeze, self._snapstart = timeout_s, freeze, snapstart
        self._changed = threading.Condition()
        self._current: _Invocation | None = None
        self._runtime_ready = self._at_snapshot = self._stopped = False
        self._restored = not snapstart
        self._server = _RuntimeApi(self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 -- closed in stop
        started = time.monotonic()
        self._process = subprocess.Popen(
            [lab.python, "-m", "awslambdaric", handler],
            cwd=task,
            env={
                **lab.environment(task, handler, timeout_s),
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_address[1]}",
                "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start" if snapstart else "on-demand",
                **(environment or {}),
            },
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that a signal reaches the whole environment
        )
        with self._changed:
            while not (self._idle() or self._at_snapshot or self.init_error or self._gone()):
                self._changed.wait(0.02)
            self.init_ms = (time.monotonic() - started) * 1e3
            self._freeze_if_idle()

    # What a test does

    def invoke(self, event: object, *, timeout_s: float = 30.0) -> Any:
        """Invoke with *event* as JSON; return the answer, parsed, as soon as it is given.

        Waits first until the last invocation is done (AWS would use another environment).
        What a handler raised comes back as ``{"errorType": ..., "errorMessage": ...}``.

        Raises:
            queue.Empty: no answer within *timeout_s*.
        """
        with self._changed:
            while self._current is not None:
                self._changed.wait()
            self._thaw()
            invocation = self._current = _Invocation(event)
            for extension in self.extensions.values():
                extension.waiting.append(self._invoke_event(invocation))
                extension.ready = False
            self._changed.notify_all()
        answer = invocation.answers.get(timeout=timeout_s)
        self.duration_ms = (time.monotonic() - invocation.started) * 1e3
        return json.loads(answer)

    def wait_until_done(self, timeout_s: float = 10.0) -> float:
        """Wait until runtime and extensions are idle and frozen; return what is billed, in ms.

        Raises:
            TimeoutError: somebody is still busy after *timeout_s*.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._current is None, timeout_s):
                message = f"still busy after {timeout_s} s: {self.log()}"
                raise TimeoutError(message)
        return self.billed_ms

    def restore(self) -> None:
        """SnapStart: wake the snapshot, run its hooks, wait until it asks for an event."""
        with self._changed:
            self._thaw()
            self._restored = True
            self._changed.notify_all()
            while not (self._idle() or self._gone()):
                self._changed.wait(0.02)
            self._freeze_if_idle()

    def shut_down(self) -> int:
        """End the environment as AWS does when it isn't needed any more.

        Returns:
            the exit status of the process; ``-9`` when it had to be killed.
        """
        with self._changed:
            self._thaw()
        # A SIGTERM right behind SIGCONT may reach a thread that runs no Python handlers;
        # AWS doesn't freeze by signals, so this pause takes an artefact of ours away.
        time.sleep(0.03)
        if self.extensions and not self._gone():
            self._note("SIGTERM")
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_SHUTDOWN_S)
        if not self._gone():
            self._signal(signal.SIGKILL)
        status = self._process.wait()
        self._note(f"gone with {status}")
        return status

    def log(self) -> str:
        """Return what the function has printed so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def stop(self) -> None:
        """Kill what is left, without the courtesies of `shut_down`."""
        if not self._gone():
            self._signal(signal.SIGKILL)
        self._process.wait()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # What the runtime and the extensions ask; each runs in a thread of the HTTP server

    def next_invocation(self) -> _Invocation | None:
        """Answer the runtime's request for an event; blocks until there is one."""
        with self._changed:
            self._runtime_ready = True
            self._finish_if_idle()
            self._changed.notify_all()
            self._freeze_if_idle()
            self._changed.wait_for(
                lambda: self._stopped or (self._current and not self._current.taken)
            )
            if self._current is None or self._stopped:
                return None
            self._current.taken = True
            self._runtime_ready = False
            return self._current

    def answer(self, body: bytes) -> None:
        """Take the function's answer, or what it raised, and let the client have it."""
        with self._changed:
            invocation = self._current
            assert invocation is not None
            invocation.answered = True
        invocation.answers.put(body)

    def register(self, name: str, events: list[str]) -> str | None:
        """Take an internal extension in; None when it asks for SHUTDOWN, as AWS refuses it."""
        if "SHUTDOWN" in events:
            return None
        identifier = str(uuid.uuid4())
        with self._changed:
            self.extensions[identifier] = _Extension(name, events)
            self._note(f"registered {name} for {events}")
        return identifier

    def next_extension_event(self, identifier: str) -> dict[str, object] | None:
        """Answer an extension's request for an event; blocks until there is one."""
        extension = self.extensions[identifier]
        with self._changed:
            extension.ready = not extension.waiting
            self._finish_if_idle()
            self._changed.notify_all()
            self._freeze_if_idle()
            self._changed.wait_for(lambda: self._stopped or extension.waiting)
            if self._stopped:
                return None
            extension.ready = False
            return extension.waiting.pop(0)

    def wait_for_restore(self) -> None:
        """Hold the runtime at the snapshot until `restore`."""
        with self._changed:
            self._at_snapshot = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._restored or self._stopped)

    def init_failed(self, body: bytes) -> None:
        """Keep what the runtime says of a failed init."""
        with self._changed:
            self.init_error = json.loads(body)
            self._changed.notify_all()

    # State, under the lock

    def _idle(self) -> bool:
        return self._runtime_ready and all(each.ready for each in self.extensions.values())

    def _gone(self) -> bool:
        return self._process.poll() is not None

    def _finish_if_idle(self) -> None:
        if self._current and self._current.answered and self._idle():
            self.billed_ms = (time.monotonic() - self._current.started) * 1e3
            self._current = None
            self._note("done")

    def _freeze_if_idle(self) -> None:
        resting = self._idle() or (self._at_snapshot and not self._restored)
        if self._freeze and not self.frozen and self._current is None and resting:
            self._note("freeze")
            self._signal(signal.SIGSTOP)
            self.frozen = True

    def _thaw(self) -> None:
        if self.frozen:
            self._note("thaw")
            self._signal(signal.SIGCONT)
            self.frozen = False

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # it may just have ended by itself
            os.killpg(self._process.pid, number)

    def _note(self, what: str) -> None:
        self.history.append((time.monotonic() * 1e3, what))

    def _invoke_event(self, invocation: _Invocation) -> dict[str, object]:
        return {
            "eventType": "INVOKE",
            "deadlineMs": self.deadline_ms(),
            "requestId": invocation.request_id,
            "invokedFunctionArn": _ARN,
            "tracing": {},
        }

    def deadline_ms(self) -> int:
        """Return when an invocation that starts now must be over, in epoch milliseconds."""
        return int((time.time() + self._timeout_s) * 1e3)


class _RuntimeApi(http.server.ThreadingHTTPServer):
    """The HTTP side: Runtime API 2018-06-01 and Extensions API 2020-01-01."""

    daemon_threads = True

    def __init__(self, environment: Minirapid) -> None:
        super().__init__(("127.0.0.1", 0), _Routes)
        self.environment = environment


class _Routes(http.server.BaseHTTPRequestHandler):
    """Turn each call of the two APIs into a method of `Minirapid`."""

    server: _RuntimeApi
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        environment = self.server.environment
        if self.path.endswith("/runtime/invocation/next"):
            invocation = environment.next_invocation()
            if invocation:
                headers = {
                    "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                    "Lambda-Runtime-Deadline-Ms": str(environment.deadline_ms()),
                    "Lambda-Runtime-Invoked-Function-Arn": _ARN,
                    "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
                }
                self._send(200, invocation.payload, headers)
        elif self.path.endswith("/extension/event/next"):
            event = environment.next_extension_event(self.headers["Lambda-Extension-Identifier"])
            if event:
                self._send(200, event)
        elif self.path.endswith("/restore/next"):
            environment.wait_for_restore()
            self._send(200, {})
        else:
            self._send(404, {})

    def do_POST(self) -> None:
        environment = self.server.environment
        body = self._body()
        if self.path.endswith("/extension/register"):
            name = self.headers["Lambda-Extension-Name"]
            identifier = environment.register(name, json.loads(body)["events"])
            if identifier is None:
                self._send(403, {"errorType": "ShutdownEventNotSupportedForInternalExtension"})
                return
            known = {"functionName": "bucketer", "functionVersion": "$LATEST", "handler": "h"}
            self._send(200, known, {"Lambda-Extension-Identifier": identifier})
        elif self.path.endswith("/init/error"):
            environment.init_failed(body)
            self._send(202, {"status": "OK"})
        elif self.path.endswith(("/response", "/error")):
            environment.answer(body)
            self._send(202, {"status": "OK"})
        else:
            self._send(404, {})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(chunks)

    def _send(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()
        except OSError:  # the process was killed while it waited
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Print nothing: `Minirapid.history` tells what happened."""
