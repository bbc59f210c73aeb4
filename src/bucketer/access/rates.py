"""How often one address, or one key, may ask: a bucket for each, which fills again by itself.

Of a bucket only one number is kept: when it will be full again (GCRA). What isn't kept is full, so
letting go of a bucket never refuses anybody.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from bucketer.api.local import is_loopback_address

if TYPE_CHECKING:
    from collections.abc import Hashable

#: The most buckets of one kind; those that nobody has taken from for longest make room.
MAX_BUCKETS = 50_000
#: Of an IPv6 address: whoever has one has 2^64 of them.
_NETWORK_BYTES = 8
#: What a sum of seconds since 1970 may be off by, for each that is added.
_ROUNDED_S = 1.2e-7


class Buckets:
    """One bucket for each who asks. May be shared by threads."""

    def __init__(self, per_second: float, burst_s: float) -> None:
        """Let each take *per_second*, and at once those of *burst_s*; one at least."""
        self._every_s = 1.0 / per_second
        self._room_s = max(burst_s, self._every_s)
        self._rounded_s = _ROUNDED_S * (1 + self._room_s / self._every_s)
        #: When each is full again, in epoch seconds; in the order in which they were taken from.
        self._full_at: dict[Hashable, float] = {}
        self._lock = threading.Lock()

    def take(self, who: Hashable, now: float) -> float:
        """Take one from the bucket of *who*; return 0, or the seconds until there is one."""
        with self._lock:
            full_at = max(self._full_at.pop(who, 0.0), now)
            if full_at > now + self._room_s + self._rounded_s:  # the clock was set back
                full_at = now
            wait_s = full_at + self._every_s - self._room_s - now
            if wait_s <= self._rounded_s:
                full_at += self._every_s
                wait_s = 0.0
            self._full_at[who] = full_at
            if len(self._full_at) > MAX_BUCKETS:
                del self._full_at[next(iter(self._full_at))]
            return wait_s


class Rates:
    """What the settings say of rates."""

    def __init__(self, per_address: float | None, per_key: float | None, burst_s: float) -> None:
        """Take requests per second; None for as many as come."""
        self._addresses = Buckets(per_address, burst_s) if per_address else None
        self._keys = Buckets(per_key, burst_s) if per_key else None

    def of_address(self, address: str, now: float) -> float:
        """Take one for a visitor's *address*; return 0, or the seconds until there is one.

        An address that isn't known, or is this machine's own, may be anybody's: it has no bucket.
        """
        if self._addresses is None or not address or is_loopback_address(address):
            return 0.0
        who: Hashable = address
        if ":" in address:
            who = socket.inet_pton(socket.AF_INET6, address)[:_NETWORK_BYTES]
        return self._addresses.take(who, now)

    def of_key(self, name: str, now: float) -> float:
        """Take one for the key of that *name*; return 0, or the seconds until there is one."""
        return 0.0 if self._keys is None or not name else self._keys.take(name, now)
