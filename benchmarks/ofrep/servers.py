"""The three servers, each with so many flags: how it is started, asked and checked."""

from __future__ import annotations

import json
import shutil
import sys
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.requests.contestants import Contestant, Missing, free_port

from .flags import CONTEXT, allowed, datafile, for_flagd, for_goff, key_of

if TYPE_CHECKING:
    from pathlib import Path

PATH = "/ofrep/v1/evaluate/flags"
_TOOLS = (("wrk", "wrk"), ("taskset", "util-linux"))


@dataclass
class Server(Contestant):
    """One of them, with *count* flags."""

    poll_s: float = 0.05
    count: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, number: int) -> dict[str, object]:
        """Evaluate the last flag, so that `start` waits until all of them are there."""
        found: dict[str, object] = self.evaluate(f"/{key_of(self.count - 1)}", number)[0]
        return found

    def evaluate(self, what: str, number: int) -> tuple[Any, str]:
        """Ask for one flag (`/key`) or all (nothing); the answer's body and its ETag."""
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{PATH}{what}",
            body_of(number),
            {"Content-Type": "application/json", **self.headers},
        )
        with urllib.request.urlopen(asked, timeout=10) as response:
            return json.load(response), response.headers.get("ETag") or ""

    def check(self, number: int) -> None:
        """Compare what it answers with what it should.

        Raises:
            AssertionError: it is something else.
        """
        told, _ = self.evaluate("", number)
        values = {each["key"]: each.get("value") for each in told["flags"]}
        for index in range(self.count):
            key = key_of(index)
            alone, _ = self.evaluate(f"/{key}", number) if index < 8 else (None, "")
            for value in (values[key], *([alone["value"]] if alone else [])):
                assert value in allowed(index), (self.name, key, value)


def body_of(number: int) -> bytes:
    """What is sent for user *number*."""
    return json.dumps({"context": CONTEXT}).replace("|", str(number)).encode()


def servers(directory: Path, count: int, flagd: Path, goff: Path) -> tuple[Server, ...]:
    """Ours, flagd, GO Feature Flag: each with *count* flags and what it does by default."""
    files = {}
    for name, make in (("datafile", datafile), ("flagd", for_flagd), ("goff", for_goff)):
        files[name] = directory / f"{name}{count}.json"
        files[name].write_bytes(make(count))
    ours = [sys.executable, "-m", "bucketer", "serve", "--port", "{port}", "--workers", "1"]
    others = [str(free_port()) for _ in range(4)]
    flagds = [str(flagd), "start", "--uri", f"file:{files['flagd']}", "--ofrep-port", "{port}"]
    for option, port in zip(("port", "sync-port", "management-port"), others, strict=False):
        flagds += [f"--{option}", port]
    config = directory / f"goff{count}.yaml"
    config.write_text(
        json.dumps(
            {
                "server": {"mode": "http", "monitoringPort": int(others[3])},
                "pollingInterval": 3_600_000,
                "loglevel": "error",
                "hideBanner": True,
                "retrievers": [{"kind": "file", "path": str(files["goff"])}],
            }
        )
    )
    goffs = ["env", "SERVER_PORT={port}", str(goff), "--config", str(config)]
    return (
        Server(
            "bucketer",
            "off",
            ours,
            {
                "BUCKETER_DATAFILE": str(files["datafile"]),
                "BUCKETER_EVENTS": "off",
                "BUCKETER_STATE_DIR": str(directory / f"state{count}"),
            },
            count=count,
        ),
        Server("flagd", "-", flagds, count=count),
        Server("GO Feature Flag", "-", goffs, count=count),
    )


def check(flagd: Path, goff: Path) -> None:
    """Say what is missing, and how to get it.

    Raises:
        Missing: something is.
    """
    for command, package in _TOOLS:
        if shutil.which(command) is None:
            raise Missing(f"{command} is missing: apt-get install {package}")
    for path, module in (
        (flagd, "github.com/open-feature/flagd/flagd"),
        (goff, "github.com/thomaspoignant/go-feature-flag/cmd/relayproxy"),
    ):
        if not path.is_file():
            raise Missing(f"{path} is no file; build the Go module {module} and name its binary")
