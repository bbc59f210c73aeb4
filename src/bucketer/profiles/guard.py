"""Any profile store, made harmless: it may fail, the decision may not.

A failed look-up counts as a stranger and a failed save as done; both are counted, and logged once
when it begins and once when it ends. So does the SDK swallow what its profile service raises.
"""

from __future__ import annotations

import logging

from .shape import MalformedProfile, check_profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bucketer.ports import ProfileStore

_log = logging.getLogger("bucketer")

COUNTS = ("lookups", "found", "saves", "malformed", "failed_lookups", "failed_saves")


class GuardedProfiles:
    """A `ProfileStore` that never raises.

    Threads may share it. Its counters may then miss one now and then; they are for people.

    Attributes:
        store: the real one.
        lookups, found: how often a profile was asked for, and was there.
        saves: how often one was handed over to be saved.
        malformed: how often what was stored was no profile.
        failed_lookups, failed_saves: what the store could not do.
        trouble: what fails now, "" when nothing does.
    """

    def __init__(self, store: ProfileStore, name: str) -> None:
        """Guard *store*; *name* is what the log calls it."""
        self.store = store
        self._name = name
        self.lookups = self.found = self.saves = self.malformed = 0
        self.failed_lookups = self.failed_saves = 0
        self._troubles = {"look-up": "", "save": ""}

    @property
    def trouble(self) -> str:
        """One line on what fails now."""
        return "; ".join(f"{what}: {why}" for what, why in self._troubles.items() if why)

    def lookup(self, user_id: str) -> Mapping[str, str]:
        """Return the user's profile; empty for a stranger, and when it can't be had."""
        self.lookups += 1
        try:
            stored = self.store.lookup(user_id)
            profile = {} if stored is None else check_profile(stored)
        except MalformedProfile as error:
            if self.malformed == 0:
                _log.warning("profiles: %s: a stored profile is malformed: %s", self._name, error)
            self.malformed += 1
            return {}
        except Exception as error:  # noqa: BLE001 -- counted, logged and shown by /health instead
            self.failed_lookups += 1
            self._note("look-up", error)
            return {}
        self.found += stored is not None
        self._note("look-up", None)
        return profile

    def save(self, user_id: str, profile: Mapping[str, str]) -> None:
        """Save the whole *profile* if that can be done."""
        self.saves += 1
        try:
            self.store.save(user_id, profile)
        except Exception as error:  # noqa: BLE001 -- as in `lookup`
            self.failed_saves += 1
            self._note("save", error)
        else:
            self._note("save", None)

    def replace(self, user_id: str, profile: Mapping[str, str]) -> bool:
        """Save *profile* in place of all that is stored of the user; say whether it was done."""
        self.saves += 1
        try:
            self.store.replace(user_id, profile)
        except Exception as error:  # noqa: BLE001 -- as in `lookup`
            self.failed_saves += 1
            self._note("save", error)
            return False
        self._note("save", None)
        return True

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    def to_json(self) -> dict[str, object]:
        """Return the counters, for /health."""
        told: dict[str, object] = {name: getattr(self, name) for name in COUNTS}
        if self.trouble:
            told["trouble"] = self.trouble
        return told

    def _note(self, what: str, error: Exception | None) -> None:
        """Log when *what* begins to fail, fails otherwise than before, or works again."""
        before = self._troubles[what]
        # The text of an error may be a path, but no user id: those are bound parameters.
        now = "" if error is None else f"{type(error).__name__}: {error}"
        if now == before:
            return
        self._troubles[what] = now
        if now:
            _log.warning("profiles: %s: %s fails: %s", self._name, what, now)
        else:
            _log.warning("profiles: %s: %s works again", self._name, what)
