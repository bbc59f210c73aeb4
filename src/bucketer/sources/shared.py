"""One fetch for all processes of a server: the newest datafile lies in the state directory.

Whoever finds it too old takes the lock and asks; the others read what that one wrote, or why it
failed. What is there outlives the server, so a restart while the source is down still has a
datafile. Nobody who has a datafile to serve waits while another process asks. Where the state
directory can't be used, each process asks for itself and serves from memory.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from hashlib import sha256
from typing import TYPE_CHECKING

from bucketer.clock import SteadyClock
from bucketer.core.errors import DatafileError, SourceError
from bucketer.core.parse import parse_datafile
from bucketer.core.revisions import is_older, publication_of
from bucketer.ports import OLDER_AFTER_S, Fetched, shows_older

from .copies import Copy, CopyFiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import ParamSpec, TypeVar

    from bucketer.ports import DatafileSource

    P = ParamSpec("P")
    T = TypeVar("T")

_log = logging.getLogger("bucketer.datafile")
#: Processes that start together take one fetch for all.
_TOGETHER_S = 2.0
#: How long a start waits for a process that is asking, when it could also begin with less.
_PATIENCE_S = 1.0


class SharedSource:
    """A source, and a copy of what it gave last, on a local disk.

    Attributes: as `ports.DatafileSource` has them, taken over from the source; and
        unusable: why the state directory can't be used just now; empty when it can.
    """

    def __init__(
        self,
        source: DatafileSource,
        folder: Path,
        *,
        has_makeshift: bool = False,
        keep: Callable[[str, bytes], None] | None = None,
        older_after_s: float = OLDER_AFTER_S,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep the copy of *source* in *folder*, which is made when it is needed.

        Args:
            source: is asked.
            folder: the state directory.
            has_makeshift: a process can begin without this source: something is packaged.
            keep: is given each revision, by its name, and the datafile; for an archive.
            older_after_s: an older revision replaces a newer one of the same environment when the
                source has shown nothing newer for so long.
            clock: epoch seconds, as the file system has them.
            monotonic: seconds.
        """
        self.kind = source.kind
        self.label = source.label
        self.where = source.where
        self.max_age_s = source.max_age_s
        self.unusable = ""
        self._source = source
        self._files = CopyFiles(folder, source.label, clock)
        self._has_makeshift = has_makeshift
        self._keep = keep
        self._kept: str | None = None
        self._older_after_s = older_after_s
        self._clock, self._steady = clock, SteadyClock(clock, monotonic)
        self._returned: tuple[int, int] | None = None
        #: What could not be stored, and what lay there instead.
        self._held: tuple[Copy, tuple[int, int] | None] | None = None
        #: Moments of the steady clock.
        self._insisted_at: float | None = None
        self._looked_at: float | None = None
        self._older_from: float | None = None
        self._asked_for: str | None = None
        self._told = ""

    def fetch(self, mark: str | None) -> Fetched | None:
        """Return what the source has, asking it only if no process has just done so.

        Raises:
            SourceError: the source fails, and there is no copy, or the caller has it already.
                `heard` where another process has found that out. Also when it shows an older
                revision than the copy, which stays.
        """
        self.unusable = ""
        try:
            return self._fetch(mark)
        finally:
            self._looked_at = self._steady()
            self._tell()

    def _fetch(self, mark: str | None) -> Fetched | None:
        with ExitStack() as lock:
            alone = self._attempt(lock.enter_context, self._files.alone(self._patience_s(mark)))
            self._returned = self._files.identity()
            copy, trouble = self._known(), None
            if alone is None or (alone and self._is_due(mark, copy)):
                try:
                    copy = self._ask(copy)
                except SourceError as error:
                    self._attempt(self._files.note_failure, error)
                    trouble = error
            else:
                trouble = self._attempt(self._files.recorded_failure)
        if copy is not None and copy.mark != mark:
            # Also where the source fails now: the next refresh says so.
            return Fetched(copy.raw, copy.etag, copy.fetched_at, copy.mark, admitted=copy.admitted)
        if trouble is None and copy is None:
            trouble = SourceError(self.where, "another process of this server is still asking it")
            trouble.heard = True
        if trouble is not None:
            raise trouble
        return None

    def has_news(self) -> bool:
        """Say whether another process has put another copy in place. Costs one look at the disk."""
        return self._files.identity() not in {self._returned, None}

    def insist(self, revision: str | None = None) -> None:
        """Believe no answer older than this moment: somebody says that there is a newer one.

        Args:
            revision: is asked for: the next answer may show it though it is older.
        """
        self._insisted_at = self._steady()
        self._asked_for = revision

    def accept_older(self) -> None:
        """Let an older revision serve as soon as it is looked for: it has stayed for ever.

        For another process than those that serve; one that shows a newer one makes it void.

        Raises:
            OSError: the state directory can't be used.
        """
        self._files.note_older(0.0)

    def _patience_s(self, mark: str | None) -> float | None:
        """Return how long to wait for another process that is asking; None is until it is done."""
        if mark is not None:
            return 0.0
        return _PATIENCE_S if self._has_makeshift or self._known() is not None else None

    def _is_due(self, mark: str | None, copy: Copy | None) -> bool:
        """Say whether it is this process's turn to ask. Only with the lock."""
        try:
            failed_at, asked_at = self._files.failed_at(), self._files.asked_at()
        except OSError as error:
            self._note(error)
            return True
        now = self._clock()
        insisted_at = self._by_the_wall(self._insisted_at, float("-inf"))
        if failed_at is not None:
            # As long as it fails, whoever is first after a pause asks for all: an attempt that
            # was made since this process looked last counts as its own.
            last = self._by_the_wall(self._looked_at, now - _TOGETHER_S)
            return failed_at <= max(last, insisted_at)
        fresh_s = _TOGETHER_S if mark is None else self.max_age_s / 2
        return copy is None or asked_at is None or asked_at < max(now - fresh_s, insisted_at)

    def _by_the_wall(self, moment: float | None, otherwise: float) -> float:
        """Return what the wall clock, as it goes now, would have shown at *moment*."""
        return otherwise if moment is None else self._clock() - (self._steady() - moment)

    def _known(self) -> Copy | None:
        """Return what was fetched last: by this process, if it couldn't store it, or by any."""
        if self._held is not None:
            copy, beside = self._held
            if self._files.identity() in {beside, None}:
                return copy
            self._held = None  # another process could store what it fetched since
        return self._attempt(self._files.read, self.where)

    def _ask(self, known: Copy | None) -> Copy:
        """Ask the source; store what it gives, or that it gave nothing new. Return the copy.

        Raises:
            SourceError: it fails, or what it gives is no datafile at all (the copy must stay
                good), or an older one.
        """
        asked_for, self._asked_for = self._asked_for, None
        fetched = self._source.fetch(None if known is None else known.etag)
        if known is not None and (fetched is None or fetched.raw.strip() == known.raw):
            copy = known
        elif fetched is not None:
            copy = self._accepted(fetched, known, asked_for)
        else:
            raise SourceError(self.where, "said 'not modified' to a question without a condition")
        self._older_from = None
        self._attempt(self._files.forget_older)
        if copy is not known or self._held is not None:
            self._store(copy)
        if self._held is None:  # or the others would believe that what they can read is fresh
            self._attempt(self._files.note_answer)
        if self._keep is not None and copy.mark != self._kept:
            self._keep(parse_datafile(copy.raw)["revision"], copy.raw)
            self._kept = copy.mark
        return copy

    def _accepted(self, fetched: Fetched, known: Copy | None, asked_for: str | None) -> Copy:
        """Return what came as a copy, if it may take the place of *known*.

        Raises:
            SourceError: it is no datafile, or an older one.
        """
        try:
            shown = publication_of(parse_datafile(fetched.raw))
        except DatafileError as error:
            raise SourceError(self.where, str(error), fetched.size()) from error
        admitted = False
        if known is not None:
            serving = publication_of(parse_datafile(known.raw))
            admitted = is_older(shown, serving)
            if admitted and shown[2] != asked_for and not self._has_stayed():
                raise shows_older(self.where, shown[2], serving[2], self._older_after_s)
        raw = fetched.raw.strip()
        digest = sha256(raw).hexdigest()
        return Copy(fetched.etag or digest[:32], fetched.etag, self._clock(), raw, admitted)

    def _has_stayed(self) -> bool:
        """Say whether nothing but older revisions was shown for long enough. Begins to count."""
        if self._older_from is None:
            self._older_from = self._steady()
        try:
            since = self._files.older_since()
            if since is None:  # nobody has seen one yet, or somebody has seen a newer one since
                self._files.note_older()
                since, self._older_from = self._clock(), self._steady()
        except OSError as error:
            self._note(error)
            return self._steady() - self._older_from >= self._older_after_s
        return self._clock() - since >= self._older_after_s

    def _store(self, copy: Copy) -> None:
        """Put *copy* on the disk; if that can't be done, it serves from memory."""
        try:
            self._files.write(copy)
        except OSError as error:
            self._note(error)
            self._held = copy, self._files.identity()
        else:
            self._held = None
            self._returned = self._files.identity()

    def _attempt(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Do what needs the state directory; None when that can't be used."""
        try:
            return act(*args, **kwargs)
        except OSError as error:
            self._note(error)
            return None

    def _note(self, error: OSError) -> None:
        self.unusable = self.unusable or error.strerror or type(error).__name__

    def _tell(self) -> None:
        """Log when the state directory begins, or ceases, to be usable."""
        if self.unusable == self._told:
            return
        if self.unusable:
            _log.warning(
                "datafile: %s: what is fetched can't be stored (BUCKETER_STATE_DIR): %s; it serves "
                "from memory, and each process asks for itself",
                self.where,
                self.unusable,
            )
        else:
            _log.info("datafile: %s: what is fetched can be stored again", self.where)
        self._told = self.unusable
