"""Several worker processes: uvicorn's supervisor, which here also tells what it does."""

from __future__ import annotations

import logging
import os
import signal
import time

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from bucketer.doors.server import hangup
from bucketer.doors.server.logs import reopen_logs

_log = logging.getLogger("bucketer.server")
#: uvicorn waits for an answer for 5 s before it takes a worker for hung.
_WAITED_S = 2.0


class Workers(Multiprocess):
    """Replaces a worker that is gone, or that no longer answers, and says so.

    uvicorn says so where nobody hears it, among the steps of every start and stop.
    """

    def init_processes(self) -> None:
        """Start them, as uvicorn does."""
        with hangup.held():
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        """Look after each worker, as uvicorn does twice a second."""
        hung = {id(each) for each in self.processes if each.process.is_alive()}
        before = list(self.processes)
        began = time.monotonic()
        with hangup.held():
            super().keep_subprocess_alive()
        # One that hangs is waited for; one that dies while it is looked at isn't.
        if time.monotonic() - began < _WAITED_S:
            hung.clear()
        for old, new in zip(before, self.processes, strict=False):
            if old.exitcode == STARTUP_FAILURE:
                _log.error("worker %s could not start, so the server stops", old.pid)
                break  # the others are told to stop
            if new is not old:
                why = "no longer answered" if id(old) in hung else _end(old.exitcode)
                _log.warning("worker %s %s; worker %s takes its place", old.pid, why, new.pid)

    def handle_hup(self) -> None:
        """Tell the workers, which refresh; uvicorn would start them all anew, and fetch less."""
        reopen_logs()
        for each in self.processes:
            if each.pid is not None and each.exitcode is None:
                os.kill(each.pid, signal.SIGHUP)

    def could_not_start(self) -> bool:
        """Say whether it has ended because a worker could not start."""
        return any(each.exitcode == STARTUP_FAILURE for each in self.processes)


def _end(exit_status: int | None) -> str:
    """Say how a process ended: killed by a signal, or by itself."""
    if exit_status is None or exit_status >= 0:
        return f"ended with status {exit_status}"
    try:
        return f"was killed by {signal.Signals(-exit_status).name}"
    except ValueError:
        return f"was killed by signal {-exit_status}"
