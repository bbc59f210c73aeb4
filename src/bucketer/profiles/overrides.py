"""Overrides: variations that somebody gave a user for an experiment, to look at them.

Each belongs to one environment. They are for testers, so there are few;
callers may give any, so they are bounded. What is returned is shared: don't change it.

Source: optimizely/agent 471fdcd, pkg/optimizely/client.go.
"""

from __future__ import annotations

from collections import OrderedDict
from sys import getsizeof
from threading import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: Of one user in one environment; the one that was given first makes room.
MAX_OF_USER = 100
#: Of all overrides together, as Python holds them.
MAX_BYTES = 16 * 1024 * 1024
#: Bytes of an entry of an ordered dict and its key; of a pair in the mapping that it holds.
_AN_ENTRY, _A_PAIR = 400, 200
_NONE: Mapping[str, str] = {}


class MemoryOverrides:
    """Keeps overrides in this process, until it ends. May be shared by threads."""

    #: Looking one up waits for nobody: an event loop may.
    is_quick = True

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Keep at most *max_bytes*; users to whom nothing was given for longest make room."""
        self._max_bytes = max_bytes
        self._bytes = 0
        self._users: OrderedDict[tuple[str, str], dict[str, str]] = OrderedDict()
        self._lock = Lock()

    def of(self, environment_id: str, user_id: str) -> Mapping[str, str]:
        """Return the user's overrides: experiment key → variation key."""
        return self._users.get((environment_id, user_id), _NONE)

    def put(
        self, environment_id: str, user_id: str, experiment_key: str, variation_key: str
    ) -> str:
        """Keep an override, or remove it if *variation_key* is empty; return the one before."""
        key = environment_id, user_id
        with self._lock:
            # A copy: others read the one that is there, and never see half of a change.
            given = dict(self._drop(key))
            before = given.pop(experiment_key, "")
            if variation_key:
                given[experiment_key] = variation_key
            while len(given) > MAX_OF_USER:
                del given[next(iter(given))]
            if given:
                self._users[key] = given
                self._bytes += _size_of(key, given)
            while self._bytes > self._max_bytes:
                self._drop(next(iter(self._users)))
            return before

    def forget(self, environment_id: str) -> None:
        """Remove all overrides of that environment."""
        with self._lock:
            for key in [each for each in self._users if each[0] == environment_id]:
                self._drop(key)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._users.clear()
            self._bytes = 0

    def _drop(self, key: tuple[str, str]) -> dict[str, str]:
        given = self._users.pop(key, None)
        if given is None:
            return {}
        self._bytes -= _size_of(key, given)
        return given


def _size_of(key: tuple[str, str], given: Mapping[str, str]) -> int:
    texts = (*key, *given, *given.values())
    return sum(map(getsizeof, texts)) + _AN_ENTRY + _A_PAIR * len(given)
