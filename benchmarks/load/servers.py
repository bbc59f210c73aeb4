"""One worker, with more and more of what an operator turns on."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.requests.contestants import DAYS, PATH, Contestant

#: Name → what it is started with. Keys are added where the name says so.
WAYS: dict[str, dict[str, str]] = {
    "plain": {},
    "keys": {},
    "metrics": {"BUCKETER_METRICS": "local"},
    "metrics, keys, JSON logs": {"BUCKETER_METRICS": "local", "BUCKETER_LOG_FORMAT": "json"},
    "the same and access lines": {
        "BUCKETER_METRICS": "local",
        "BUCKETER_LOG_FORMAT": "json",
        "BUCKETER_ACCESS_LOG": "on",
    },
}
#: The least share of the other checkout's requests per second, where one was set.
GOALS = {"plain": 0.97, "keys": 0.95, "metrics, keys, JSON logs": 0.9}
_WITH_KEYS = frozenset(WAYS) - {"plain", "metrics"}


@dataclass
class Server(Contestant):
    """One worker; `headers` go with each request."""

    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, number: int) -> dict[str, object]:
        url = f"http://127.0.0.1:{self.port}{PATH.format(user=number, days=number % DAYS)}"
        request = urllib.request.Request(url, headers=self.headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return {"status": answer.status}

    def script(self, first: int, delay_ms: int = 0) -> str:
        """Return what wrk runs: a new user with each request, and a pause before it."""
        before, middle, after = PATH.format(user="|", days="|").split("|")
        lines = ["", "Host: 127.0.0.1", *(f"{k}: {v}" for k, v in self.headers.items()), "", ""]
        end = f"{after} HTTP/1.1" + "\\r\\n".join(lines)
        pause = f"function delay() return math.random(0, {2 * delay_ms}) end" if delay_ms else ""
        return (
            f"local user = {first}\n{pause}\nfunction request()\n  user = user + 1\n"
            f'  return "GET {before}" .. user .. "{middle}" .. user % {DAYS} .. "{end}"\nend\n'
        )


def server(name: str, tree: Path, python: str, directory: Path, datafile: Path) -> Server:
    """Return one that isn't started yet, of the checkout in *tree*; *name* is one of `WAYS`."""
    environ = {"PYTHONPATH": str(tree / "src"), "BUCKETER_EVENTS": "off", **WAYS[name]}
    headers = {}
    if name in _WITH_KEYS:
        keys = directory / f"{len(list(directory.iterdir()))}.keys"
        create = ["keys", "create", "--file", str(keys), "--environment", "*"]
        made = [
            subprocess.run(
                [python, "-m", "bucketer", *create, "--role", role],
                env={**os.environ, **environ},
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()[0]
            for role in ("evaluate", "admin")
        ]
        environ["BUCKETER_KEYS_FILE"] = str(keys)
        headers = {"X-API-Key": made[0]}
    command = [python, "-m", "bucketer", "serve", "--port", "{port}", "--workers", "{workers}"]
    command += ["--datafile", str(datafile)]
    return Server(name, "off", command, environ, headers=headers)
