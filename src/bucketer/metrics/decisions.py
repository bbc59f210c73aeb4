"""Decisions, counted where they are made: around the engine, so for every API alike."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from bucketer.core.decision import reason_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import TypeAlias

    from bucketer.core.decision import Decision
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import User
    from bucketer.ports import Engine

    from .samples import Samples

    #: Flag, variation, reason.
    Key: TypeAlias = tuple[str, str | None, str]

#: Series of one worker; what comes when there are so many is counted under `OTHERS` for its
#: environment. A Prometheus holds millions, and every one of them costs it a few KiB.
MOST = 1_000
#: Decisions of one edition whose cells are found at once; those of others are looked for.
REMEMBERED = 1_000
#: Characters of a label; datafiles name things as they like.
LONGEST = 100
OTHERS = "(others)"
_NO_OPTIONS: frozenset[str] = frozenset()


class DecisionCounts:
    """All decisions of one worker.

    Attributes:
        by_flag: False counts them under `OTHERS`, by environment and reason alone.
    """

    def __init__(self, *, by_flag: bool = True) -> None:
        """Begin with nothing."""
        self.by_flag = by_flag
        self._left = MOST
        self._lock = threading.Lock()
        self._cells: dict[tuple[str, ...], list[int]] = {}

    def counted(self, engine: Engine, environment: str) -> Engine:
        """Return what decides as *engine* does, and counts it as *environment*'s."""
        return CountedEngine(engine, self, environment[:LONGEST])

    def cell(self, environment: str, key: Key) -> list[int]:
        """Return where decisions like *key* are counted. Any thread may ask."""
        flag, variation, reason = key
        labels = (environment, flag[:LONGEST], (variation or "")[:LONGEST], reason)
        with self._lock:
            if not self.by_flag or (labels not in self._cells and self._left <= 0):
                labels = (environment, OTHERS, "", reason)
            if labels not in self._cells:
                self._left -= 1
                self._cells[labels] = [0]
            return self._cells[labels]

    def samples(self) -> Samples:
        """Return what was counted. Any thread may ask."""
        cells = self._cells.copy()
        return {"bucketer_decisions_total": {labels: cell[0] for labels, cell in cells.items()}}


class CountedEngine:
    """Decides as another engine does. See `ports.Engine`.

    Decisions that read the same have one `base`, by which their cell is found. It lives as long as
    its ruleset remembers it, so what is remembered here is an edition's.

    `cell[0] += 1` isn't interrupted by another thread: the interpreter changes threads where a
    function begins and where a loop goes round, and here neither does.
    """

    __slots__ = ("activate", "decide", "plain")

    def __init__(self, engine: Engine, counts: DecisionCounts, environment: str) -> None:
        """Count the decisions of one edition of *environment*."""
        #: Decides, and nobody takes note of it.
        self.plain = getattr(engine, "plain", engine)
        inner_activate, inner_decide = engine.activate, engine.decide
        cells: dict[object, list[int]] = {}
        cell_of = cells.get

        def find(key: Key, base: object) -> list[int]:
            cell = counts.cell(environment, key)
            if len(cells) < REMEMBERED:
                cells[base] = cell
            return cell

        # Functions that know these by themselves, and no methods: each is called for every request.
        def activate(
            ruleset: Ruleset, experiment_key: str, user: User, trace: list[Reason] | None
        ) -> Decision:
            """Decide an experiment by its key."""
            decision = inner_activate(ruleset, experiment_key, user, trace)
            cell = cell_of(decision.base)
            if cell is None:
                cell = find(_key_of(experiment_key, decision), decision.base)
            cell[0] += 1
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
            cell = cell_of(decision.base)
            if cell is None:
                cell = find(_key_of(flag_key, decision), decision.base)
            cell[0] += 1
            return decision

        self.activate, self.decide = activate, decide


def _key_of(asked: str, decision: Decision) -> Key:
    return (asked, decision.variation_key, reason_of(decision))
