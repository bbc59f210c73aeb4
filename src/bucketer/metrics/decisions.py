"""Decisions, counted where they are made: around the engine, so for every API alike."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import TypeAlias

    from bucketer.core.decision import Decision
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import User
    from bucketer.ports import Engine

    from .samples import Samples

    #: Flag, variation, kind of rule, whether it went well.
    Key: TypeAlias = tuple[str, str | None, str, bool]

#: Series of one worker; what comes when there are so many is counted under `OTHERS` for its
#: environment. A Prometheus holds millions, and every one of them costs it a few KiB.
MOST = 1_000
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
        self._by_environment: dict[str, dict[Key, list[int]]] = {}
        self._cells: dict[tuple[str, ...], list[int]] = {}

    def counted(self, engine: Engine, environment: str) -> Engine:
        """Return what decides as *engine* does, and counts it as *environment*'s."""
        cells = self._by_environment.setdefault(environment[:LONGEST], {})
        return CountedEngine(engine, self, environment[:LONGEST], cells)

    def cell(self, environment: str, key: Key) -> list[int]:
        """Return where decisions like *key* are counted. Any thread may ask."""
        flag, variation, source, went_well = key
        reason = source if variation is not None else "none"
        if not went_well:
            reason = "error"
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

    `cell[0] += 1` isn't interrupted by another thread: the interpreter changes threads where a
    function begins and where a loop goes round, and here neither does.
    """

    __slots__ = ("_activate", "_cells", "_counts", "_decide", "_environment")

    def __init__(
        self,
        engine: Engine,
        counts: DecisionCounts,
        environment: str,
        cells: dict[Key, list[int]],
    ) -> None:
        """Count in *cells*, which all editions of the *environment* share."""
        self._activate, self._decide = engine.activate, engine.decide
        self._counts, self._environment, self._cells = counts, environment, cells

    def activate(
        self, ruleset: Ruleset, experiment_key: str, user: User, trace: list[Reason] | None
    ) -> Decision:
        """Decide an experiment by its key."""
        decision = self._activate(ruleset, experiment_key, user, trace)
        key = (experiment_key, decision.variation_key, decision.source, decision.error is None)
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cell(key)
        cell[0] += 1
        return decision

    def decide(
        self,
        ruleset: Ruleset,
        flag_key: str,
        user: User,
        options: Collection[str] = _NO_OPTIONS,
        trace: list[Reason] | None = None,
    ) -> Decision:
        """Decide a flag."""
        decision = self._decide(ruleset, flag_key, user, options, trace)
        key = (flag_key, decision.variation_key, decision.source, decision.error is None)
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cell(key)
        cell[0] += 1
        return decision

    def _cell(self, key: Key) -> list[int]:
        """Find where *key* is counted, and remember it while there is room."""
        cell = self._counts.cell(self._environment, key)
        if len(self._cells) < MOST:
            self._cells[key] = cell
        return cell
