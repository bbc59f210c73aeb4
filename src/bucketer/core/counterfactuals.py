"""What would have to change for another variation: the nearest changes, each found by deciding.

Considered are, by themselves: other values of one attribute, or of up to three together, or being
in a segment or not; more or less traffic of a rule; that an experiment ran; that the datafile, a
profile, the caller or a holdout did not settle it; and some other user with the same attributes.
What a group gives to another of its experiments isn't.

Nothing is claimed that wasn't decided: a change is listed if the core, asked again, gives the other
variation (docs/decisions/0168).
"""

from __future__ import annotations

from itertools import combinations, product

from .alternatives import Axis, axis_of, but
from .bandit import PredictionNeeded
from .bucketing import bucket_of, hash_of
from .change import (
    ATTRIBUTES,
    FORCED,
    ORDER,
    STATUS,
    STORED,
    TRAFFIC,
    USER,
    WHITELIST,
    Change,
    Changes,
)
from .decide import activate, decide
from .hypothetical import (
    changed,
    line_with,
    line_without,
    share_of,
    with_experiment,
    without_holdout,
)
from .mentions import EXPERIMENT, HOLDOUT, Looked, audiences_of, looked_at, mentions
from .mentions import segments as segments_asked
from .repair import way_into
from .trees import is_for_everybody
from .user import BUCKETING_ID, User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .decision import Decision
    from .ruleset import Experiment, Flag, Ruleset

#: So many attributes are changed together.
MOST_TOGETHER = 3
#: How much is tried: one for each decision, and one more for so many of its conditions, or rules,
#: or characters of the user's texts that those conditions may read.
BUDGET, _CONDITIONS, _RULES, _READ_CHARS = 3_000, 16, 8, 4_096
#: To look for values takes one for so many conditions, and one for so many that values are put to.
_READ, _PUT = 8, 16
#: To look for a way into an audience takes one for so many conditions that are asked.
_STEPS = 4
#: So many values of an attribute are looked at even where there is little room.
_LEAST_VALUES = 8
#: So many other users are tried, and no more than this part of all that is.
_MOST_USERS, _USERS_PART = 300, 4
#: Texts of a user beyond which only what costs little is tried: each try would read them again.
_LONG_CHARS = 4_000


class _Spent(Exception):
    """There is no more to spend."""


class _Search:
    """One question, asked again and again."""

    def __init__(
        self, ruleset: Ruleset, flag: Flag | None, key: str, user: User, budget: int
    ) -> None:
        self.ruleset, self.flag, self.key, self.user = ruleset, flag, key, user
        self.found = Changes()
        if flag is None:
            self.looked = [Looked(EXPERIMENT, ruleset.experiments[key])]
        else:
            self.looked = looked_at(ruleset, flag)
        self.audiences = audiences_of(ruleset, [each.experiment for each in self.looked])
        self.leaves = sum(each.leaves for each in self.audiences)
        self.cost = 1 + self.leaves // _CONDITIONS + len(self.looked) // _RULES
        self.chars = sum(len(each) for each in user.attributes.values() if isinstance(each, str))
        self.cost += self.leaves * self.chars // _READ_CHARS
        self.left = budget
        self.most_users = min(_MOST_USERS, budget // _USERS_PART)
        self.now = self._ask(user, ruleset)
        self.considered: list[Axis] = []
        #: For which sets of axes there is a change already: their indices → results.
        self.reached: dict[frozenset[int], set[object]] = {}

    def decide(self, user: User, ruleset: Ruleset | None = None) -> Decision:
        """Decide for *user*, as often as there is room for.

        Raises:
            _Spent: there is none.
        """
        self._spend(self.cost)
        self.found.tried += 1
        return self._ask(user, ruleset or self.ruleset)

    def _spend(self, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise _Spent

    def _ask(self, user: User, ruleset: Ruleset) -> Decision:
        while True:
            try:
                if self.flag is not None:
                    return decide(ruleset, self.key, user)
                return activate(ruleset, self.key, user)
            except PredictionNeeded as needed:
                user = user.knowing(predictions={**(user.predictions or {}), needed.rule_id: None})

    def differs(self, decision: Decision) -> bool:
        """Whether a decision gives another variation."""
        return result_of(decision) != result_of(self.now)

    def all(self) -> Iterator[Change]:
        """Everything that is considered, what costs little first.

        Raises:
            _Spent: there is no room for the rest.
        """
        yield from self.rules()
        yield from self.known()
        yield from self.holdouts()
        axes: list[Axis] = []
        if self.chars > _LONG_CHARS:
            self.found.why = "the user's attributes are too long to be tried in many ways"
        else:
            axes = self.considered = self.axes()
        yield from self.attributes(axes, 1)
        yield from self.others()
        for together in range(2, MOST_TOGETHER + 1):
            yield from self.attributes(axes, together)

    # --- attributes -------------------------------------------------------------------------

    def axes(self) -> list[Axis]:
        """What may be changed about the user.

        Raises:
            _Spent: there is no room to find out.
        """
        self._spend(self.leaves // _READ)
        found = []
        asked = mentions(self.audiences)
        # Half of what is left may go into finding values, the rest is for trying them.
        room = self.left * _PUT // 2
        for each in asked.values():
            most = max(_LEAST_VALUES, room // (len(asked) * len(each.conditions)))
            axis = axis_of(each, self.user, most)
            self._spend(axis.looked_at * len(each.conditions) // _PUT)
            found.append(axis)
        have = self.user.segments
        found += [
            Axis(each, [have is None or each not in have], is_segment=True)
            for each in segments_asked(self.audiences)
        ]
        if not all(each.is_whole for each in found):
            self.found.why = "some attributes are compared with more values than are looked at"
        return [each for each in found if each.values and each.name != BUCKETING_ID]

    def attributes(self, axes: list[Axis], together: int) -> Iterator[Change]:
        """Sets of so many attributes: of each the nearest values that do it."""
        for chosen in combinations(range(len(axes)), together):
            yield from self._set(axes, chosen)
        self.found.together = together

    def _set(self, axes: list[Axis], chosen: tuple[int, ...]) -> Iterator[Change]:
        """What changing all of a set gives that changing a part of it doesn't."""
        known = {
            result
            for size in range(1, len(chosen))
            for part in combinations(chosen, size)
            for result in self.reached.get(frozenset(part), ())
        }
        for values in product(*(axes[index].values for index in chosen)):
            changes = tuple(
                (axes[index], value) for index, value in zip(chosen, values, strict=True)
            )
            user = but(self.user, changes)
            decision = self.decide(user)
            result = result_of(decision)
            if result not in known and self.differs(decision):
                known.add(result)
                self.reached.setdefault(frozenset(chosen), set()).add(result)
                yield Change(ATTRIBUTES, decision, axes=changes, user=user)

    def joint(self) -> Iterator[Change]:
        """Of each rule that the user's attributes keep them out of, one way in.

        Only where it takes more attributes than were tried together.
        """
        axes = {(each.name, each.is_segment): each for each in self.considered}
        for looked in self.looked:
            if looked.what == HOLDOUT or is_for_everybody(looked.experiment.audience_tree):
                continue
            tree = looked.experiment.audience_tree
            way, steps = way_into(self.ruleset, tree, self.user, axes)
            self._spend(1 + steps // _STEPS)
            if way is None or len(way) <= self.found.together:
                continue
            change = self._fewest(way)
            if change is not None and len(change.axes) > self.found.together:
                yield change

    def _fewest(self, way: dict[Axis, object]) -> Change | None:
        """The change of all axes of *way*, less those that it doesn't take."""
        decision = self.decide(but(self.user, way.items()))
        if not self.differs(decision):
            return None
        for axis in list(way):
            less = {each: value for each, value in way.items() if each is not axis}
            if result_of(self.decide(but(self.user, less.items()))) == result_of(decision):
                way = less
        known = self.reached.setdefault(frozenset(map(self.considered.index, way)), set())
        if result_of(decision) in known:
            return None
        known.add(result_of(decision))
        user = but(self.user, way.items())
        return Change(ATTRIBUTES, decision, axes=tuple(way.items()), user=user)

    # --- the datafile -----------------------------------------------------------------------

    def rules(self) -> Iterator[Change]:
        """Changes of one rule, wherever the rule counts."""
        for looked in self.looked:
            if looked.what == HOLDOUT:
                continue
            experiment = looked.experiment
            if experiment.broken is not None:
                continue
            if looked.what == EXPERIMENT and not experiment.running:
                running = changed(self.ruleset, experiment, running=True)
                yield from self._with(STATUS, looked, running)
            if experiment.whitelist and self.user.id in experiment.whitelist:
                free = changed(self.ruleset, experiment, without_whitelist=True)
                if looked.what == EXPERIMENT:
                    yield from self._with(WHITELIST, looked, free)
            yield from self._traffic(looked)

    def _with(self, kind: str, looked: Looked, other: Experiment) -> Iterator[Change]:
        ruleset = with_experiment(self.ruleset, looked.experiment, other, self.flag)
        decision = self.decide(self.user, ruleset)
        if self.differs(decision):
            yield Change(kind, decision, rule=looked.key)

    def _traffic(self, looked: Looked) -> Iterator[Change]:
        experiment = looked.experiment
        allocation = experiment.allocation
        if allocation is None or experiment.closed is not None or experiment.cmab is not None:
            return
        bucket = bucket_of(hash_of(self.user.hash_prefix, experiment.id_bytes))
        part = allocation.part(hash_of(self.user.hash_prefix, experiment.id_bytes))
        is_in = experiment.variations[part] is None
        entries = (line_with if is_in else line_without)(experiment, bucket)
        if entries is None:
            return
        other = changed(self.ruleset, experiment, entries=entries)
        for change in self._with(TRAFFIC, looked, other):
            change.end = bucket + 1 if is_in else bucket
            change.share, change.is_in = share_of(other), is_in
            yield change

    def holdouts(self) -> Iterator[Change]:
        """What comes of it when a holdout holds nobody."""
        if self.flag is None:
            return
        holdouts = [*self.ruleset.holdouts]
        for rule in (*self.flag.experiments, *self.flag.rollout):
            holdouts += [each for each in rule.holdouts if each not in holdouts]
        for each in holdouts:
            ruleset = without_holdout(self.ruleset, self.flag, each)
            decision = self.decide(self.user, ruleset)
            if self.differs(decision):
                yield Change(HOLDOUT, decision, rule=each.experiment.key)

    # --- what is known of the user ----------------------------------------------------------

    def known(self) -> Iterator[Change]:
        """What comes of it when the user has no stored profile, and nobody forces anything."""
        user = self.user
        if user.profile:
            yield from self._as(STORED, user.knowing(profile={}))
        if user.forced_decisions or user.forced_variations:
            yield from self._as(FORCED, user.knowing(forced_decisions=None, forced_variations=None))

    def _as(self, kind: str, user: User) -> Iterator[Change]:
        decision = self.decide(user)
        if self.differs(decision):
            yield Change(kind, decision, user=user)

    def others(self) -> Iterator[Change]:
        """Users called `visitor-1` and so on: the first that gets each other variation."""
        if isinstance(self.user.attributes.get(BUCKETING_ID), str):
            return  # whoever it is, they fall into the same places
        reached: set[object] = set()
        for number in range(1, self.most_users + 1):
            user = self.user.knowing(profile=None) if self.user.profile else self.user
            other = user.called(f"visitor-{number}")
            decision = self.decide(other)
            if self.differs(decision) and result_of(decision) not in reached:
                reached.add(result_of(decision))
                yield Change(USER, decision, user=other)


def result_of(decision: Decision) -> object:
    """What makes two decisions the same to the user: the variation, and whether the flag is on."""
    return decision.variation_key, decision.enabled


def counterfactuals(
    ruleset: Ruleset,
    user: User,
    *,
    flag_key: str | None = None,
    experiment_key: str | None = None,
    budget: int = BUDGET,
) -> Changes:
    """Find what would have to change for *user* to get another variation.

    Args:
        ruleset: the compiled datafile.
        user: as they were decided for; a bandit is not asked, and counts as one that can't be.
        flag_key: the flag that was decided; or else
        experiment_key: the experiment. One of the two is there.
        budget: how much is tried; see `BUDGET`.
    """
    flag = None if flag_key is None else ruleset.flags[flag_key]
    key = flag_key if flag_key is not None else experiment_key
    assert key is not None  # noqa: S101 -- one of the two is there
    search = _Search(ruleset, flag, key, user, budget)
    found = search.found
    try:
        for change in search.all():
            found.items.append(change)
    except _Spent:
        found.why = f"after {found.tried:,} tries no more were made"
        search.left = budget // 4
    try:
        for change in search.joint():
            found.items.append(change)
    except _Spent:
        pass  # which has been said, or there was one way of many to look for
    found.items.sort(key=lambda each: (ORDER.index(each.kind), len(each.axes)))
    return found
