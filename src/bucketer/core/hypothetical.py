"""What a datafile would decide if one thing in it were different: a copy of what that concerns.

The ruleset itself stays as it is, and what the copy shares with it is only read.
"""

from __future__ import annotations

from .assign import write_on_second_use
from .bucketing import TOTAL_TRAFFIC, Allocation
from .ruleset import Experiment, Flag, Rule, Ruleset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from .ruleset import Holdout, Variation

    Copied = TypeVar("Copied", Ruleset, Flag, Rule)


def _copy(kind: type[Copied], thing: Copied, **changes: object) -> Copied:
    copy: Any = kind.__new__(kind)
    for name in kind.__slots__:
        if name != "__weakref__":
            setattr(copy, name, changes.get(name, getattr(thing, name)))
    return copy  # type: ignore[no-any-return]  # of that class


def with_experiment(
    ruleset: Ruleset, old: Experiment, new: Experiment, flag: Flag | None
) -> Ruleset:
    """The ruleset in which *new* stands for *old*: in one flag, or asked for by its key."""
    if flag is None:
        return _copy(Ruleset, ruleset, experiments={old.key: new})
    changes: dict[str, object] = {}
    for name in ("experiments", "rollout"):
        changes[name] = tuple(
            _copy(Rule, rule, experiment=new, decisions={}, answers=_unanswered(new))
            if rule.experiment is old
            else rule
            for rule in getattr(flag, name)
        )
    changes["is_plain"] = False
    return _copy(Ruleset, ruleset, flags={flag.key: _copy(Flag, flag, **changes)})


def _unanswered(experiment: Experiment) -> list[object]:
    return [None if each else False for each in experiment.variations]


def without_holdout(ruleset: Ruleset, flag: Flag, holdout: Holdout) -> Ruleset:
    """The ruleset in which a holdout doesn't hold anybody out of one flag."""
    changes: dict[str, object] = {
        name: tuple(
            _copy(Rule, rule, holdouts=tuple(each for each in rule.holdouts if each is not holdout))
            for rule in getattr(flag, name)
        )
        for name in ("experiments", "rollout")
    }
    left = tuple(each for each in ruleset.holdouts if each is not holdout)
    return _copy(Ruleset, ruleset, holdouts=left, flags={flag.key: _copy(Flag, flag, **changes)})


def changed(
    ruleset: Ruleset,
    experiment: Experiment,
    *,
    running: bool | None = None,
    without_whitelist: bool = False,
    entries: list[tuple[str, float]] | None = None,
) -> Experiment:
    """A copy of a rule that differs in one thing.

    Args:
        ruleset: the one it is in.
        experiment: the rule.
        running: whether its status is Running.
        without_whitelist: the datafile forces nobody.
        entries: its traffic line: `(variation id, end of range)`, in order.
    """
    copy = Experiment(experiment.id, experiment.key)
    for name in Experiment.__slots__:
        if name != "__weakref__":
            setattr(copy, name, getattr(experiment, name))
    if running is not None:
        copy.running, copy.status = running, "Running" if running else copy.status
        copy.is_plain = running and copy.cmab is None and not _has_held(copy)
    if without_whitelist:
        copy.whitelist = {}
    if entries is not None:
        copy.allocation = allocation = Allocation(entries)
        owners = _owners(experiment)
        copy.variations = (*(owners.get(id_) for id_, _, _ in allocation.ranges), None)
    copy.answers = [None] * len(copy.variations)
    copy.silent_answers = [None] * len(copy.variations)
    copy.decisions, copy.silent_decisions = {}, {}
    write_on_second_use(ruleset, copy)
    return copy


def _has_held(experiment: Experiment) -> bool:
    return any(each is not None and each.of_holdout for each in experiment.variations)


def _owners(experiment: Experiment) -> dict[str, Variation | None]:
    """The variations by the ids that the traffic line has them by."""
    found: dict[str, Variation | None] = {"": None, **experiment.by_own_id}
    if experiment.allocation is not None:
        for (id_, _, _), variation in zip(
            experiment.allocation.ranges, experiment.variations, strict=False
        ):
            found[id_] = variation
    return found


# --- traffic --------------------------------------------------------------------------------------


def line_with(experiment: Experiment, bucket: int) -> list[tuple[str, float]] | None:
    """The traffic line on which *bucket*, which leads to nothing, leads to a variation.

    The nearest range below it is made longer, by as little as will do. Where there is none, the
    rule's only variation begins the line; None where there are several.
    """
    assert experiment.allocation is not None  # noqa: S101 -- who has a bucket has a line
    ranges = experiment.allocation.ranges
    grown, id_ = -1, ""
    for index, (owner, _, end) in enumerate(ranges):
        if experiment.variations[index] is not None and end <= bucket:
            grown, id_ = index, owner
    if grown < 0:
        own = list(experiment.by_own_id.values())
        if len(own) != 1:
            return None
        id_ = own[0].id
    before = [(owner, end) for owner, _, end in ranges[: max(grown, 0)]]
    after = [(owner, end) for owner, _, end in ranges[grown + 1 :]]
    return [*before, (id_, bucket + 1), *after]


def line_without(experiment: Experiment, bucket: int) -> list[tuple[str, float]] | None:
    """The traffic line on which *bucket*, which is in the last range of all, leads to nothing.

    That range is made shorter, by as little as will do; None where it isn't the last.
    """
    assert experiment.allocation is not None  # noqa: S101 -- as above
    ranges = experiment.allocation.ranges
    last = max(
        (index for index in range(len(ranges)) if experiment.variations[index] is not None),
        default=-1,
    )
    if last < 0 or not ranges[last][1] <= bucket < ranges[last][2]:
        return None
    kept = [(owner, end) for owner, _, end in ranges[:last]]
    owner, start, end = ranges[last]
    shorter = [(owner, bucket)] if bucket > start else []
    return [*kept, *shorter, ("", end), *((owner, end) for owner, _, end in ranges[last + 1 :])]


def share_of(experiment: Experiment) -> float:
    """How much of a rule's line leads to a variation, from 0 to 1."""
    if experiment.allocation is None:
        return 0.0
    widths = (
        max(0.0, min(end, TOTAL_TRAFFIC) - max(start, 0))
        for (_, start, end), each in zip(
            experiment.allocation.ranges, experiment.variations, strict=False
        )
        if each is not None
    )
    return round(sum(widths) / TOTAL_TRAFFIC, 6)
