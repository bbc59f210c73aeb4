"""Webhooks in server mode: acted on in a thread, so that Optimizely isn't kept waiting.

One thread, however many webhooks come: a webhook says "look", and one look is enough for all that
wait. Whoever got hold of a genuine one can send it again and again, and must not gain by it.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from bucketer.api.service.webhook import Announcement, parse_announcement
from bucketer.core.errors import BucketerError

from .check import is_newer

if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.runtime.environment import Environment

    from .publisher import Publisher

_log = logging.getLogger("bucketer")
#: Between two looks, whether for one webhook or for the next.
_PAUSE_S = 1.0
#: Optimizely's clock and ours may differ by so much.
_SKEW_S = 300.0


class WebhookQueue:
    """Takes the bodies of genuine webhooks; one is worked on, and one waits."""

    def __init__(
        self,
        publisher: Publisher,
        environment: Environment,
        *,
        insist: Callable[[str | None], None],
        wait_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take what is needed.

        Args:
            publisher: publishes, where targets are configured.
            environment: is refreshed.
            insist: makes the shared copy of the datafile be asked for anew; a revision that it is
                given may replace a newer one.
            wait_s: how long to try.
            clock: epoch seconds.
        """
        self._publisher, self._environment = publisher, environment
        self._insist, self._wait_s, self._clock = insist, wait_s, clock
        self._lock = threading.Lock()
        self._waiting: Announcement | None = None
        self._is_at_work = False

    def __call__(self, body: bytes) -> None:
        """Take a webhook on, and return. What waits already becomes one with it."""
        announcement = parse_announcement(body)
        with self._lock:
            self._waiting = (
                announcement if self._waiting is None else _both(self._waiting, announcement)
            )
            if self._is_at_work:
                return
            self._is_at_work = True
        threading.Thread(target=self._work, name="webhook", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                announcement, self._waiting = self._waiting, None
                if announcement is None:
                    self._is_at_work = False
                    return
            try:
                self._act(announcement)
            except Exception:  # noqa: BLE001 -- or no webhook would ever be acted on again
                _log.exception("webhook: failed in a way that nobody foresaw")
            time.sleep(_PAUSE_S)

    def _act(self, announcement: Announcement) -> None:
        try:
            report = self._publisher.publish(announcement)
        except BucketerError as error:
            _log.warning("webhook: %s", error)
            return
        for where, why in report.failed.items():
            _log.error("webhook: %s: %s", where, why)
        asked_for = report.announced and self._is_of_now(announcement)
        self._refresh(report.revision, asked_for=asked_for)

    def _is_of_now(self, announcement: Announcement) -> bool:
        """Say whether it was sent after what serves was fetched: then it knows of that.

        One that is sent again was sent before, and must not bring back what it once announced.
        """
        edition = self._environment.edition
        fetched_at = None if edition is None else edition.fetched_at
        return (
            fetched_at is not None and fetched_at < announcement.sent_at <= self._clock() + _SKEW_S
        )

    def _refresh(self, revision: str, *, asked_for: bool) -> None:
        """Refresh until *revision* serves; the server's other processes follow by themselves.

        One that is *asked_for* may be older than what serves.
        """
        deadline = time.monotonic() + self._wait_s
        wanted = revision if asked_for else None
        self._insist(wanted)
        while True:
            self._environment.refresh()
            edition = self._environment.edition
            serving = None if edition is None else edition.ruleset.revision
            if serving == revision:
                return
            if serving is not None and not asked_for and not is_newer(revision, serving):
                return
            if time.monotonic() + _PAUSE_S > deadline:
                _log.warning("webhook: revision %s does not serve yet", revision)
                return
            time.sleep(_PAUSE_S)
            self._insist(wanted)


def _both(one: Announcement, other: Announcement) -> Announcement:
    """Return what two webhooks say together: of each datafile the newer revision."""
    revisions = dict(one.revisions)
    for name, revision in other.revisions.items():
        if is_newer(revision, revisions.get(name)):
            revisions[name] = revision
    return Announcement(other.project_id, revisions, max(one.sent_at, other.sent_at))
