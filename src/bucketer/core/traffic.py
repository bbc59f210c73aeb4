"""Functions that put a user on a rule's traffic line, for whom its audience lets in."""

from __future__ import annotations

from mmh3 import mmh3_32_uintdigest

from .bucketing import HASH_SEED, OUTSIDE, first_three

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .bucketing import Allocation, Assign, AssignFor
    from .membership import Membership
    from .ruleset import Group
    from .user import User


def assign_on(id_bytes: bytes, allocation: Allocation) -> Assign:
    """Make the function that puts any user on a traffic line.

    Args:
        id_bytes: id of the experiment, rule or holdout, in UTF-8.
        allocation: its traffic line.

    Returns:
        A function: user → index of the part of the line that the user falls in, one past the
        last for the unallocated rest.
    """
    part = allocation.part
    first, second, third = first_three(allocation.thresholds)

    def assign(user: User) -> int:
        hashed = mmh3_32_uintdigest(user.hash_prefix + id_bytes, HASH_SEED)
        if hashed < first:
            return 0
        return 1 if hashed < second else 2 if hashed < third else part(hashed)

    return assign


def assign_some_on(id_bytes: bytes, allocation: Allocation, audience: Membership) -> Assign:
    """Make the function that does the same for whom *audience* lets in, and says `OUTSIDE` else."""
    assign = assign_on(id_bytes, allocation)
    return lambda user: assign(user) if audience(user) else OUTSIDE


#: The same, written: asking the audience is part of the function, and costs no call.
_ASSIGN_SOME = f"""
def assign_for(id_bytes, part, first, second, third):
    def assign(user):
        facts = user.attributes
        if %s:
            hashed = hash_of(user.hash_prefix + id_bytes, {HASH_SEED})
            if hashed < first:
                return 0
            return 1 if hashed < second else 2 if hashed < third else part(hashed)
        return {OUTSIDE}
    return assign
"""


def write_assign(expression: str, values: dict[str, object]) -> AssignFor:
    """Make the maker of such functions for rules with one and the same audience.

    Args:
        expression: says who is in, as `membership.expression_of` writes it.
        values: what it names. They are taken over.

    Returns:
        A function like `assign_on`, which says `OUTSIDE` to users who are not in.
    """
    values.update(hash_of=mmh3_32_uintdigest)
    exec(compile(_ASSIGN_SOME % expression, "<audience>", "exec"), values)  # noqa: S102 -- operators and our own names
    make: Callable[..., Assign] = values.pop("assign_for")  # type: ignore[assignment]  # just written

    def assign_for(id_bytes: bytes, allocation: Allocation) -> Assign:
        return make(id_bytes, allocation.part, *first_three(allocation.thresholds))

    return assign_for


def assign_in_group(
    id_bytes: bytes, allocation: Allocation, group: Group, audience: Membership | None
) -> Assign:
    """Make the function for a line that shares its traffic with others.

    The same as `assign_on`; users of other experiments of the group are in the unallocated rest.
    So is everybody where the id is empty, since that stands for traffic that nobody has.
    """
    assign = assign_on(id_bytes, allocation)
    rest = len(allocation.thresholds)
    if not id_bytes:
        return closed_to(audience, rest)
    group_id, owner_of = group.id_bytes, group.allocation.entity_id
    experiment_id = id_bytes.decode("utf-8", "surrogatepass")

    def assign_member(user: User) -> int:
        if audience is not None and not audience(user):
            return OUTSIDE
        hashed = mmh3_32_uintdigest(user.hash_prefix + group_id, HASH_SEED)
        return assign(user) if owner_of(hashed) == experiment_id else rest

    return assign_member


def closed_to(audience: Membership | None, rest: int) -> Assign:
    """Make the function for a line that nobody is put on: only the audience is asked."""
    return lambda user: rest if audience is None or audience(user) else OUTSIDE
