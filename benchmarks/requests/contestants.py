"""The servers that are compared: how each is started, on which cores, and what it needs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

PEERS = Path(__file__).parents[1] / "peers"
_START_S = 20.0

#: The first request of the README; the quotes as clients encode them. No two in a row are alike.
PATH = (
    "/bucketer?e=checkout_flow_experiment&u=user{user}"
    "&a=tier:%22platinum%22,member_since_days:{days}"
)
DAYS = 1_000


class Missing(Exception):
    """Something that has to be installed first; the message says how."""


@dataclass
class Contestant:
    """One server under one way of treating events.

    Attributes:
        name: as the tables show it.
        events: ``off``; ``on``: made, and kept as this one keeps them; ``-``: it has none.
        command: what to start; ``{port}`` and ``{workers}`` are filled in.
        environ: added to the environment.
        decides: False for nginx, which answers a constant.
        poll_s: between two looks whether it answers.
    """

    name: str
    events: str
    command: list[str]
    environ: dict[str, str] = field(default_factory=dict)
    decides: bool = True
    port: int = 0
    poll_s: float = 0.1
    process: subprocess.Popen[bytes] | None = None

    @property
    def key(self) -> str:
        """Its name in results."""
        return f"{self.name}, events {self.events}" if self.decides else self.name

    def start(self, cores: str, workers: int) -> None:
        """Start it on *cores* (as taskset takes them) and wait until it answers."""
        self.port = free_port()
        command = [
            part.replace("{port}", str(self.port)).replace("{workers}", str(workers))
            for part in self.command
        ]
        if not self.decides:
            _write_nginx_conf(Path(command[-1]), self.port, workers)
        self.process = subprocess.Popen(
            ["taskset", "-c", cores, *command],
            env={**os.environ, **self.environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._wait()

    def _wait(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                error = self.process.stderr.read().decode() if self.process.stderr else ""
                raise RuntimeError(f"{self.key} ended at once:\n{error[-2000:]}")
            try:
                self.ask(1)
            except OSError:
                time.sleep(self.poll_s)
            else:
                return
        raise RuntimeError(f"{self.key} didn't answer within {_START_S} s")

    def ask(self, number: int) -> dict[str, object]:
        """Ask for the variation of user *number*, as the load does."""
        url = f"http://127.0.0.1:{self.port}{PATH.format(user=number, days=number % DAYS)}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            decided: dict[str, object] = json.load(answer)
        return decided

    def memory_mb(self) -> float:
        """Resident memory of it and all its children, as the kernel counts it, in MB."""
        assert self.process is not None
        return sum(_resident_kb(pid) for pid in _tree(self.process.pid)) / 1024

    def cpu_s(self) -> float:
        """Processor time that it and its living children have used, in seconds."""
        assert self.process is not None
        ticks = sum(_cpu_ticks(pid) for pid in _tree(self.process.pid))
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it and its children; it was started as the leader of a group of its own."""
        if self.process is None:
            return
        try:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None


def contestants(directory: Path, datafile: Path, python: str) -> list[Contestant]:
    """Return all of them.

    Args:
        directory: for their files; deleted by the caller.
        datafile: what they decide by. Not the demonstration, whose events are never kept.
        python: the interpreter of those in Python; the project and granian are installed there.

    Raises:
        Missing: one of them, or a tool, isn't there.
    """
    _check(python)
    nginx = Contestant("nginx, constant file", "-", _nginx(directory), decides=False)
    bin_directory = Path(python).parent
    found = [nginx]
    for events in ("off", "on"):
        node = ["node", str(PEERS / "node_cluster.mjs"), "{workers}", "{port}"]
        granian = [str(bin_directory / "granian"), "--interface", "rsgi", "--loop", "uvloop",
                   "--port", "{port}", "--workers", "{workers}", "--log-level", "critical",
                   "--working-dir", str(PEERS), "granian_server:app"]  # fmt: skip
        ours = [python, "-m", "bucketer", "serve", "--port", "{port}", "--workers", "{workers}",
                "--datafile", str(datafile)]  # fmt: skip
        environ = {"BUCKETER_EVENTS": "off"}
        if events == "on":
            environ = {
                "BUCKETER_EVENTS": "outbox",
                "BUCKETER_STATE_DIR": str(directory / "state"),
                "BUCKETER_EVENTS_ENDPOINT": "http://127.0.0.1:{nginx}/v1/events",
            }
        peer = {"PEER_DATAFILE": str(datafile), "PEER_EVENTS": events}
        found += [
            Contestant("bucketer", events, ours, environ),
            Contestant("Node http + SDK", events, [*node, str(datafile), events]),
            Contestant("granian + SDK", events, granian, peer),
        ]
    return found


def _check(python: str) -> None:
    """Say what is missing, and how to get it.

    Raises:
        Missing: something is.
    """
    for command, package in (("wrk", "wrk"), ("nginx", "nginx-light"), ("taskset", "util-linux")):
        if shutil.which(command) is None:
            raise Missing(f"{command} is missing: apt-get install {package}")
    if shutil.which("node") is None:
        raise Missing("node is missing: install Node.js 20 or newer (https://nodejs.org)")
    if not (PEERS / "node_modules/@optimizely/optimizely-sdk").is_dir():
        raise Missing(f"the JavaScript SDK is missing: npm ci --prefix {PEERS}")
    needed = "import bucketer, granian, optimizely, uvicorn"
    if subprocess.run([python, "-c", needed], capture_output=True, check=False).returncode:
        raise Missing(f"a package is missing: {python} -m pip install -e '.[server,sdk,bench]'")


def python_version(python: str) -> str:
    """The version of *python*."""
    script = "import platform; print(platform.python_version())"
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _nginx(directory: Path) -> list[str]:
    files = directory / "nginx/files"
    files.mkdir(parents=True)
    answer = {"variation": "one_step_checkout", "user": "user1234567890"}
    answer["experiment"] = "checkout_flow_experiment"
    (files / "bucketer").write_text(json.dumps(answer))
    (directory / "nginx/v1").mkdir()
    return ["nginx", "-c", str(directory / "nginx/nginx.conf")]


def _write_nginx_conf(path: Path, port: int, workers: int) -> None:
    text = (PEERS / "nginx.conf").read_text(encoding="utf-8")
    for word, value in (("DIRECTORY", path.parent), ("PORT", port), ("WORKERS", workers)):
        text = text.replace(word, str(value))
    path.write_text(text)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *(each for child in children.split() for each in _tree(int(child)))]


def _cpu_ticks(pid: int) -> int:
    # user and system time are the 14th and 15th field; the 2nd may hold spaces, in brackets
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def default_python() -> str:
    """The interpreter that runs this."""
    return sys.executable
