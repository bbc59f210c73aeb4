"""The two servers, and nginx, which is their CDN and takes their events."""

from __future__ import annotations

import json
import shutil
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.requests.contestants import PEERS, Contestant, Missing

from .rows import DATAFILES, ROWS, datafile

if TYPE_CHECKING:
    from .rows import Row

_TOOLS = (("wrk", "wrk"), ("nginx", "nginx-light"), ("taskset", "util-linux"))


@dataclass
class Server(Contestant):
    """One of them; it answers when row 0 is answered for user 1."""

    poll_s: float = 0.005

    def ask(self, number: int) -> dict[str, object]:
        """Ask the first row, so that `start` waits until this can be answered."""
        found: dict[str, object] = self.answer(ROWS[0], number)
        return found

    def answer(self, row: Row, number: int) -> Any:
        """What it says to user *number*; lists are in the order of their flags."""
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{row.target}",
            row.body(number),
            {"X-Optimizely-SDK-Key": row.key, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=10) as response:
            said = json.load(response)
        return sorted(said, key=_key) if isinstance(said, list) else said

    def start_up_s(self, cores: str) -> float:
        """Start it on *cores*; return the seconds until its first answer."""
        began = time.monotonic()
        self.start(cores, 1)
        return time.monotonic() - began


def _key(answer: dict[str, Any]) -> str:
    return str(answer.get("flagKey") or answer.get("experimentKey"))


def nginx(directory: Path) -> Contestant:
    """The CDN and the collector; not one of those that are measured."""
    files = directory / "nginx/files/datafiles"
    files.mkdir(parents=True)
    (directory / "nginx/v1").mkdir()
    for key in DATAFILES:
        (files / f"{key}.json").write_bytes(datafile(key))
    (directory / "nginx/files/bucketer").write_text("{}")
    command = ["nginx", "-c", str(directory / "nginx/nginx.conf")]
    return Contestant("nginx", "-", command, decides=False)


def servers(directory: Path, agent: Path, origin: str) -> tuple[Server, Server]:
    """Ours, and Agent: each with its defaults, but for where things are."""
    template = f"{origin}/datafiles/%s.json"
    ours = Server(
        "bucketer",
        "on",
        [sys.executable, "-m", "bucketer", "serve", "--port", "{port}", "--workers", "1"],
        {
            "BUCKETER_SDK_KEYS": "any",
            "BUCKETER_SDK_KEY_URL": template.replace("%s", "{}"),
            "BUCKETER_EVENTS_ENDPOINT": f"{origin}/v1/events",
            "BUCKETER_STATE_DIR": str(directory / "state"),
        },
    )
    theirs = Server(
        "Agent",
        "on",
        ["env", "OPTIMIZELY_API_PORT={port}", str(agent)],
        {
            "OPTIMIZELY_CONFIG_FILENAME": str(directory / "none.yaml"),
            "OPTIMIZELY_ADMIN_PORT": "0",
            "OPTIMIZELY_WEBHOOK_PORT": "0",
            "OPTIMIZELY_LOG_LEVEL": "error",
            "OPTIMIZELY_SDKKEYS": ",".join(DATAFILES),
            "OPTIMIZELY_CLIENT_DATAFILEURLTEMPLATE": template,
            "OPTIMIZELY_CLIENT_EVENTURL": f"{origin}/v1/events",
        },
    )
    return ours, theirs


def check(agent: Path) -> None:
    """Say what is missing, and how to get it.

    Raises:
        Missing: something is.
    """
    for command, package in _TOOLS:
        if shutil.which(command) is None:
            raise Missing(f"{command} is missing: apt-get install {package}")
    if not agent.is_file():
        raise Missing(f"{agent} is no file; build Agent (github.com/optimizely/agent) and name it")
    assert (PEERS / "nginx.conf").is_file()
