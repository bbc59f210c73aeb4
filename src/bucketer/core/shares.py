"""How many users of one kind get what, as a share: from the traffic lines alone, nobody is decided.

A user's places on two lines have nothing to do with each other, but on a group's line all of its
experiments find the same user in the same place. So each share is a product along the rules, for
each way in which the groups of a flag may fall out.
"""

from __future__ import annotations

from .assign import membership_of
from .decision import FEATURE_TEST
from .mentions import DELIVERY, EXPERIMENT, HOLDOUT
from .user import BUCKETING_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

    from .bucketing import Allocation
    from .ruleset import Experiment, Flag, Holdout, Rule, Ruleset, Variation
    from .user import User

    #: What decides, its key, the variation's key, whether the flag is on; Nones where nothing does.
    Arm: TypeAlias = tuple[str | None, str | None, str | None, bool]

#: What nobody gets who gets nothing.
NOTHING: Arm = (None, None, None, False)
#: In so many ways the groups of a flag may fall out; more aren't worked out.
_MOST_WAYS = 64
_HASHES = 2**32


class _Unknown(Exception):
    """Something else than traffic decides: a bandit, or the user's own bucketing id."""


def expected_of_flag(ruleset: Ruleset, flag: Flag, user: User) -> dict[Arm, float] | None:
    """The share of each arm of a flag among users like *user*, whoever they are; they add up to 1.

    Whitelists, profiles and what callers force are left aside. None where traffic alone doesn't
    say it.
    """
    if flag.broken is not None:
        return {NOTHING: 1.0}
    if isinstance(user.attributes.get(BUCKETING_ID), str) or _share_an_id(_lines(ruleset, flag)):
        return None
    try:
        total: dict[Arm, float] = {}
        for owners, chance in _ways(flag):
            for arm, share in _Flow(ruleset, user, owners).flag(flag).items():
                total[arm] = total.get(arm, 0.0) + share * chance
    except _Unknown:
        return None
    return total


def expected_of_experiment(
    ruleset: Ruleset, experiment: Experiment, user: User
) -> dict[Arm, float] | None:
    """The same for an experiment that is asked for by its key."""
    group = experiment.group
    lines = [experiment.id] if group is None else [experiment.id, group.id]
    if isinstance(user.attributes.get(BUCKETING_ID), str) or _share_an_id(lines):
        return None
    flow = _Flow(ruleset, user, {})
    flow.left = 1.0
    try:
        if experiment.running and experiment.broken is None:
            chance = 1.0 if group is None else _share_of(group.allocation, experiment.id)
            flow.rule(EXPERIMENT, experiment.key, experiment, chance, by_key=True)
    except _Unknown:
        return None
    flow.give(NOTHING, flow.left)
    return flow.shares


def _share_an_id(lines: list[str]) -> bool:
    """Whether two of the *lines* hash a user to the same place, as none of Optimizely's do."""
    return len(set(lines)) < len(lines)


def _lines(ruleset: Ruleset, flag: Flag) -> list[str]:
    """The ids of all traffic lines that a user of the flag may be placed on, each line once."""
    rules = [*flag.experiments, *flag.rollout]
    groups = {id(each.experiment.group): each.experiment.group for each in rules}
    holdouts = [*ruleset.holdouts, *(each for rule in rules for each in rule.holdouts)]
    once = {id(each): each.experiment.id for each in holdouts}
    return [
        *(each.experiment.id for each in rules),
        *(each.id for each in groups.values() if each is not None),
        *once.values(),
    ]


def _ways(flag: Flag) -> Iterator[tuple[dict[str, str | None], float]]:
    """Each way in which groups give users to their experiments: group id → owner; its chance."""
    groups = {}
    for rule in (*flag.experiments, *flag.rollout):
        if rule.experiment.group is not None:
            groups[rule.experiment.group.id] = rule.experiment.group
    ways: list[tuple[dict[str, str | None], float]] = [({}, 1.0)]
    for id_, group in groups.items():
        owners = {owner or None for owner, _, _ in group.allocation.ranges}
        shares = {owner: _share_of(group.allocation, owner) for owner in owners if owner}
        shares[None] = max(0.0, 1.0 - sum(shares.values()))  # type: ignore[index]  # nobody's part
        ways = [
            ({**way, id_: owner}, chance * share)
            for way, chance in ways
            for owner, share in shares.items()
            if share
        ]
        if len(ways) > _MOST_WAYS:
            raise _Unknown
    yield from ways


def _share_of(allocation: Allocation, owner: str) -> float:
    if not owner:
        return 0.0
    return sum(share for id_, share in _parts(allocation) if id_ == owner)


def _parts(allocation: Allocation) -> Iterator[tuple[str, float]]:
    """Each part of a line: whose it is, and how much of all hashes fall in."""
    start = 0
    for (id_, _, _), threshold in zip(allocation.ranges, allocation.thresholds, strict=True):
        end = max(0, min(threshold, _HASHES))
        yield id_, max(0, end - start) / _HASHES
        start = max(start, end)


class _Flow:
    """Users on their way through the rules of a flag.

    Attributes:
        left: the share of them that nothing has settled yet.
        shares: of those that are settled.
    """

    def __init__(self, ruleset: Ruleset, user: User, owners: Mapping[str, str | None]) -> None:
        self.ruleset, self.user, self.owners = ruleset, user, owners
        self.left = 1.0
        self.shares: dict[Arm, float] = {}
        self._passed: set[str] = set()

    def give(self, arm: Arm, share: float) -> None:
        """Settle so many."""
        if share > 0:
            self.shares[arm] = self.shares.get(arm, 0.0) + share

    def flag(self, flag: Flag) -> dict[Arm, float]:
        """Let all through the flag; returns where they are settled."""
        spared = 0.0
        for holdout in self.ruleset.holdouts:
            before, shares = self.left, dict(self.shares)
            self._holdout(holdout)
            if holdout.excludes_targeted_deliveries:
                self.shares, spared = shares, spared + before - self.left
        self._rules(flag, deliveries_only=False)
        if spared:  # by a holdout: to them, targeted deliveries and the rollout are all there is
            self.left, self._passed = spared, set()
            self._rules(flag, deliveries_only=True)
        return self.shares

    def _rules(self, flag: Flag, *, deliveries_only: bool) -> None:
        for rule in flag.experiments:
            if deliveries_only and rule.experiment.kind != "td":
                continue
            self._local_holdouts(rule)
            experiment = rule.experiment
            if experiment.running and experiment.broken is None:
                what = EXPERIMENT if rule.source == FEATURE_TEST else DELIVERY
                self.rule(what, rule.key, experiment, self._chance(experiment))
        last = len(flag.rollout) - 1
        jumped = 0.0
        for index, rule in enumerate(flag.rollout):
            if index == last:
                self.left, jumped = self.left + jumped, 0.0
            self._local_holdouts(rule)
            experiment = rule.experiment
            if not self._meets(experiment):
                continue
            self.rule(DELIVERY, rule.key, experiment, self._chance(experiment))
            if index < last:
                self.left, jumped = 0.0, jumped + self.left
        self.give(NOTHING, self.left)
        self.left = 0.0

    def _chance(self, experiment: Experiment) -> float:
        group = experiment.group
        if group is None:
            return 1.0
        return float(bool(experiment.id) and self.owners.get(group.id) == experiment.id)

    def _meets(self, experiment: Experiment) -> bool:
        audience = membership_of(self.ruleset, experiment)
        return audience is None or bool(audience(self.user))

    def _local_holdouts(self, rule: Rule) -> None:
        for holdout in rule.holdouts:
            self._holdout(holdout)

    def _holdout(self, holdout: Holdout) -> None:
        """Settle those that are held; whoever has passed one once passes it wherever it stands."""
        experiment = holdout.experiment
        if experiment.id not in self._passed:
            self._passed.add(experiment.id)
            self.rule(HOLDOUT, experiment.key, experiment, 1.0)

    def rule(
        self, what: str, key: str, experiment: Experiment, chance: float, *, by_key: bool = False
    ) -> None:
        """Settle those whom a rule gives a variation; *chance* that its group lets them in.

        With *by_key* a variation counts that its experiment's key leads to, as `activate` has it.

        Raises:
            _Unknown: a bandit decides.
        """
        allocation = experiment.allocation
        if allocation is None or not self._meets(experiment):
            return
        if experiment.cmab is not None:
            raise _Unknown
        if experiment.closed is not None:
            return
        users = self.left * chance
        for (_, share), variation in zip(_parts(allocation), experiment.variations, strict=False):
            # Of two with one key, the key leads to one.
            given = _by_key(experiment, variation) if by_key else variation
            if given is None or (what == EXPERIMENT and given.of_holdout):
                continue
            arm = (what, key, given.key, bool(given.feature_enabled))
            self.give(arm, users * share)
            self.left -= users * share


def _by_key(experiment: Experiment, variation: Variation | None) -> Variation | None:
    return experiment.by_key.get(variation.key) if variation and variation.key else None
