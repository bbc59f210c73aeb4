"""A rule's audience and traffic as one function, written when the rule is first asked.

A project has hundreds of rules and an environment sees a few of them, so the writing waits.
"""

from __future__ import annotations

import json

from .bucketing import closed_to, place_in_group, place_on, write_place
from .membership import expression_of, write_membership

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .bucketing import Place, PlaceFor
    from .membership import Membership
    from .ruleset import Experiment, Ruleset
    from .user import User


def write_on_first_use(ruleset: Ruleset, experiment: Experiment) -> None:
    """Let the first call of `experiment.assign` write it and put itself in its place.

    Two threads that come first at once write it twice, to the same effect.
    """

    def assign(user: User) -> int:
        experiment.assign = _written(ruleset, experiment)
        return experiment.assign(user)

    experiment.assign = assign


def _written(ruleset: Ruleset, experiment: Experiment) -> Place:
    allocation, group = experiment.allocation, experiment.group
    if experiment.closed is not None or allocation is None:
        audience = membership_of(ruleset, experiment)
        return closed_to(audience, rest=len(experiment.variations) - 1)
    if group is not None:
        audience = membership_of(ruleset, experiment)
        return place_in_group(experiment.id_bytes, allocation, group, audience)
    return _place_for(ruleset, experiment)(experiment.id_bytes, allocation)


def _place_for(ruleset: Ruleset, experiment: Experiment) -> PlaceFor:
    """What makes the places of all rules with this one's audience."""
    tree = experiment.audience_tree
    if tree is None or tree == []:
        return place_on
    signature = json.dumps(tree)
    if signature not in ruleset.places:
        ruleset.places[signature] = write_place(*expression_of(tree, ruleset.audiences))
    return ruleset.places[signature]


def membership_of(ruleset: Ruleset, experiment: Experiment) -> Membership | None:
    """The function that says whether a rule lets a user in; None for everybody.

    Rules with equal trees share one.
    """
    tree = experiment.audience_tree
    if tree is None or tree == []:
        return None
    signature = json.dumps(tree)
    if signature not in ruleset.memberships:
        ruleset.memberships[signature] = write_membership(tree, ruleset.audiences)
    return ruleset.memberships[signature]
