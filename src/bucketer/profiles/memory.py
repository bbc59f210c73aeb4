"""Profiles in the memory of this process, gone when it ends."""

from __future__ import annotations

from collections import OrderedDict
from sys import getsizeof
from threading import Lock

from .shape import MAX_USER_ID_CHARS, merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes of an entry of an ordered dict.
_AN_ENTRY = 200
#: Of all profiles together, as Python holds them.
MAX_BYTES = 64 * 1024 * 1024


class MemoryProfiles:
    """Keeps the profiles of the users seen last. May be shared by threads."""

    def __init__(self, max_users: int, max_bytes: int = MAX_BYTES) -> None:
        """Keep at most *max_users* and *max_bytes*; those not seen for longest make room."""
        self._max_users, self._max_bytes = max_users, max_bytes
        self._bytes = 0
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
        self._put(user_id, profile, keep=True)

    def replace(self, user_id: str, profile: Mapping[str, str]) -> None:
        """Remember *profile* and nothing else of the user."""
        self._put(user_id, profile, keep=False)

    def _put(self, user_id: str, profile: Mapping[str, str], *, keep: bool) -> None:
        if len(user_id) > MAX_USER_ID_CHARS:
            return
        with self._lock:
            before = self._profiles.pop(user_id, None)
            if before is not None:
                self._bytes -= _size_of(user_id, before)
            merged = self._profiles[user_id] = merge((before or {}) if keep else {}, profile)
            self._bytes += _size_of(user_id, merged)
            while len(self._profiles) > self._max_users or self._bytes > self._max_bytes:
                self._bytes -= _size_of(*self._profiles.popitem(last=False))

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._profiles.clear()
            self._bytes = 0


def _size_of(user_id: str, profile: Mapping[str, str]) -> int:
    """Bytes of an entry: the texts, the mapping, and the places in the ordered one."""
    texts = sum(getsizeof(each) for pair in profile.items() for each in pair)
    return getsizeof(user_id) + getsizeof(profile) + texts + _AN_ENTRY
