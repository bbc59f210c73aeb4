"""SIGHUP in; datafiles asked for anew, and files of log lines opened anew, out."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bucketer.doors.server.logs import reopen_logs

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

_log = logging.getLogger("bucketer.server")


def is_heard() -> bool:
    """Say whether SIGHUP means that: at a terminal it means that the person has gone."""
    return hasattr(signal, "SIGHUP") and not any(map(os.isatty, (1, 2)))


def ignore() -> None:
    """Let SIGHUP end nothing, until there is something to refresh."""
    if is_heard():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


@contextmanager
def held() -> Iterator[None]:
    """Let SIGHUP wait, here and in each process that is started meanwhile, until it hears it.

    `systemctl kill` sends it to all of them: a worker that is about to start, and the process by
    which Python tidies up, which would be started anew with a warning.
    """
    if not is_heard():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hear(loop: asyncio.AbstractEventLoop, refresh: Callable[[], None]) -> None:
    """Have SIGHUP call *refresh*, which doesn't wait, and open the logs anew."""

    def heard() -> None:
        reopen_logs()
        refresh()
        _log.info("SIGHUP: the datafiles are asked for, and the files of the log opened anew")

    if is_heard():
        loop.add_signal_handler(signal.SIGHUP, heard)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
