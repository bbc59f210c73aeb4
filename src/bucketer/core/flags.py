"""The flag questions of the SDK's older API: is it enabled, and what is in its variables?

Source: optimizely-sdk 5.7.0, optimizely.py.
"""

from __future__ import annotations

from .decide import decide_flag
from .errors import UnknownFlag, UnknownVariable, nearest
from .outcomes import nothing_decided
from .ruleset import FEATURE_TEST, HOLDOUT, ROLLOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ruleset import Decision, Flag, Ruleset
    from .user import User


def _flag(ruleset: Ruleset, flag_key: str) -> Flag:
    flag = ruleset.flags.get(flag_key)
    if flag is None:
        raise UnknownFlag(flag_key, ruleset.revision, nearest(flag_key, ruleset.flags))
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
    decision = decide_flag(ruleset, flag, user)
    impressions = tuple(
        each.saying(enabled=decision.strictly_enabled)
        for each in decision.impressions
        if each.rule_type != HOLDOUT
    )
    if decision.source == FEATURE_TEST and decision.variation_key is None:
        impressions = ()
    if decision.error and ruleset.send_flag_decisions:
        impressions = nothing_decided(ruleset, flag).impressions
    return decision.but(enabled=decision.strictly_enabled, impressions=impressions)


def get_enabled_features(ruleset: Ruleset, user: User) -> dict[str, Decision]:
    """Every flag that `is_feature_enabled`, in the datafile's order, with its decision.

    Asking calls for the impressions of all flags, enabled or not; see `is_feature_enabled`.
    """
    decisions = {key: is_feature_enabled(ruleset, key, user) for key in ruleset.flag_order}
    return {key: decision for key, decision in decisions.items() if decision.enabled}


def get_all_feature_variables(ruleset: Ruleset, flag_key: str, user: User) -> dict[str, object]:
    """Every variable of a flag, typed, by key. Calls for no impression.

    Raises:
        UnknownFlag: no flag has that key.
        PredictionNeeded: a contextual bandit must be asked first.
    """
    flag = _flag(ruleset, flag_key)
    decision = decide_flag(ruleset, flag, user)
    return dict(flag.defaults if decision.error else decision.variables)


def get_feature_variable(
    ruleset: Ruleset,
    flag_key: str,
    variable_key: str,
    user: User,
    kind: str | None = None,
) -> object:
    """One variable of a flag, typed. Calls for no impression.

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
        raise UnknownVariable(variable_key, ruleset.revision, nearest(variable_key, variables))
    if kind and variable.kind != kind:
        return None
    return get_all_feature_variables(ruleset, flag_key, user)[variable_key]


__all__ = [
    "ROLLOUT",
    "get_all_feature_variables",
    "get_enabled_features",
    "get_feature_variable",
    "is_feature_enabled",
]
