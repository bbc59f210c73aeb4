"""`bucketer serve` as a process of its own, and clients that remember who was answered."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

from tests.fakes.datafiles import write_datafile
from tests.fakes.ports import held_port

PATH = "/bucketer?e=checkout_flow_experiment&a=tier:platinum,member_since_days:56&u="


class Server:
    """One server with a state directory; can be killed and started again on the same port."""

    def __init__(self, folder: Path, collector_url: str, **settings: str) -> None:
        self.state = folder / "state"
        self.datafile = write_datafile(folder / "datafile.json")
        self.held = contextlib.ExitStack()  # between its runs, too
        self.port = self.held.enter_context(held_port())
        self._environment = {
            **{name: value for name, value in os.environ.items() if "BUCKETER" not in name},
            "BUCKETER_DATAFILE": str(self.datafile),
            "BUCKETER_EVENTS_ENDPOINT": collector_url,
            "BUCKETER_EVENTS_INTERVAL": "0.05",
            "BUCKETER_STATE_DIR": str(self.state),
            "BUCKETER_PORT": str(self.port),
            **settings,
        }
        self.log = (folder / "server.log").open("ab")
        self.process: subprocess.Popen | None = None

    def start(self, **settings: str) -> None:
        """Start, with *settings* for this time, and wait until it answers."""
        command = [sys.executable, "-m", "bucketer", "serve"]
        environment = {**self._environment, **settings}
        self.process = subprocess.Popen(
            command, env=environment, stdout=self.log, stderr=self.log, start_new_session=True
        )
        until = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                self.health()
                return
            assert self.process.poll() is None, "the server ended at its start"
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.02)

    def health(self) -> dict:
        """What /health says."""
        url = f"http://127.0.0.1:{self.port}/health"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.loads(answer.read())

    def events(self) -> dict:
        """The counters in it."""
        return self.health()["events"]

    def publish(self, revision: str) -> None:
        """Another revision of the datafile; the server has it within `DATAFILE_MAX_AGE`."""
        new = write_datafile(self.datafile.with_suffix(".new"), revision=revision)
        new.replace(self.datafile)

    def retry_dead_letters(self) -> dict:
        """What `bucketer events retry` says when it has delivered them, beside the server."""
        command = [sys.executable, "-m", "bucketer", "events", "retry", "--json", "--within", "120"]
        done = subprocess.run(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=self.log, check=False
        )
        return json.loads(done.stdout)

    def kill(self) -> None:
        """`kill -9`, to the whole group of processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def resident_mb(self) -> float:
        """Memory in use."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmRSS")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.held.close()
        self.log.close()


class Load:
    """Clients in threads, each on a connection of its own; every request is another user.

    Attributes:
        answered: users whose answer was received whole.
        latencies_ms: of those answers.
    """

    def __init__(self, port: int, prefix: str, clients: int = 4, pause_s: float = 0.0) -> None:
        self.answered: list[str] = []
        self.latencies_ms: list[float] = []
        self._port, self._prefix, self._pause_s = port, prefix, pause_s
        self._stopped = threading.Event()
        self._numbers = itertools.count()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._stopped.is_set():
            user = f"{self._prefix}-{next(self._numbers)}"
            started = time.perf_counter()
            try:
                connection.request("GET", PATH + user)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                time.sleep(0.005)
                continue
            assert answer.status == 200, body
            assert json.loads(body)["variation"], body
            self.latencies_ms.append((time.perf_counter() - started) * 1000)
            self.answered.append(user)
            time.sleep(self._pause_s)
        connection.close()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(15)
