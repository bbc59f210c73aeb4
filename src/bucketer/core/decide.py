"""Ruleset and user in, decision out. Which variation does this visitor get?

The questions that can be asked; `experiments` and `flag_rules` answer them. Every function takes a
`trace`: a list that receives the `Reason`s, or None, which costs nothing.

Source: optimizely-sdk 5.7.0, optimizely.py.
"""

from __future__ import annotations

from .bandit import PredictionFailed
from .errors import UnknownFlag
from .experiments import activate, get_variation
from .flag_rules import decide_flag, prediction_failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .decision import Decision
    from .reasons import Reason
    from .ruleset import Flag, Ruleset
    from .user import User

__all__ = [
    "DISABLE_DECISION_EVENT",
    "ENABLED_FLAGS_ONLY",
    "EXCLUDE_VARIABLES",
    "IGNORE_CMAB_CACHE",
    "IGNORE_USER_PROFILE_SERVICE",
    "INCLUDE_REASONS",
    "INVALIDATE_USER_CMAB_CACHE",
    "NO_OPTIONS",
    "OPTIONS",
    "RESET_CMAB_CACHE",
    "activate",
    "decide",
    "decide_all",
    "decide_flag",
    "decide_for_keys",
    "get_variation",
    "prediction_failed",
    "shown",
]

DISABLE_DECISION_EVENT = "DISABLE_DECISION_EVENT"
ENABLED_FLAGS_ONLY = "ENABLED_FLAGS_ONLY"
IGNORE_USER_PROFILE_SERVICE = "IGNORE_USER_PROFILE_SERVICE"
INCLUDE_REASONS = "INCLUDE_REASONS"
EXCLUDE_VARIABLES = "EXCLUDE_VARIABLES"
IGNORE_CMAB_CACHE = "IGNORE_CMAB_CACHE"
RESET_CMAB_CACHE = "RESET_CMAB_CACHE"
INVALIDATE_USER_CMAB_CACHE = "INVALIDATE_USER_CMAB_CACHE"

#: Every decide option. The bandit's three are the edge's business, which keeps that cache.
OPTIONS = frozenset(
    {
        DISABLE_DECISION_EVENT,
        ENABLED_FLAGS_ONLY,
        IGNORE_USER_PROFILE_SERVICE,
        INCLUDE_REASONS,
        EXCLUDE_VARIABLES,
        IGNORE_CMAB_CACHE,
        RESET_CMAB_CACHE,
        INVALIDATE_USER_CMAB_CACHE,
    }
)
NO_OPTIONS: frozenset[str] = frozenset()


def decide(
    ruleset: Ruleset,
    flag_key: str,
    user: User,
    options: Collection[str] = NO_OPTIONS,
    trace: list[Reason] | None = None,
) -> Decision:
    """Decide a flag: its experiments, then its delivery rules.

    ENABLED_FLAGS_ONLY means nothing for a single flag.

    Raises:
        UnknownFlag: no flag has that key.
        PredictionNeeded: a contextual bandit must be asked first.

    Source: optimizely-sdk 5.7.0, optimizely.py:_decide_for_keys.
    """
    try:
        flag = ruleset.flags[flag_key]
    except KeyError:
        from .slips import unknown

        raise unknown(ruleset, UnknownFlag, flag_key) from None
    if not options:
        try:
            return decide_flag(ruleset, flag, user, trace)
        except PredictionFailed as failure:
            return prediction_failed(flag, failure)
    if IGNORE_USER_PROFILE_SERVICE in options:
        user = _without_profile(user)
    return _as_asked(_decided(ruleset, flag, user, trace), options)


def decide_for_keys(
    ruleset: Ruleset,
    keys: Iterable[str],
    user: User,
    options: Collection[str] = NO_OPTIONS,
) -> dict[str, Decision]:
    """Decide several flags. Keys that no flag has are not in the result; each flag is decided once.

    Every decision is returned, whatever the options say of showing it: see `shown`.

    ENABLED_FLAGS_ONLY leaves nothing out here, since every decision calls for its impressions and
    its place in the user's profile; see `shown`.

    Raises:
        PredictionNeeded: a contextual bandit must be asked first; decide again with its answer.
    """
    flags = ruleset.flags
    if IGNORE_USER_PROFILE_SERVICE in options:
        user = _without_profile(user)
    if user.known is None:  # so no profile to be told of, and no bandit that failed
        decisions = {key: decide_flag(ruleset, flags[key], user) for key in keys if key in flags}
        return _all_as_asked(decisions, options)
    decisions = {}
    for key in dict.fromkeys(keys):
        flag = flags.get(key)
        if flag is not None:
            decisions[key] = decision = _decided(ruleset, flag, user)
            if decision.bucketed is not None:  # a later flag may use the same experiment
                user = user.knowing(profile={**(user.profile or {}), **dict([decision.bucketed])})
    return _all_as_asked(decisions, options)


def _all_as_asked(decisions: dict[str, Decision], options: Collection[str]) -> dict[str, Decision]:
    if not options:
        return decisions
    return {key: _as_asked(decision, options) for key, decision in decisions.items()}


def shown(decisions: dict[str, Decision], options: Collection[str]) -> dict[str, Decision]:
    """What the caller gets to see: with ENABLED_FLAGS_ONLY, the enabled flags and the failed ones.

    The others are decided all the same: their impressions are due, their profiles are saved.
    """
    if ENABLED_FLAGS_ONLY not in options:
        return decisions
    return {key: each for key, each in decisions.items() if each.enabled or each.error}


def decide_all(
    ruleset: Ruleset, user: User, options: Collection[str] = NO_OPTIONS
) -> dict[str, Decision]:
    """Decide every flag, in the datafile's order. See `decide_for_keys`."""
    return decide_for_keys(ruleset, ruleset.flag_order, user, options)


def _without_profile(user: User) -> User:
    return user if user.profile is None else user.knowing(profile=None)


def _as_asked(decision: Decision, options: Collection[str]) -> Decision:
    if DISABLE_DECISION_EVENT in options and decision.impressions:
        decision = decision.but(impressions=())
    if EXCLUDE_VARIABLES in options and decision.variables:
        decision = decision.but(variables={})
    return decision


def _decided(
    ruleset: Ruleset, flag: Flag, user: User, trace: list[Reason] | None = None
) -> Decision:
    try:
        return decide_flag(ruleset, flag, user, trace)
    except PredictionFailed as failure:
        return prediction_failed(flag, failure)
