"""A rule's audience and traffic as one function, written when the rule is asked a second time.

A project has hundreds of rules and an environment sees a few of them, some of those only once. To
write a function takes as long as a thousand decisions, so the first is made by the predicates of
the audiences, as they were compiled (docs/decisions/0002-audiences-become-python.md). A rule that
asks for more than some tens of conditions stays with those, and one that lists more than some tens
of audiences is compiled when the datafile is: no request waits for either
(docs/decisions/0102-what-is-written-out-has-a-bound.md).
"""

from __future__ import annotations

import json
from weakref import ref

from .membership import (
    MAX_WRITTEN,
    expression_of,
    is_small,
    judge_membership,
    write_membership,
)
from .traffic import assign_in_group, assign_on, assign_some_on, closed_to, write_assign
from .trees import is_for_everybody, size_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from .bucketing import Assign, AssignFor
    from .membership import Membership
    from .ruleset import Experiment, Ruleset
    from .user import User

    Kept = TypeVar("Kept")


def write_on_second_use(ruleset: Ruleset, experiment: Experiment) -> None:
    """Let the first call of `experiment.assign` judge, and the second put a written one there.

    Two threads that come at once do the same twice, to the same effect. A long tree is compiled at
    once, and stays as it is.

    What is put there refers to rule and ruleset weakly: in a circle they would stay in memory when
    another datafile has taken their place, until Python looks for circles in all there is.
    """
    if size_of(experiment.audience_tree) > MAX_WRITTEN:
        experiment.assign = _assign(experiment, membership_of(ruleset, experiment))
        return

    ruleset_of, experiment_of = ref(ruleset), ref(experiment)

    def write_and_assign(user: User) -> int:
        experiment = _there(experiment_of)
        experiment.assign = _written(_there(ruleset_of), experiment)
        return experiment.assign(user)

    def assign(user: User) -> int:
        ruleset, experiment = _there(ruleset_of), _there(experiment_of)
        experiment.assign = write_and_assign
        found = _assign(experiment, _judge(ruleset, experiment))
        if not is_small(experiment.audience_tree, ruleset.audiences):
            experiment.assign = found
        return found(user)

    experiment.assign = assign


def _there(of: Callable[[], Kept | None]) -> Kept:
    """What a reference refers to, which whoever calls `assign` holds."""
    found = of()
    assert found is not None  # noqa: S101 -- see above
    return found


def _assign(experiment: Experiment, audience: Membership | None) -> Assign:
    """Make the function that puts users on the rule's line, if *audience* lets them in."""
    allocation, group = experiment.allocation, experiment.group
    if experiment.closed is not None or allocation is None:
        return closed_to(audience, rest=len(experiment.variations) - 1)
    if group is not None:
        return assign_in_group(experiment.id_bytes, allocation, group, audience)
    if audience is not None:
        return assign_some_on(experiment.id_bytes, allocation, audience)
    return assign_on(experiment.id_bytes, allocation)


def _written(ruleset: Ruleset, experiment: Experiment) -> Assign:
    """Make the same with audience and traffic in one, where that is possible."""
    allocation = experiment.allocation
    if experiment.closed is None and experiment.group is None and allocation is not None:
        return _assign_for(ruleset, experiment)(experiment.id_bytes, allocation)
    return _assign(experiment, membership_of(ruleset, experiment))


def _assign_for(ruleset: Ruleset, experiment: Experiment) -> AssignFor:
    """What makes the functions of all rules with this one's audience."""
    tree = experiment.audience_tree
    if is_for_everybody(tree):
        return assign_on
    signature = json.dumps(tree)
    if signature not in ruleset.assigns:
        ruleset.assigns[signature] = write_assign(*expression_of(tree, ruleset.audiences))
    return ruleset.assigns[signature]


def membership_of(ruleset: Ruleset, experiment: Experiment) -> Membership | None:
    """The function that says whether a rule lets a user in; None for everybody.

    Rules with equal trees share one.
    """
    tree = experiment.audience_tree
    if is_for_everybody(tree):
        return None
    signature = json.dumps(tree)
    if signature not in ruleset.memberships:
        make = write_membership if is_small(tree, ruleset.audiences) else judge_membership
        ruleset.memberships[signature] = make(tree, ruleset.audiences)
    return ruleset.memberships[signature]


def _judge(ruleset: Ruleset, experiment: Experiment) -> Membership | None:
    """Make the same without writing anything: it says so more slowly."""
    tree = experiment.audience_tree
    if is_for_everybody(tree):
        return None
    return judge_membership(tree, ruleset.audiences)
