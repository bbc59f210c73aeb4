"""SIGHUP in; datafiles asked for anew, and files of log lines opened anew, out."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING

from bucketer.doors.server.logs import reopen_logs

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_log = logging.getLogger("bucketer.server")


def is_heard() -> bool:
    """Say whether SIGHUP means that: at a terminal it means that the person has gone."""
    return hasattr(signal, "SIGHUP") and not any(map(os.isatty, (1, 2)))


def ignore() -> None:
    """Let SIGHUP end nothing, until there is something to refresh."""
    if is_heard():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def hear(loop: asyncio.AbstractEventLoop, refresh: Callable[[], None]) -> None:
    """Have SIGHUP call *refresh*, which doesn't wait, and open the logs anew."""

    def heard() -> None:
        reopen_logs()
        refresh()
        _log.info("SIGHUP: the datafiles are asked for, and the files of the log opened anew")

    if is_heard():
        loop.add_signal_handler(signal.SIGHUP, heard)
