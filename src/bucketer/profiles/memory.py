"""Profiles in the memory of this process, gone when it ends."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from .shape import MAX_USER_ID_CHARS, merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class MemoryProfiles:
    """Keeps the profiles of the users seen last. May be shared by threads."""

    def __init__(self, max_users: int) -> None:
        """Keep at most *max_users*; the one not seen for longest makes room."""
        self._max_users = max_users
        self._profiles: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._lock = Lock()

    def lookup(self, user_id: str) -> Mapping[str, str] | None:
        """Return the profile, or None for a stranger. It is shared; don't change it."""
        with self._lock:
            profile = self._profiles.get(user_id)
            if profile is not None:
                self._profiles.move_to_end(user_id)
            return profile

    def save(self, user_id: str, profile: Mapping[str, str]) -> None:
        """Remember *profile* beside what another request has saved meanwhile."""
        if len(user_id) > MAX_USER_ID_CHARS:
            return
        with self._lock:
            self._profiles[user_id] = merge(self._profiles.get(user_id, {}), profile)
            self._profiles.move_to_end(user_id)
            if len(self._profiles) > self._max_users:
                self._profiles.popitem(last=False)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._profiles.clear()
