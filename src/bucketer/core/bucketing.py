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

    from .membership import Membership
    from .ruleset import Group
    from .user import User

    Place: TypeAlias = Callable[[User], int]
    PlaceFor: TypeAlias = Callable[[bytes, "Allocation"], Place]

#: Traffic is counted in basis points: 10,000 of them are 100 %.
TOTAL_TRAFFIC: Final = 10_000
#: Up to so many parts of a line are found by comparing, more by bisection.
_FEW: Final = 3
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


def _first_three(thresholds: tuple[int, ...]) -> tuple[int, int, int]:
    """The bounds to try before searching, for few lines have more parts; 0 where there is none."""
    first, second, third, *_ = [*thresholds, 0, 0, 0]
    return first, second, third


@lru_cache(1_000)
def _part_among(thresholds: tuple[int, ...]) -> Callable[[int], int]:
    """What finds the part of the line that a hash falls in. Lines are much alike, and share one."""
    last = len(thresholds)
    if last > _FEW:
        from bisect import bisect_right  # loading it costs a cold start 0.5 ms

        return partial(bisect_right, thresholds)
    first, second, third = _first_three(thresholds)

    def part(hashed: int) -> int:
        if hashed < first:
            return 0
        return 1 if hashed < second else 2 if hashed < third else last

    return part


#: What a place says of a user whom the audience keeps out. As an index it is the last part: none.
OUTSIDE: Final = -1


def place_on(id_bytes: bytes, allocation: Allocation) -> Place:
    """Make the function that puts any user on a traffic line.

    Args:
        id_bytes: id of the experiment, rule or holdout, in UTF-8.
        allocation: its traffic line.

    Returns:
        A function: user → index of the part of the line that the user falls in, one past the
        last for the unallocated rest.
    """
    part = allocation.part
    first, second, third = _first_three(allocation.thresholds)

    def place(user: User) -> int:
        hashed = mmh3_32_uintdigest(user.hash_prefix + id_bytes, HASH_SEED)
        if hashed < first:
            return 0
        return 1 if hashed < second else 2 if hashed < third else part(hashed)

    return place


def place_some_on(id_bytes: bytes, allocation: Allocation, audience: Membership) -> Place:
    """Make the function that does the same for whom *audience* lets in, and says `OUTSIDE` else."""
    place = place_on(id_bytes, allocation)
    return lambda user: place(user) if audience(user) else OUTSIDE


#: The same, written: asking the audience is part of the function, and costs no call.
_PLACE_SOME = f"""
def place_for(id_bytes, part, first, second, third):
    def place(user):
        facts = user.attributes
        if %s:
            hashed = hash_of(user.hash_prefix + id_bytes, {HASH_SEED})
            if hashed < first:
                return 0
            return 1 if hashed < second else 2 if hashed < third else part(hashed)
        return {OUTSIDE}
    return place
"""


def write_place(expression: str, values: dict[str, object]) -> PlaceFor:
    """Make the maker of such functions for rules with one and the same audience.

    Args:
        expression: says who is in, as `membership.expression_of` writes it.
        values: what it names. They are taken over.

    Returns:
        A function like `place_on`, whose places say `OUTSIDE` to users who are not in.
    """
    values.update(hash_of=mmh3_32_uintdigest)
    exec(compile(_PLACE_SOME % expression, "<audience>", "exec"), values)  # noqa: S102 -- operators and our own names
    make: Callable[..., Place] = values["place_for"]  # type: ignore[assignment]  # just written

    def place_for(id_bytes: bytes, allocation: Allocation) -> Place:
        return make(id_bytes, allocation.part, *_first_three(allocation.thresholds))

    return place_for


def place_in_group(
    id_bytes: bytes, allocation: Allocation, group: Group, audience: Membership | None
) -> Place:
    """Make the function for a line that shares its traffic with others.

    The same as `place_on`; users of other experiments of the group are in the unallocated rest.
    So is everybody where the id is empty, since that stands for traffic that nobody has.
    """
    place = place_on(id_bytes, allocation)
    rest = len(allocation.thresholds)
    if not id_bytes:
        return closed_to(audience, rest)
    group_id, owner_of = group.id_bytes, group.allocation.entity_id
    experiment_id = id_bytes.decode("utf-8", "surrogatepass")

    def place_member(user: User) -> int:
        if audience is not None and not audience(user):
            return OUTSIDE
        hashed = mmh3_32_uintdigest(user.hash_prefix + group_id, HASH_SEED)
        return place(user) if owner_of(hashed) == experiment_id else rest

    return place_member


def closed_to(audience: Membership | None, rest: int) -> Place:
    """Make the function for a line that nobody is put on: only the audience is asked."""
    return lambda user: rest if audience is None or audience(user) else OUTSIDE
