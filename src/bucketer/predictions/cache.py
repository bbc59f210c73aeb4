"""What the bandit said lately, by user and rule, as long as their attributes stay the same.

Source: optimizely-sdk 5.7.0, cmab_service.py and odp/lru_cache.py.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bucketer.core.user import Prediction

CAPACITY = 10_000
#: Longer names are kept by their hash, longer variation ids not at all: with CAPACITY this bounds
#: the cache in bytes, since both come from outside.
LONGEST = 100
MAX_AGE_S = 30 * 60.0


def key_of(user_id: str, rule_id: str) -> str:
    """Name one user's prediction for one rule; the length keeps user `1-2` and rule `3` apart."""
    name = f"{len(user_id)}-{user_id}-{rule_id}"
    if len(name) <= LONGEST:
        return name
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(attributes: Mapping[str, object]) -> str:
    """Return what changes when the bandit would see another value: `1`, `1.0` and `true` differ.

    Raises:
        TypeError, ValueError: a value has no JSON form.

    The SDK takes md5 of the same text. The hash is never shown; sha256 also works where md5 is
    forbidden.
    """
    text = json.dumps(attributes, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    """The predictions used last. Not for two threads at once."""

    def __init__(self, capacity: int = CAPACITY, max_age_s: float = MAX_AGE_S) -> None:
        """Hold at most *capacity* predictions, each for *max_age_s* seconds from its making."""
        self._capacity = capacity
        self._max_age_s = max_age_s
        self._entries: OrderedDict[str, tuple[str, Prediction, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def lookup(self, key: str, seen: str, now: float) -> Prediction | None:
        """Return the prediction under *key*; forget it if it is too old or not for what is *seen*.

        Args:
            key: of `key_of`.
            seen: of `fingerprint`.
            now: epoch seconds, or any other clock that is always the same.
        """
        entry = self._entries.get(key)
        if entry is None:
            return None
        seen_before, prediction, made_at = entry
        if now - made_at >= self._max_age_s or seen_before != seen:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return prediction

    def save(self, key: str, seen: str, prediction: Prediction, now: float) -> None:
        """Remember *prediction*; the one not used for longest makes room."""
        if len(prediction.variation_id) > LONGEST:
            return
        self._entries[key] = (seen, prediction, now)
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def remove(self, key: str) -> None:
        """Forget one."""
        self._entries.pop(key, None)

    def reset(self) -> None:
        """Forget all."""
        self._entries.clear()
