"""Who listens to decisions, and which of them each is told: as many a second as it wants.

The engine is wrapped, and does one thing more for each decision while nobody listens: it looks
whether somebody does. Any thread may decide.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from typing import TYPE_CHECKING

from bucketer.api.service.tail import DECISION
from bucketer.api.streams import Notice
from bucketer.core.decision import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable

    from bucketer.api.options import May
    from bucketer.api.wanted import Wanted
    from bucketer.core.decision import Decision
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import User
    from bucketer.ports import Engine

#: Who may listen at a worker at once. Each is looked at for each decision.
MOST_LISTENERS = 8
#: Characters that are told of a key or a user's id.
LONGEST = 200
#: One that was given a topic and never began to listen is forgotten after so long.
_PATIENCE_S = 0.5
_NO_OPTIONS: frozenset[str] = frozenset()


class _Tail:
    """One listener: what it wants, and how many it was told in the present second."""

    __slots__ = ("began", "environments", "left", "second", "seen", "skipped", "wanted")

    def __init__(self, wanted: Wanted, environments: frozenset[str] | None, now: float) -> None:
        self.wanted, self.environments = wanted, environments
        self.began, self.seen = now, False
        self.second, self.left, self.skipped = -1, 0, 0

    def wants(self, environment: str, flag: str, user: str, variation: str, reason: str) -> bool:
        wanted = self.wanted
        return (
            (self.environments is None or environment in self.environments)
            and wanted.environment in ("", environment)
            and wanted.flag in ("", flag)
            and wanted.user in ("", user)
            and wanted.variation in ("", variation)
            and wanted.reason in ("", reason)
        )

    def has_room(self, now: float) -> bool:
        """Say whether one more may be told in this second; count those that may not."""
        second = int(now)
        if second != self.second:
            self.second, self.left = second, self.wanted.per_second
        if not self.left:
            self.skipped += 1
            return False
        self.left -= 1
        return True


class Tails:
    """All who listen at one worker.

    Args:
        listened: the topics that somebody listens to, kept true by the door.
        clock: seconds that only go forward.
        workers: how many share the port, of which a listener hears one.

    Attributes:
        tell: takes notices, from any thread; put there by the door's worker.
        covered: gives the names of those environments that may be asked.
    """

    def __init__(
        self,
        listened: Container[str],
        clock: Callable[[], float] = time.monotonic,
        *,
        workers: int = 1,
    ) -> None:
        self.tell: Callable[[Iterable[Notice]], None] | None = None
        self.covered: Callable[[May], frozenset[str]] = lambda _may: frozenset()
        self._listened, self._clock = listened, clock
        here = json.dumps({"worker": os.getpid(), "of": workers})
        self._opening = f"event: worker\ndata: {here}\n\n".encode()
        self._tails: dict[str, _Tail] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def open(self, wanted: Wanted, may: May | None = None) -> tuple[str, bytes]:
        """Return a topic on which *wanted* decisions are told from now on, and what is said first.

        They are of those environments that one *may* ask; of all where it is None. The topic is ""
        where as many listen as may.
        """
        environments = None if may is None else self.covered(may)
        with self._lock:
            self._drop_gone()
            if len(self._tails) >= MOST_LISTENERS:
                return "", b""
            topic = f"tail:{next(self._numbers)}"
            self._tails[topic] = _Tail(wanted, environments, self._clock())
            return topic, self._opening

    def _drop_gone(self) -> None:
        for topic, tail in list(self._tails.items()):
            if topic in self._listened:
                tail.seen = True
            elif tail.seen or self._clock() - tail.began > _PATIENCE_S:
                del self._tails[topic]

    def watched(self, engine: Engine, environment: str) -> Engine:
        """Return what decides as *engine* does, and tells of it."""
        return TailedEngine(engine, self._tails, self._note, environment)

    def _note(
        self, environment: str, asked: str, ruleset: Ruleset, user: User, decision: Decision
    ) -> None:
        """Tell those who want to know of it."""
        reason = reason_of(decision)
        about = (environment, asked, user.id, decision.variation_key or "", reason)
        told: dict[str, object] = {
            "at_ms": round(time.time() * 1000),
            "environment": environment,
            "revision": ruleset.revision,
            "flag": asked[:LONGEST],
            "user": user.id[:LONGEST],
            "variation": decision.variation_key,
            "enabled": decision.enabled,
            "reason": reason,
            "rule": decision.rule_key,
        }
        notices = []
        with self._lock:
            self._drop_gone()
            now = self._clock()
            for topic, tail in self._tails.items():
                if tail.wants(*about) and tail.has_room(now):
                    told["skipped"], tail.skipped = tail.skipped, 0
                    notices.append(Notice(topic, DECISION, json.dumps(told).encode()))
        if notices and self.tell is not None:
            self.tell(notices)


class TailedEngine:
    """Decides as another engine does. See `ports.Engine`."""

    __slots__ = ("activate", "decide", "plain")

    def __init__(
        self,
        engine: Engine,
        tails: dict[str, _Tail],
        note: Callable[[str, str, Ruleset, User, Decision], None],
        environment: str,
    ) -> None:
        self.plain = getattr(engine, "plain", engine)
        inner_activate, inner_decide = engine.activate, engine.decide

        def activate(
            ruleset: Ruleset, experiment_key: str, user: User, trace: list[Reason] | None
        ) -> Decision:
            """Decide an experiment by its key."""
            decision = inner_activate(ruleset, experiment_key, user, trace)
            if tails:
                note(environment, experiment_key, ruleset, user, decision)
            return decision

        def decide(
            ruleset: Ruleset,
            flag_key: str,
            user: User,
            options: Collection[str] = _NO_OPTIONS,
            trace: list[Reason] | None = None,
        ) -> Decision:
            """Decide a flag."""
            decision = inner_decide(ruleset, flag_key, user, options, trace)
            if tails:
                note(environment, flag_key, ruleset, user, decision)
            return decision

        self.activate, self.decide = activate, decide
