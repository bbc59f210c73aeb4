"""A rule's audience and traffic as one function, written when the rule is first asked.

A project has hundreds of rules and an environment sees a few of them, so the writing waits.
"""

from __future__ import annotations

import json

from .bucketing import closed_to, compile_place
from .membership import write_membership

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .membership import Membership
    from .ruleset import Experiment, Ruleset
    from .user import User


def write_on_first_use(ruleset: Ruleset, experiment: Experiment) -> None:
    """Let the first call of `experiment.assign` write it and put itself in its place.

    Two threads that come first at once write it twice, to the same effect.
    """

    def assign(user: User) -> int:
        audience = membership_of(ruleset, experiment)
        if experiment.closed is not None or experiment.allocation is None:
            experiment.assign = closed_to(audience, rest=len(experiment.variations) - 1)
        else:
            experiment.assign = compile_place(
                experiment.id_bytes,
                experiment.allocation,
                experiment.group,
                audience,
            )
        return experiment.assign(user)

    experiment.assign = assign


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
