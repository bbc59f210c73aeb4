"""The flag questions of the SDK's older API: is it enabled, and what is in its variables?

Source: optimizely-sdk 5.7.0, optimizely.py.
"""

from __future__ import annotations

from . import outcomes
from .bandit import PredictionFailed
from .decision import HOLDOUT
from .errors import UnknownFlag, UnknownVariable
from .flag_rules import decide_flag, prediction_failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .decision import Decision
    from .ruleset import Flag, Ruleset
    from .user import User


def _flag(ruleset: Ruleset, flag_key: str) -> Flag:
    flag = ruleset.flags.get(flag_key)
    if flag is None:
        from .slips import unknown

        raise unknown(ruleset, UnknownFlag, flag_key)
    return flag


def is_feature_enabled(ruleset: Ruleset, flag_key: str, user: User) -> Decision:
    """Decide a flag; `enabled` is true only where the variation says exactly `true`.

    Flag-level forced decisions and segments of *user* should be left out: the reference asks with
    a fresh context. Holdouts keep users out here but call for no impression.

    Raises:
        UnknownFlag: no flag has that key.
        PredictionNeeded: a contextual bandit must be asked first.
    """
    flag = _flag(ruleset, flag_key)
    try:
        decision = decide_flag(ruleset, flag, user)
    except PredictionFailed as failure:
        decision = prediction_failed(flag, failure)
        if not ruleset.send_flag_decisions:
            return decision
        sent = outcomes.prediction_failed(ruleset, flag, failure.experiment)
        return decision.but(impressions=(sent,))
    impressions = tuple(
        each.saying(enabled=decision.strictly_enabled)
        for each in decision.impressions
        if each.rule_type != HOLDOUT
    )
    return decision.but(enabled=decision.strictly_enabled, impressions=impressions)


def get_enabled_features(ruleset: Ruleset, user: User) -> dict[str, Decision]:
    """Ask `is_feature_enabled` of every flag, in the datafile's order.

    The keys of the enabled ones are the answer; the decisions of the others are here too, since
    each calls for its impressions and its place in the user's profile.
    """
    decisions: dict[str, Decision] = {}
    for key in filter(None, ruleset.flag_order):  # the reference refuses an empty key
        decisions[key] = decision = is_feature_enabled(ruleset, key, user)
        if decision.bucketed is not None:  # a later flag may use the same experiment
            user = user.knowing(profile={**(user.profile or {}), **dict([decision.bucketed])})
    return decisions


def get_all_feature_variables(ruleset: Ruleset, flag_key: str, user: User) -> Decision:
    """A decision whose `variables` are all of the flag's, typed. Calls for no impression.

    Raises:
        UnknownFlag: no flag has that key.
        PredictionNeeded: a contextual bandit must be asked first.
    """
    flag = _flag(ruleset, flag_key)
    try:
        return decide_flag(ruleset, flag, user).but(impressions=())
    except PredictionFailed as failure:
        return prediction_failed(flag, failure).but(variables=flag.defaults)


def get_feature_variable(
    ruleset: Ruleset,
    flag_key: str,
    variable_key: str,
    user: User,
    kind: str | None = None,
) -> tuple[object, Decision | None]:
    """One variable of a flag, typed, and the decision it came from. Calls for no impression.

    The decision is None when *kind* is another type than the variable's: nothing was decided.

    Args:
        ruleset: the compiled datafile.
        flag_key: the flag.
        variable_key: its variable.
        user: the visitor.
        kind: the type the caller counts on; another type in the datafile gives None.

    Raises:
        UnknownFlag: no flag has that key.
        UnknownVariable: the flag has no such variable.
        PredictionNeeded: a contextual bandit must be asked first.
    """
    variables = _flag(ruleset, flag_key).variables
    variable = variables.get(variable_key)
    if variable is None:
        from .slips import nearest

        raise UnknownVariable(variable_key, ruleset.revision, nearest(variable_key, variables))
    if (kind or variable.kind) != variable.kind:  # even a type that isn't itself: JSON's NaN
        return None, None
    decision = get_all_feature_variables(ruleset, flag_key, user)
    return decision.variables[variable_key], decision
