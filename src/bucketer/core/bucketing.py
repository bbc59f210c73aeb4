"""Where on the traffic line a user falls, and who owns that place.

Source: optimizely-sdk 5.7.0, bucketer.py.
"""

from __future__ import annotations

from functools import lru_cache, partial

from mmh3 import mmh3_32_uintdigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Final, TypeAlias

    from .user import User

    #: User → index of the part of a rule's traffic line, or OUTSIDE.
    Assign: TypeAlias = Callable[[User], int]
    AssignFor: TypeAlias = Callable[[bytes, "Allocation"], Assign]

#: Traffic is counted in basis points: 10,000 of them are 100 %.
TOTAL_TRAFFIC: Final = 10_000
#: Up to so many parts of a line are found by comparing, more by bisection.
_FEW: Final = 3
HASH_SEED: Final = 1
#: What a place says of a user whom the audience keeps out. As an index it is the last part: none.
OUTSIDE: Final = -1
_HASH_BITS: Final = 32


def hash_of(prefix: bytes, parent_id: bytes) -> int:
    """MurmurHash3 (x86, 32 bits, seed 1, unsigned) of the two, joined without a separator.

    Args:
        prefix: the bucketing id in UTF-8.
        parent_id: id, not key, of the experiment, rule, holdout or group, in UTF-8.

    Only bytes are hashed: mmh3 5 kills the process when it is handed a lone surrogate.
    """
    return mmh3_32_uintdigest(prefix + parent_id, HASH_SEED)


def bucket_of(hashed: int) -> int:
    """The basis point a hash stands for, in `[0, 10_000)`.

    The reference takes `floor(hashed / 2**32 * 10_000)` in floats. Both steps are exact there
    (the product needs 46 of 53 bits), so integers agree; a property test holds it.
    """
    return (hashed * TOTAL_TRAFFIC) >> _HASH_BITS


def bucket_value(bucketing_id: str, parent_id: str) -> int:
    """Place *bucketing_id* on the traffic line of *parent_id*: basis points in `[0, 10_000)`.

    Raises:
        UnicodeEncodeError: a lone surrogate; `User` turns those away first.
    """
    return bucket_of(hash_of(bucketing_id.encode(), parent_id.encode()))


def threshold(end_of_range: float) -> int:
    """Turn a bound on buckets into one on hashes: `bucket < end` exactly when `hash < result`."""
    whole = -int(-end_of_range // 1)  # the ceiling; buckets are whole numbers
    return -((-whole << _HASH_BITS) // TOTAL_TRAFFIC)


class Allocation:
    """A line of basis points, compiled: ascending thresholds in hash space and who owns each part.

    Entries that can never win (an end of range at or below an earlier one) are dropped, which is
    what scanning in order for the first match comes to.

    Attributes:
        ranges: `(entity id, first bucket, end bucket)` of each part that can be hit, as written;
            for explanations.
        thresholds: ascending, in hash space.
        part: hash → index of the part that it falls in; `len(ranges)` when in none.
    """

    __slots__ = ("part", "ranges", "thresholds")

    def __init__(self, entries: Iterable[tuple[str, float]]) -> None:
        """Compile *entries*: `(entity id, end of range)` in datafile order."""
        ranges: list[tuple[str, float, float]] = []
        reached: float = 0
        for entity_id, end in entries:
            if end > reached:
                ranges.append((entity_id, reached, end))
                reached = end
        self.ranges = tuple(ranges)
        self.thresholds = tuple([threshold(end) for _, _, end in ranges])
        self.part = _part_among(self.thresholds)

    def entity_id(self, hashed: int) -> str | None:
        """Owner of the place; None for the unallocated rest. May be an empty string."""
        part = self.part(hashed)
        return self.ranges[part][0] if part < len(self.ranges) else None


def first_three(thresholds: tuple[int, ...]) -> tuple[int, int, int]:
    """The bounds to try before searching, for few lines have more parts; 0 where there is none."""
    first, second, third, *_ = [*thresholds, 0, 0, 0]
    return first, second, third


def _part_among(thresholds: tuple[int, ...]) -> Callable[[int], int]:
    """What finds the part of the line that a hash falls in."""
    if len(thresholds) > _FEW:
        from bisect import bisect_right  # loading it costs a cold start 0.5 ms

        return partial(bisect_right, thresholds)
    return _part_among_few(thresholds)


@lru_cache(1_000)
def _part_among_few(thresholds: tuple[int, ...]) -> Callable[[int], int]:
    """Make the same for a short line. Those are much alike, and share one."""
    last = len(thresholds)
    first, second, third = first_three(thresholds)

    def part(hashed: int) -> int:
        if hashed < first:
            return 0
        return 1 if hashed < second else 2 if hashed < third else last

    return part
