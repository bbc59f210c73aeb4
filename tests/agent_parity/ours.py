"""Four Bucketers with the options of the four Agents, each a server of its own on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.fakes.ports import held_port

from .conversation import DEMO

_START_S = 60.0
#: The secret of a client, and the secrets that sign tokens: invented, and the same at Agent.
CLIENT_SECRET_HASH = (
    "JDJhJDEyJDNDOG12LmNCNzlHaHhGcEJtLzZZQk9VLnRneEpGTTlnTXozb2kyNS9ERzhJTDZOZkpGa0ND"
)
HMAC_SECRETS = (
    "R8W3PRpnjp6/WmhyeCBZdscrQbMpqf8WIDxx910SlJk=",
    "LQR5YqSDln9ALMg7PsxC0/69ktrCJEPPUG4gwzZHAww=",
)
#: Beside what all four have: overrides on; user profiles and notifications too; tokens wanted; nothing.
SETTINGS = {
    "open": {"BUCKETER_OVERRIDES": "on"},
    "profiles": {
        "BUCKETER_OVERRIDES": "on",
        "BUCKETER_PROFILES": "memory",
        "BUCKETER_PROFILES_API": "on",
        "BUCKETER_AGENT_NOTIFICATIONS": "on",
    },
    "closed": {
        "BUCKETER_AUTH_HMAC_SECRETS": " ".join(HMAC_SECRETS),
        "BUCKETER_AUTH_CLIENTS": f"lab:{CLIENT_SECRET_HASH}:{DEMO},lab00,lab01",
        "BUCKETER_AUTH_ROLE": "admin",  # as `migrate-agent` writes it
    },
    "bare": {},
}


def settings(name, stubs_url, state):
    """Return the variables of the one of that name."""
    return {
        # Not the packaged demonstration, whose events go nowhere.
        "DATAFILE_URL": f"{stubs_url}/datafiles/{DEMO}.json",
        "BUCKETER_SDK_KEYS": "any",
        "BUCKETER_SDK_KEY_URL": f"{stubs_url}/datafiles/{{}}.json",
        "BUCKETER_SDK_KEY_SECURE_URL": f"{stubs_url}/datafiles/{{}}.json",
        "BUCKETER_EVENTS": "outbox",
        "BUCKETER_EVENTS_ENDPOINT": f"{stubs_url}/v1/events",
        "BUCKETER_EVENTS_INTERVAL": "0.05",
        "BUCKETER_CMAB_ENDPOINT": f"{stubs_url}/predict/",
        "BUCKETER_ODP_HOST": f"{stubs_url}/odp",
        "BUCKETER_STATE_DIR": str(state),
        **SETTINGS[name],
    }


@contextmanager
def four(stubs_url, directory, names=tuple(SETTINGS)):
    """Start them; give {name: URL}; end them.

    Args:
        directory: for their state and their logs.
    """
    running, urls, held = [], {}, ExitStack()
    try:
        for name in names:
            port = held.enter_context(held_port())
            state = Path(directory) / name
            state.mkdir(parents=True)
            command = [sys.executable, "-m", "bucketer", "serve", "--port", str(port)]
            with (Path(directory) / f"{name}.log").open("wb") as log:
                running.append(
                    subprocess.Popen(
                        command,
                        env={**os.environ, **settings(name, stubs_url, state)},
                        stdout=log,
                        stderr=log,
                    )
                )
            urls[name] = f"http://127.0.0.1:{port}"
        for url in urls.values():
            _wait_for(f"{url}/health")
        yield urls
    finally:
        for each in running:
            each.terminate()
        for each in running:
            each.wait(20)
        held.close()


def _wait_for(url):
    deadline = time.monotonic() + _START_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                answer.read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
