"""Webhooks in server mode: acted on in a thread, so that Optimizely isn't kept waiting."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from bucketer.api.webhook import parse_notice
from bucketer.core.errors import BucketerError

from .check import is_newer

if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.webhook import Notice
    from bucketer.runtime import Runtime

    from .desk import Desk

_log = logging.getLogger("bucketer")
_PAUSE_S = 1.0


class Reception:
    """Takes the bodies of genuine webhooks; one is worked on at a time."""

    def __init__(
        self,
        desk: Desk,
        runtime: Callable[[], Runtime],
        *,
        insist: Callable[[], None],
        wait_s: float,
    ) -> None:
        """Take what is needed.

        Args:
            desk: publishes, where targets are configured.
            runtime: to be refreshed; asked for late, since it is wired after this.
            insist: makes the shared copy of the datafile be asked for anew.
            wait_s: how long to try.
        """
        self._desk, self._runtime = desk, runtime
        self._insist, self._wait_s = insist, wait_s
        self._one = threading.Lock()

    def __call__(self, body: bytes) -> None:
        """Begin to act on a webhook, and return."""
        notice = parse_notice(body)
        threading.Thread(target=self._act, args=(notice,), name="webhook", daemon=True).start()

    def _act(self, notice: Notice) -> None:
        with self._one:
            try:
                report = self._desk.take(notice)
            except BucketerError as error:
                _log.warning("webhook: %s", error)
                return
            for where, why in report.failed.items():
                _log.error("webhook: %s: %s", where, why)
            self._refresh(report.revision)

    def _refresh(self, revision: str) -> None:
        """Refresh until *revision* serves; the server's other processes follow by themselves."""
        deadline = time.monotonic() + self._wait_s
        self._insist()
        while True:
            runtime = self._runtime()
            runtime.refresh()
            edition = runtime.edition
            if edition is not None and not is_newer(revision, edition.ruleset.revision):
                return
            if time.monotonic() + _PAUSE_S > deadline:
                _log.warning("webhook: revision %s does not serve yet", revision)
                return
            time.sleep(_PAUSE_S)
            self._insist()
