"""The process's one `Runtime`: answers requests, and keeps the datafile that answers them fresh."""

from __future__ import annotations

import logging
import threading
import time

from bucketer.api.http import Known, Needed, NoticeReceived, ProfileNeeded, RevisionNeeded
from bucketer.clock import SteadyClock
from bucketer.core.bandit import PredictionNeeded
from bucketer.core.errors import BucketerError, SourceError
from bucketer.core.revisions import is_newer
from bucketer.ports import OLDER_AFTER_S

from .compiling import compile_quietly
from .freshness import Freshness
from .ids import new_uuid
from .seen import Seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bucketer.api.http import Reply, Request, Response
    from bucketer.api.routes import Handler
    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import DatafileSource, Outbox, Predictor, ProfileStore

    from .edition import Edition

_log = logging.getLogger("bucketer")

#: The longest pause between two tries while there is no datafile at all.
MAX_PAUSE_WITHOUT_DATAFILE_S = 30.0
#: The longest pause while an older datafile serves (or the source's own age, if that is longer).
MAX_PAUSE_AFTER_FAILURES_S = 60.0
_NEVER = float("inf")
#: How often a process looks whether another one has fetched.
_LOOK_EVERY_S = 1.0
_LOCAL = frozenset({"package", "demonstration", "file"})


class Runtime:
    """Serves requests from the newest datafile that could be had.

    Attributes:
        handler: answers requests; replaced whole when the edition changes, so take it once per
            request.
        edition: the one that serves, for information; None while there is no datafile.
        freshness: how fetching goes.
    """

    def __init__(  # noqa: PLR0913 -- a keyword for each thing that it is wired to
        self,
        sources: Sequence[DatafileSource],
        make_handler: Callable[[Edition | None], Handler],
        *,
        compile_raw: Callable[[bytes], Ruleset] | None = None,
        outbox: Outbox | None = None,
        profiles: ProfileStore | None = None,
        predictor: Predictor | None = None,
        archive: Callable[[str], Edition | None] | None = None,
        on_notice: Callable[[bytes], None] | None = None,
        has_news: Callable[[], bool] | None = None,
        name_event: Callable[[], str] | None = None,
        inline: bool = False,
        older_after_s: float = OLDER_AFTER_S,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wire up; nothing is fetched before `load`.

        Args:
            sources: in order of preference.
            make_handler: builds the handler of an edition.
            compile_raw: bytes to ruleset; the compiled engine's unless given.
            outbox: takes the events; None drops them (events are off).
            profiles: the profile store, if one is configured; one that never raises.
            predictor: asks for CMAB predictions; without one each prediction counts as failed.
            archive: finds the edition of an older revision, or None; or raises
                RevisionUnavailable.
            on_notice: passes a webhook's body on, without waiting for what comes of it.
            has_news: says, at little cost, that another process of this server has a newer one.
            name_event: makes the name of an event; a UUID's unless given.
            inline: refresh before a request that finds the edition too old, since nothing will
                call `after_response` and no thread runs.
            older_after_s: an older revision of the same environment replaces a newer one when its
                source has shown nothing newer for so long.
            clock: epoch seconds: of requests, editions and troubles.
            monotonic: seconds; with the other it paces fetching, so that a clock that is set back
                stops nothing.
        """
        self.freshness = Freshness()
        self.outbox = outbox
        self.inline = inline
        self._sources = tuple(sources)
        self._seen = [Seen(source, older_after_s) for source in sources]
        self._used_rank = len(self._sources)
        self._make_handler = make_handler
        self._compile_raw = compile_raw or compile_quietly
        self._profiles = profiles
        self._predictor = predictor
        self._archive = archive
        self._on_notice = on_notice
        self._has_news = has_news
        self._name_event = name_event or new_uuid
        self._clock, self._steady = clock, SteadyClock(clock, monotonic)
        self._due_at = 0.0  # by the steady clock
        self._busy = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.handler = make_handler(None)
        self.edition: Edition | None = None

    # -- requests ---------------------------------------------------------------------------

    def serve(
        self, request: Request, deadline: Callable[[], float | None] | None = None
    ) -> Response:
        """Answer *request*; what it obliges us to do is done or handed over when this returns.

        Args:
            request: from a door.
            deadline: gives when, by `time.monotonic`, nobody waits for a contextual bandit any
                longer; without one, or if it gives None, the predictor's own time-outs bound it.
        """
        if self.inline or self.edition is None:
            self._refresh_if_due()
        now = self._clock()
        reply = self._reply(request, now, deadline)
        if reply.failure is not None:
            _log.error("request %s failed", request.request_id, exc_info=reply.failure)
        if reply.profile is not None and self._profiles is not None:
            self._profiles.save(*reply.profile)
        if reply.events and self.outbox is not None:
            self.outbox.add(reply.events)
        return reply.response

    def _reply(
        self, request: Request, now: float, deadline: Callable[[], float | None] | None
    ) -> Reply:
        """Call the handler until it has all it needs to know."""
        handler = self.handler  # one edition for the whole request
        known: Known | None = None
        while True:
            try:
                return handler.handle(request, now, self._name_event, known)
            except (PredictionNeeded, Needed) as needed:
                known = known or Known()
                self._provide(needed, known, deadline)

    def _provide(
        self,
        needed: PredictionNeeded | Needed,
        known: Known,
        deadline: Callable[[], float | None] | None,
    ) -> None:
        """Do what the handler asks for; put what comes of it into *known*."""
        if isinstance(needed, PredictionNeeded):
            if needed.rule_id in (known.predictions or {}):
                raise AssertionError(needed.rule_id) from needed  # it would go round for ever
            prediction = None
            if self._predictor is not None:
                until = None if deadline is None else deadline()
                prediction = self._predictor.predict(needed, deadline=until)
            known.predictions = {**(known.predictions or {}), needed.rule_id: prediction}
        elif isinstance(needed, ProfileNeeded):
            stored = None if self._profiles is None else self._profiles.lookup(needed.user_id)
            known.profile = {} if stored is None else stored
        elif isinstance(needed, RevisionNeeded):
            known.asked = True
            try:
                known.edition = self._archive(needed.revision) if self._archive else None
            except BucketerError as error:
                known.failure = error
        elif isinstance(needed, NoticeReceived):
            known.asked = True
            if self._on_notice is not None:
                self._on_notice(needed.body)

    # -- the datafile -----------------------------------------------------------------------

    def load(self, *, local_first: bool = False) -> None:
        """Get a first edition.

        Args:
            local_first: take what is on disk, if there is something, and leave what needs the
                network for the first `after_response`: the quickest cold start.
        """
        local = [source for source in self._sources if source.kind in _LOCAL]
        if local_first and local and len(local) < len(self._sources):
            with self._busy:
                self._ask(local, self._clock())
            if self.edition is not None:
                self._due_at = 0.0
                return
        self.refresh()

    def refresh(self) -> bool:
        """Ask the sources now; say whether a new edition serves. Never raises for a bad source.

        When another thread is at it already, that one's result is left to it.
        """
        if not self._busy.acquire(blocking=False):
            return False
        try:
            return self._ask(self._sources, self._clock())
        finally:
            self._due_at = self._steady() + self._pause()
            self._busy.release()

    def expire(self) -> None:
        """Make the next opportunity refresh: the process was frozen and copied (SnapStart)."""
        self._due_at = 0.0

    def has_work(self) -> bool:
        """Say whether `after_response` would do anything now."""
        waits = self.outbox is not None and self.outbox.waits()
        return waits or self._steady() >= self._due_at

    def after_response(self, deadline_s: float) -> None:
        """Do what was put off while a caller waited: deliver events, then refresh if it is time.

        Events come first: a datafile that is slow to come must not take their time, and what they
        leave of it would be too little for the datafile. So each has its own.

        Args:
            deadline_s: seconds that events may take; a source's own time-out bounds a refresh.
        """
        try:
            if self.outbox is not None:
                self.outbox.after_response(deadline_s)
        finally:
            self._refresh_if_due()

    def keep_fresh(self) -> None:
        """Refresh by age in a thread of its own, until `close`. For server mode."""
        if self._thread is None and self._pause() != _NEVER:
            self._thread = threading.Thread(target=self._watch, name="datafile", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop refreshing, then deliver or hand over what the outbox holds."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)  # it may sit in a fetch; it is a daemon
        try:
            for held in (self._predictor, self._profiles):
                if held is not None:
                    held.close()
        finally:
            if self.outbox is not None:
                self.outbox.close()

    def _watch(self) -> None:
        longest = 3600.0 if self._has_news is None else _LOOK_EVERY_S
        while not self._stop.wait(max(0.0, min(self._due_at - self._steady(), longest))):
            if self._steady() >= self._due_at or (self._has_news is not None and self._has_news()):
                try:
                    self.refresh()
                except Exception:  # noqa: BLE001 -- without this thread nothing is ever fetched again
                    _log.exception("datafile: the refresh failed in a way that nobody foresaw")

    def _refresh_if_due(self) -> None:
        if self._steady() >= self._due_at:
            self.refresh()

    def _pause(self) -> float:
        """Return the seconds until the sources should be asked again."""
        ages = [source.max_age_s for source in self._sources if source.max_age_s > 0]
        failures = self.freshness.failures_in_a_row
        if self.edition is None:
            return min(2.0 ** min(failures - 1, 10), MAX_PAUSE_WITHOUT_DATAFILE_S)
        if not ages:
            return _NEVER
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
            rank = self._sources.index(source)
            if current is not None and source.max_age_s <= 0 and rank >= self._used_rank:
                break  # what never changes has nothing new
            try:
                edition = self._seen[rank].fetch(
                    current, self._compile_raw, self.freshness, (now, self._steady())
                )
            except BucketerError as error:
                if not isinstance(error, SourceError):
                    error = SourceError(source.where, str(error))
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
                self.handler = self._make_handler(edition)  # the swap
                self.edition = edition
                self._used_rank = rank
                changed = True
            break
        found = self.edition
        serving = f"revision {found.ruleset.revision} from {found.where}" if found else "nothing"
        self.freshness.note(troubles, now, serving)
        return changed
