"""What each source gave last: the same is neither fetched, compiled nor complained of twice.

And what it gave may have to wait: an older revision doesn't take the place of a newer one of the
same environment before it has stayed for a while, or a CDN whose caches differ would turn the
datafile back and forth (docs/decisions/0116).
"""

from __future__ import annotations

from bucketer.core.errors import BucketerError, SourceError
from bucketer.core.revisions import is_older
from bucketer.ports import shows_older

from .edition import Edition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.core.revisions import Publication
    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import DatafileSource

    from .freshness import Freshness

#: Where somebody puts a datafile by hand, which is asking for it.
_BY_HAND = frozenset({"package", "demonstration", "file"})


class Seen:
    """What one source gave last.

    Args:
        source: is asked.
        older_after_s: an older revision serves when nothing newer was shown for so long.
    """

    __slots__ = (
        "_content",
        "_error",
        "_from",
        "_mark",
        "_older_after_s",
        "_served",
        "_source",
        "_waiting",
    )

    def __init__(self, source: DatafileSource, older_after_s: float) -> None:
        self._source = source
        self._older_after_s = older_after_s
        self._mark: str | None = None
        #: Length and hash of what came last, of what was put in place last.
        self._content: tuple[int, int] | None = None
        self._served: tuple[int, int] | None = None
        self._error: SourceError | None = None
        #: An older edition, and since when nothing newer was shown.
        self._waiting: Edition | None = None
        self._from = 0.0

    def fetch(
        self,
        current: Edition | None,
        compile_raw: Callable[[bytes], Ruleset],
        freshness: Freshness,
        clocks: tuple[float, float],
    ) -> Edition | None:
        """Fetch and compile; None when the source has nothing else than last time.

        Args:
            current: the edition that serves.
            compile_raw: bytes to ruleset.
            freshness: for the edition.
            clocks: epoch seconds, and seconds of a steady clock.

        Raises:
            SourceError: it can't be fetched, or it shows what is older than *current*.
                Also when what was fetched (now or last time) is no usable datafile.
        """
        source, (now, steady) = self._source, clocks
        fetched = source.fetch(self._mark)
        if fetched is not None:
            content = (len(fetched.raw), hash(fetched.raw))  # hashlib would cost 3 ms of cold start
            same, self._mark, self._content = content == self._content, fetched.mark, content
            if not same:
                self._error = None
                if content == self._served and current is not None and current.of(source):
                    self._waiting = None  # what serves is shown again
                    return None
                try:
                    ruleset = compile_raw(fetched.raw)
                except BucketerError as error:
                    self._error = SourceError(source.where, str(error), fetched.size())
                    raise self._error from error
                edition = Edition(ruleset, source, fetched, now, freshness)
                return self._in_order(edition, current, steady, admitted=fetched.admitted)
        if self._error is not None:
            raise self._error.with_traceback(None)  # still the same broken datafile
        if self._waiting is not None:
            return self._in_order(self._waiting, current, steady)
        return None

    def _in_order(
        self, edition: Edition, current: Edition | None, steady: float, *, admitted: bool = False
    ) -> Edition:
        """Return *edition*, if it may take the place of *current* now.

        Raises:
            SourceError: it is older, and hasn't stayed long enough yet.
        """
        if not (admitted or self._source.kind in _BY_HAND or current is None):
            if not is_older(_publication(edition), _publication(current)):
                self._waiting = None
                return self._put(edition)
            if self._waiting is None:
                self._from = steady
            self._waiting = edition
            if steady - self._from < self._older_after_s:
                shown, serving = edition.ruleset.revision, current.ruleset.revision
                raise shows_older(self._source.where, shown, serving, self._older_after_s)
        self._waiting = None
        return self._put(edition)

    def _put(self, edition: Edition) -> Edition:
        self._served = self._content
        return edition


def _publication(edition: Edition) -> Publication:
    ruleset = edition.ruleset
    return ruleset.project_id, ruleset.environment, ruleset.revision
