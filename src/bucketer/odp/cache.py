"""In which segments users were lately. Source: optimizely-sdk 5.7.0, odp/lru_cache.py."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

CAPACITY = 10_000
MAX_AGE_S = 600.0
#: Of all entries together, as Python holds them.
MAX_BYTES = 16 * 1024 * 1024
#: Longer user ids, and names of accounts, are kept by their hash.
LONGEST = 100
#: Bytes of an entry: its places in the dictionary, its parts, the longest names; and of a segment,
#: whose text is the datafile's.
AN_ENTRY, A_SEGMENT = 1_000, 8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.core.integration import Integration


def key_of(account: str, user_id: str) -> tuple[str, str]:
    """Name one user of one account."""
    return account, _short(user_id)


def account_of(odp: Integration) -> str:
    """Name an ODP account. A datafile may have given it a host of any length."""
    return _short(f"{odp.public_key} {odp.host}")


def _short(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Cache:
    """The users asked about last. Not for two threads at once."""

    def __init__(
        self, capacity: int = CAPACITY, max_age_s: float = MAX_AGE_S, max_bytes: int = MAX_BYTES
    ) -> None:
        """Hold at most *capacity* users and *max_bytes*, each for *max_age_s* from its making."""
        self._capacity, self._max_age_s, self._max_bytes = capacity, max_age_s, max_bytes
        self._bytes = 0
        self._entries: OrderedDict[
            tuple[str, str], tuple[tuple[str, ...], tuple[str, ...], float]
        ] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def lookup(
        self, key: tuple[str, str], asked: tuple[str, ...], now: float
    ) -> tuple[str, ...] | None:
        """Return the user's segments; None if they aren't known, too old, or of other questions.

        Args:
            key: of `key_of`.
            asked: all segments that are of interest now; a new datafile may have others.
            now: seconds, by a clock that is always the same.
        """
        entry = self._entries.get(key)
        if entry is None:
            return None
        found, asked_then, made_at = entry
        if now - made_at >= self._max_age_s or (asked_then is not asked and asked_then != asked):
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return found

    def save(
        self, key: tuple[str, str], asked: tuple[str, ...], found: tuple[str, ...], now: float
    ) -> None:
        """Remember a user's segments; those not used for longest make room.

        As in the SDK a user who is in none isn't remembered: they may be in one any moment.
        """
        self._remove(key)
        if not found:
            return
        self._entries[key] = (found, asked, now)
        self._bytes += _size_of(found)
        while len(self._entries) > self._capacity or self._bytes > self._max_bytes:
            self._remove(next(iter(self._entries)))

    def forget(self, account: str) -> None:
        """Forget all users of one account."""
        for key in [each for each in self._entries if each[0] == account]:
            self._remove(key)

    def _remove(self, key: tuple[str, str]) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _size_of(entry[0])


def _size_of(found: tuple[str, ...]) -> int:
    return AN_ENTRY + A_SEGMENT * len(found)
