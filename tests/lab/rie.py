"""Drive AWS's own Runtime Interface Emulator: one process per function, loopback only.

Good for: init, errors, time-outs, payload limits, what the handler answers, cold starts.
Not good for what it gets wrong: it holds the answer back until extensions are done, never
freezes the process, and crashes on concurrent invocations (so `invoke` one at a time).
For those there is `tests.lab.minirapid`.
"""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.fakes.ports import held_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.prepare import Lab

_INVOKE = "/2015-03-31/functions/function/invocations"


class Rie:
    """One emulated function. Init is lazy: it happens on the first `invoke`, as a cold start.

    Attributes:
        duration_ms: how long the last `invoke` took, seen from the client. The first one
            after the start holds process spawn, init and handler: a cold start.
        status: HTTP status of the emulator's last answer: 200 even when the handler raised.
    """

    def __init__(
        self,
        lab: Lab,
        task: Path,
        handler: str,
        *,
        environment: Mapping[str, str] | None = None,
        timeout_s: int = 10,
    ) -> None:
        """Start the emulator on *handler* (``module.function``) in the folder *task*."""
        self.duration_ms = 0.0
        self.status = 0
        self._held = ExitStack()
        self._port, api_port = (self._held.enter_context(held_port()) for _ in range(2))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 -- closed in stop
        command = [
            *(lab.rie, "--log-level", "info"),
            # The emulator listens on every interface unless it is told otherwise.
            *("--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"),
            *("--runtime-api-address", f"127.0.0.1:{api_port}"),
            *(lab.python, "-m", "awslambdaric", handler),
        ]
        self._process = subprocess.Popen(
            command,
            cwd=task,
            env={**lab.environment(task, handler, timeout_s), **(environment or {})},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._wait_until_it_listens()

    def invoke(self, event: object, *, timeout_s: float = 30.0) -> Any:
        """Invoke the function with *event* as JSON; return the answer, parsed.

        What a handler raised comes back as ``{"errorType": ..., "errorMessage": ...}``.

        Raises:
            RuntimeError: the emulator gave up, with its log.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout_s)
        started = time.perf_counter()
        try:
            connection.request("POST", _INVOKE, json.dumps(event))
            response = connection.getresponse()
            body = response.read()
        except ConnectionError as error:
            raise RuntimeError(self.log()[-4_000:]) from error
        self.duration_ms = (time.perf_counter() - started) * 1e3
        self.status = response.status
        connection.close()
        return json.loads(body) if body else None

    def log(self) -> str:
        """Return what the emulator and the function have printed so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def init_ms(self) -> float | None:
        """Return the duration of the last init phase: the only honest figure in the log."""
        found = re.findall(r"INIT REPORT\(durationMs: ([\d.]+)\)", self.log())
        return float(found[-1]) if found else None

    def runtime_pid(self) -> int:
        """Return the process id of the Python process; it exists after the first invoke."""
        children = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        return int(" ".join(child.read_text() for child in children).split()[0])

    def rss_mb(self) -> float:
        """Return the resident memory of the Python process now."""
        status = Path(f"/proc/{self.runtime_pid()}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self) -> None:
        """End the emulator as ``docker stop`` would; it ends its function."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)
        self._held.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_it_listens(self) -> None:
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), 0.5).close()
            except OSError:
                if self._process.poll() is not None:
                    raise RuntimeError(self.log()) from None
                time.sleep(0.001)
            else:
                return
