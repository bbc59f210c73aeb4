"""Where on the traffic line a user falls, and who owns that place.

Source: optimizely-sdk 5.7.0, bucketer.py.
"""

from __future__ import annotations

from bisect import bisect_right

from mmh3 import mmh3_32_uintdigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Final, TypeAlias

    from .membership import Membership
    from .ruleset import Group
    from .user import User

    Place: TypeAlias = Callable[[User], int]

#: Traffic is counted in basis points: 10,000 of them are 100 %.
TOTAL_TRAFFIC: Final = 10_000
HASH_SEED: Final = 1
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
    """

    __slots__ = ("ranges", "thresholds")

    def __init__(self, entries: Iterable[tuple[str, float]]) -> None:
        """Compile *entries*: `(entity id, end of range)` in datafile order."""
        ranges: list[tuple[str, float, float]] = []
        reached: float = 0
        for entity_id, end in entries:
            if end > reached:
                ranges.append((entity_id, reached, end))
                reached = end
        self.ranges = tuple(ranges)
        self.thresholds = [threshold(end) for _, _, end in ranges]

    def part(self, hashed: int) -> int:
        """Index of the part that *hashed* falls in; `len(ranges)` when in none."""
        return bisect_right(self.thresholds, hashed)

    def entity_id(self, hashed: int) -> str | None:
        """Owner of the place; None for the unallocated rest. May be an empty string."""
        part = bisect_right(self.thresholds, hashed)
        return self.ranges[part][0] if part < len(self.ranges) else None


#: What a place says of a user whom the audience keeps out. As an index it is the last part: none.
OUTSIDE: Final = -1


def compile_place(
    id_bytes: bytes,
    allocation: Allocation,
    group: Group | None = None,
    audience: Membership | None = None,
) -> Place:
    """Make the function that puts a user on a traffic line.

    Args:
        id_bytes: id of the experiment, rule or holdout, in UTF-8.
        allocation: its traffic line.
        group: the exclusion group it shares traffic with, if any.
        audience: who may be put there at all; None for everybody.

    Returns:
        A function: user → index of the part of the line that the user falls in, one past the
        last for the unallocated rest and for other experiments of the group, or `OUTSIDE`.
    """
    thresholds = allocation.thresholds

    def place(user: User) -> int:
        return bisect_right(thresholds, mmh3_32_uintdigest(user.hash_prefix + id_bytes, HASH_SEED))

    def place_some(user: User) -> int:
        if audience(user):  # type: ignore[misc]  # chosen only where there is one
            return bisect_right(
                thresholds, mmh3_32_uintdigest(user.hash_prefix + id_bytes, HASH_SEED)
            )
        return OUTSIDE

    if group is not None:
        return _in_group(group, id_bytes, place, audience, rest=len(thresholds))
    return place if audience is None else place_some


def _in_group(
    group: Group, id_bytes: bytes, place: Place, audience: Membership | None, rest: int
) -> Place:
    group_id, owner_of = group.id_bytes, group.allocation.entity_id
    experiment_id = id_bytes.decode("utf-8", "surrogatepass")

    def place_in_group(user: User) -> int:
        if audience is not None and not audience(user):
            return OUTSIDE
        hashed = mmh3_32_uintdigest(user.hash_prefix + group_id, HASH_SEED)
        return place(user) if owner_of(hashed) == experiment_id else rest

    return place_in_group


def closed_to(audience: Membership | None, rest: int) -> Place:
    """Make the function for a line that nobody is put on: only the audience is asked."""
    return lambda user: rest if audience is None or audience(user) else OUTSIDE
