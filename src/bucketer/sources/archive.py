"""Older revisions: kept in a directory; asked for, and remembered, wherever they are.

Anybody may ask for any revision, so neither what isn't there nor an archive that is down may cost
a fetch, or a line in the log, each time. To compile one takes the processor from whoever decides,
so one is found at a time, a few may wait, and others are told to come again (docs/decisions/0103).
"""

from __future__ import annotations

import logging
import os
import threading

from bucketer.api.bucketer.revision import check_revision
from bucketer.clock import SteadyClock
from bucketer.core.errors import BucketerError, InvalidRequest, RevisionUnavailable, SourceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Found(Protocol):
        """What is found: an edition."""

        @property
        def size_bytes(self) -> int:
            """Of its JSON text."""


_log = logging.getLogger("bucketer")

_MOST_FOUND = 8
_MOST_MISSED = 256
#: Of the JSON texts of those that are kept, together; a larger one isn't kept. Compiled, a datafile
#: takes eleven times as much memory as its text, so this is below 64 MiB.
MAX_KEPT_BYTES = 5 * 1024 * 1024
#: Callers at once for whom something is looked for: one, and those who wait. Each has a thread.
MAX_WAITING = 8
#: How long a revision that isn't there is not looked for again: it may be published any moment.
MISSED_S = 10.0
#: How long an archive that doesn't answer is left alone; callers are told to come back after that.
FAILED_S = 5.0


class Archive:
    """Finds revisions by *find*, one at a time. Call it with one; shared by threads."""

    def __init__(
        self, find: Callable[[str], Any], clock: Callable[[], float] | None = None
    ) -> None:
        """Take what is needed.

        Args:
            find: fetches and compiles one revision, or raises a BucketerError.
            clock: seconds; a `SteadyClock`'s unless given.
        """
        self._find, self._clock = find, SteadyClock() if clock is None else clock
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._waiting = 0
        self._found: dict[str, Found] = {}
        self._missed: dict[str, tuple[float, bool]] = {}
        self._down_until = 0.0

    def __call__(self, revision: str) -> Any:
        """Return the edition of *revision*; None when the archive has none.

        Raises:
            RevisionUnavailable: the archive can't be asked now, too many ask it, or what it has
                can't be used.
        """
        with self._lock:
            is_known, found = self._known(revision)
            if is_known:
                return found
            if self._waiting >= MAX_WAITING:
                raise RevisionUnavailable(revision)
            self._waiting += 1
        try:
            with self._turn:
                with self._lock:  # somebody in front may have asked for the same
                    is_known, found = self._known(revision)
                return found if is_known else self._look_for(revision)
        finally:
            with self._lock:
                self._waiting -= 1

    def _known(self, revision: str) -> tuple[bool, Found | None]:
        """Whether it needn't be looked for, and what is known of it."""
        now = self._clock()
        if revision in self._found:
            self._found[revision] = found = self._found.pop(revision)  # the last one asked
            return True, found
        until, is_there = self._missed.get(revision, (0.0, False))
        if now < until and not is_there:
            return True, None
        if now < max(until, self._down_until):
            raise RevisionUnavailable(revision)
        return False, None

    def _look_for(self, revision: str) -> Found | None:
        try:
            found: Found = self._find(revision)
        except SourceError as error:
            if error.missing:
                self._miss(revision, is_there=False)
                return None
            _log.warning("archive: revision %s: %s", revision, error)
            self._down_until = self._clock() + FAILED_S
            raise RevisionUnavailable(revision) from error
        except BucketerError as error:
            _log.warning("archive: revision %s: %s", revision, error)
            self._miss(revision, is_there=True)
            raise RevisionUnavailable(revision) from error
        with self._lock:
            if found.size_bytes <= MAX_KEPT_BYTES:
                self._found[revision] = found
            _shorten(self._found, _MOST_FOUND)
            while sum(each.size_bytes for each in self._found.values()) > MAX_KEPT_BYTES:
                _shorten(self._found, len(self._found) - 1)
        return found

    def _miss(self, revision: str, *, is_there: bool) -> None:
        with self._lock:
            self._missed.pop(revision, None)
            self._missed[revision] = (self._clock() + MISSED_S, is_there)
            _shorten(self._missed, _MOST_MISSED)


def _shorten(kept: dict[str, Any], most: int) -> None:
    """Drop the oldest entries."""
    while len(kept) > most:
        del kept[next(iter(kept))]


def keep(folder: str, revision: str, raw: bytes) -> None:
    """Put a revision into the directory *folder*, for good: what is there already stays.

    Nothing is raised: deciding goes on without an archive, and the log says what is wrong with it.
    """
    try:
        check_revision(revision)  # it becomes a file's name, and is somebody else's text
        path = os.path.join(folder, f"{revision}.json")  # noqa: PTH118 -- this module is also Lambda's
        if os.path.exists(path):  # noqa: PTH110 -- as above
            return
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 -- as above
        half_made = f"{path}.{os.getpid()}"
        try:
            with open(half_made, "wb") as file:  # noqa: PTH123 -- as above
                file.write(raw)
            os.replace(half_made, path)  # noqa: PTH105 -- as above
        except OSError:
            if os.path.exists(half_made):  # noqa: PTH110 -- as above
                os.unlink(half_made)  # noqa: PTH108 -- a full disk needs the room
            raise
    except InvalidRequest:
        _log.warning("archive: a revision is not kept: its name is no file's")
    except OSError as error:
        why = error.strerror or type(error).__name__
        _log.warning("archive: revision %s is not kept: %s", revision, why)
