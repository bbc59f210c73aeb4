"""`bucketer serve` as a person starts it: a process of its own on loopback."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time

from .states import state_dir

STARTED = re.compile(r"http://127\.0\.0\.1:(\d+)")


@contextlib.contextmanager
def bucketer_serve(*options, before=(), **environ):
    """Start it on a free port with events off (unless *environ* says otherwise); stop it after.

    *before* is the beginning of the command, such as ``prlimit`` and its options.
    """
    started = start(*options, before=before, **environ)
    try:
        yield started
    finally:
        started.stop()


def start(*options, before=(), patience_s=60.0, **environ):
    """Start it and wait until it has said where it is.

    Raises:
        AssertionError: it ended, or *patience_s* went by.
    """
    command = [*before, sys.executable, "-m", "bucketer", "serve", "--port", "0", *options]
    ours = {"BUCKETER_EVENTS": "off", "PYTHONUNBUFFERED": "1", "BUCKETER_STATE_DIR": state_dir()}
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BUCKETER_", "DATAFILE_"))
    }
    process = subprocess.Popen(
        command,
        env=inherited | ours | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that it can be killed with all that it has started
    )
    lines, ready = [], []
    # A process that says nothing is killed, so that its output ends: no test waits for ever.
    slow = threading.Timer(patience_s, _kill_all, [process])
    slow.start()
    try:
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if ready:
                return Started(process, ready[0], lines)  # it says two lines in all
            if match := STARTED.search(line):
                ready.append(int(match[1]))
    finally:
        slow.cancel()
    _kill_all(process)  # it may have closed its output and gone on
    out, err = process.communicate()
    message = f"bucketer serve ended, or wasn't ready in {patience_s} s: {lines}{out}{err}"
    raise AssertionError(message)


def _kill_all(process):
    """Kill the process and its workers: each of them holds the pipes open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class Started:
    """The process, its port and the lines it has said until it was ready."""

    def __init__(self, process, port, lines):
        self.process = process
        self.port = port
        self.lines = lines
        self.url = f"http://127.0.0.1:{port}"

    def children(self):
        """Process ids of its workers, when it has several (and of Python's own tracker)."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as children:  # noqa: PTH123 -- /proc
            return [int(word) for word in children.read().split()]

    def stop(self, number=signal.SIGTERM, patience_s=60):
        """Send a signal and return (exit status, standard output since the start, standard error)."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            out, err = self.process.communicate(timeout=patience_s)
        except ValueError:  # asked a second time
            return self.process.returncode, "", ""
        except subprocess.TimeoutExpired:
            _kill_all(self.process)
            self.process.communicate()
            raise
        return self.process.returncode, out, err

    def wait_for(self, true, patience_s=60.0):
        """Wait until *true()* is, and return what it gave."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if found := true():
                return found
            time.sleep(0.05)
        raise AssertionError("it never became true")
