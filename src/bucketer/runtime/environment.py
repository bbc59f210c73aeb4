"""One environment: what has an SDK key and a datafile, kept fresh, and what answers by it.

Requests go to `Environment.handler`, which knows one edition and nothing else; a new edition means
a new handler, put in place by one assignment, so that a request sees the old or the new one, never
a mixture.
"""

from __future__ import annotations

import threading
import time

from bucketer.clock import SteadyClock
from bucketer.core.errors import BucketerError, SourceError
from bucketer.core.revisions import is_newer
from bucketer.ports import OLDER_AFTER_S

from .compiling import compile_quietly
from .freshness import Freshness
from .seen import Seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bucketer.api.routes import Handler
    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import DatafileSource

    from .edition import Edition

#: The longest pause between two tries while there is no datafile at all.
MAX_PAUSE_WITHOUT_DATAFILE_S = 30.0
#: The longest pause while an older datafile serves (or the source's own age, if that is longer).
MAX_PAUSE_AFTER_FAILURES_S = 60.0
NEVER = float("inf")
#: The name of the only one, which needs no naming.
DEFAULT = "default"
_LOCAL = frozenset({"package", "demonstration", "file"})


class Environment:
    """One SDK key's datafile, kept fresh, and the handler that answers by it.

    Attributes:
        name: what logs and health call it.
        sdk_key: what requests name it by; empty where only its datafile tells, or none does.
        keys: all that `X-Optimizely-SDK-Key` may say to mean it.
        keys_of_all: what the settings call any environment: a datafile that names one of these
            doesn't make it the name of another.
        sources: where its datafile comes from, in order of preference.
        handler: answers requests; replaced whole when the edition changes, so take it once per
            request.
        edition: the one that serves, for information; None while there is no datafile.
        freshness: how fetching goes.
        due_at: when the sources are to be asked again, by the steady clock.
        id: what overrides are kept under.
        missing: the first source answered last that it has no datafile by that name.
        on_change: called with this one when a new edition serves.
    """

    __slots__ = (
        "_busy",
        "_clock",
        "_compile_raw",
        "_given_keys",
        "_has_news",
        "_make_handler",
        "_packs",
        "_seen",
        "_steady",
        "_token",
        "_used_rank",
        "due_at",
        "edition",
        "freshness",
        "handler",
        "id",
        "keys",
        "keys_of_all",
        "missing",
        "name",
        "on_change",
        "sdk_key",
        "sources",
    )

    def __init__(  # noqa: PLR0913 -- a keyword for each thing that it is wired to
        self,
        sources: Sequence[DatafileSource],
        make_handler: Callable[[Edition | None, Environment], Handler],
        *,
        name: str = DEFAULT,
        keys: Sequence[str] = (),
        token: str = "",
        id: str = "",  # noqa: A002 -- the field's word
        compile_raw: Callable[[bytes], Ruleset] | None = None,
        has_news: Callable[[], bool] | None = None,
        older_after_s: float = OLDER_AFTER_S,
        packs: bool = True,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] | None = None,
    ) -> None:
        """Wire up; nothing is fetched before `load`.

        Args:
            sources: in order of preference.
            make_handler: builds the handler of an edition.
            name: what it is called.
            keys: what requests may name it by, the SDK key first.
            token: they may also put behind the key that its datafile names.
            id: what overrides are kept under; its name unless given.
            compile_raw: bytes to ruleset; the compiled engine's unless given.
            has_news: says, at little cost, that another process of this server has a newer one.
            older_after_s: an older revision of the same environment replaces a newer one when its
                source has shown nothing newer for so long.
            packs: keep the datafile's text compressed, which a cold start has no time for.
            clock: epoch seconds: of editions and troubles.
            steady: seconds that only go forward, which pace fetching; a `SteadyClock` of its own
                unless given.
        """
        self.name = name
        self.id = id or name
        self.sdk_key, self._token = keys[0] if keys else "", token
        self.keys = self._given_keys = self.keys_of_all = frozenset(keys)
        self.freshness = Freshness("" if name == DEFAULT else name)
        self.due_at = 0.0
        self.missing = False
        self.on_change: Callable[[Environment], None] | None = None
        self.sources = tuple(sources)
        self._seen = [Seen(source, older_after_s) for source in sources]
        self._used_rank = len(self.sources)
        self._make_handler = make_handler
        self._compile_raw = compile_raw or compile_quietly
        self._has_news = has_news
        self._packs = packs
        self._clock, self._steady = clock, steady or SteadyClock(clock)
        self._busy = threading.Lock()
        self.handler = make_handler(None, self)
        self.edition: Edition | None = None

    def load(self, *, local_first: bool = False) -> None:
        """Get a first edition.

        Args:
            local_first: take what is on disk, if there is something, and leave what needs the
                network for later: the quickest cold start.
        """
        local = [source for source in self.sources if source.kind in _LOCAL]
        if local_first and local and len(local) < len(self.sources):
            with self._busy:
                self._ask(local, self._clock())
            if self.edition is not None:
                self.due_at = 0.0
                return
        self.refresh()

    def refresh(self) -> bool:
        """Ask the sources now; say whether a new edition serves. Never raises for a bad source.

        When another thread is at it already, that one's result is left to it.
        """
        if not self._busy.acquire(blocking=False):
            return False
        try:
            return self._ask(self.sources, self._clock())
        finally:
            self.due_at = self._steady() + self._pause()
            self._busy.release()

    def expire(self) -> None:
        """Make the next opportunity refresh: the process was frozen and copied (SnapStart)."""
        self.due_at = 0.0

    def insist(self, revision: str | None) -> None:
        """Have what the processes of a server share be asked for anew at the next refresh.

        Args:
            revision: may then replace a newer one; None for no such.
        """
        for source in self.sources:
            insist = getattr(source, "insist", None)
            if insist is not None:
                insist(revision)

    def is_due(self) -> bool:
        """Say whether it is time to ask the sources, or another process has something new."""
        return self._steady() >= self.due_at or (self._has_news is not None and self._has_news())

    def due_in(self) -> float:
        """Return the seconds until the sources are to be asked; infinite if they never change."""
        return self.due_at - self._steady()

    def refresh_if_due(self) -> bool:
        """Ask the sources if their answer is older than it may be; say whether it was."""
        due = self._steady() >= self.due_at
        if due:
            self.refresh()
        return due

    def _pause(self) -> float:
        """Return the seconds until the sources should be asked again."""
        ages = [source.max_age_s for source in self.sources if source.max_age_s > 0]
        failures = self.freshness.failures_in_a_row
        if self.edition is None:
            return min(2.0 ** min(failures - 1, 10), MAX_PAUSE_WITHOUT_DATAFILE_S)
        if not ages:
            return NEVER
        # The first source decides how often; a later one is only asked when it fails.
        patience = max(ages[0], MAX_PAUSE_AFTER_FAILURES_S)
        return min(ages[0] * 2.0 ** min(max(failures - 1, 0), 10), patience)

    def _ask(self, sources: Sequence[DatafileSource], now: float) -> bool:
        """Go through *sources* until one answers; put what it gives in place if it is to be used.

        A later source than the one in use is a makeshift: it counts only with a newer revision.
        """
        current = self.edition
        troubles: list[SourceError] = []
        changed = False
        for source in sources:
            rank = self.sources.index(source)
            if current is not None and source.max_age_s <= 0 and rank >= self._used_rank:
                break  # what never changes has nothing new
            try:
                edition = self._seen[rank].fetch(
                    current, self._compile_raw, self.freshness, (now, self._steady())
                )
            except BucketerError as error:
                if not isinstance(error, SourceError):
                    error = SourceError(source.where, str(error))
                error.found_by_each = source.kind in _LOCAL
                troubles.append(error)
                continue
            if edition is None:
                if current is not None and rank == self._used_rank:
                    current.checked_at = now
            elif (
                current is None
                or rank <= self._used_rank
                or is_newer(edition.ruleset.revision, current.ruleset.revision)
            ):
                if self._packs:
                    edition.pack()
                told = edition.ruleset.sdk_key
                self.keys = self._given_keys
                if told and told not in self.keys_of_all:
                    self.keys |= {told, f"{told}:{self._token}"} if self._token else {told}
                self.handler = self._make_handler(edition, self)  # the swap
                self.edition = edition
                self._used_rank = rank
                changed = True
            break
        self.missing = bool(troubles) and troubles[0].missing
        found = self.edition
        serving = f"revision {found.ruleset.revision} from {found.where}" if found else "nothing"
        self.freshness.note(troubles, now, serving)
        if changed and self.on_change is not None:
            self.on_change(self)
        return changed
