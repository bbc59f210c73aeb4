"""How fetching goes: what health, debug and `datafile status` show, and what is logged of it."""

from __future__ import annotations

import logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bucketer.core.errors import SourceError

#: How fetching goes: a warning when it begins to fail, and no warning when it is over; whoever
#: saw the one must see the other, so it isn't left to a level that keeps only warnings.
_datafile_log = logging.getLogger("bucketer.datafile")
_datafile_log.setLevel(logging.INFO)

_HOUR_S = 3600.0
#: So many troubles that come and go are told apart.
_MOST_TOLD = 7


class Freshness:
    """Counters and the present trouble, if any: what health, debug and `datafile status` show.

    Attributes:
        refreshes: how often the sources were asked.
        failures: how often the first source could not give a usable datafile.
        failures_in_a_row: the same since its last success.
        trouble: one line on what fails now, without secrets; empty when all is well.
        failing_since: epoch seconds, or None.
        is_quiet: nothing is logged, for now: strangers say what is fetched.
    """

    __slots__ = (
        "_by_each",
        "_environment",
        "_logged",
        "_of",
        "_told",
        "failing_since",
        "failures",
        "failures_in_a_row",
        "is_quiet",
        "refreshes",
        "trouble",
    )

    def __init__(self, environment: str = "") -> None:
        """Begin with nothing; where there are several, logs name the *environment*."""
        self._of = f"datafile of {environment}" if environment else "datafile"
        self._environment = environment
        self._logged = ""  # the gist of the present trouble, if this process has logged it
        self._by_each = False  # every other process has found it out as well
        self._told: dict[str, float] = {}  # troubles of the last hour, and when they were logged
        self.is_quiet = False
        self.refreshes = 0
        self.failures = 0
        self.failures_in_a_row = 0
        self.trouble = ""
        self.failing_since: float | None = None

    def to_json(self) -> dict[str, object]:
        """Return the same as data, for the health answer; what is zero or nothing is left out."""
        told = {name: getattr(self, name) for name in self.__slots__ if name[0] != "_"}
        del told["is_quiet"]
        return {name: value for name, value in told.items() if value}

    def note(self, troubles: Sequence[SourceError], now: float, serving: str) -> None:
        """Count one refresh, after which *serving* serves; log only when what fails has changed.

        What another process of this server has heard is that one's to log. What comes and goes
        is logged once an hour, or when it stays for a second refresh.
        """
        self.refreshes += 1
        trouble = "; ".join(map(str, troubles))
        if troubles:
            self.failures += 1
            self.failures_in_a_row += 1
            if self.failing_since is None:
                self.failing_since = now
            gist = "; ".join(each.gist for each in troubles)
            heard = self.is_quiet or all(each.heard for each in troubles)
            if gist != self._logged and not heard and self._is_news(gist, now):
                self._by_each = all(each.found_by_each for each in troubles)
                extra = {"found_by_each": self._by_each, "environment": self._environment}
                _datafile_log.warning("%s: %s", self._of, trouble, extra=extra)
                self._logged = gist
        elif self.trouble:
            if self._logged:
                failures = self.failures_in_a_row
                plural = "s" * (failures != 1)
                _datafile_log.info(
                    "%s: after %d failure%s %s serves",
                    self._of,
                    failures,
                    plural,
                    serving,
                    extra={"found_by_each": self._by_each, "environment": self._environment},
                )
                self._logged = ""
            self.failures_in_a_row = 0
            self.failing_since = None
        self.trouble = trouble

    def _is_news(self, gist: str, now: float) -> bool:
        """Say whether *gist* is to be logged, and remember that it was."""
        recent = [(each, at) for each, at in self._told.items() if abs(now - at) < _HOUR_S]
        self._told = dict(recent[-_MOST_TOLD:])
        if gist in self._told and self.failures_in_a_row == 1:
            return False
        self._told.pop(gist, None)
        self._told[gist] = now
        return True
