"""Ruleset and user in, decision out. Which variation does this visitor get?

The steps and their order are the reference's. Every function takes a `trace`: a list that receives
the `Reason`s, or None, which costs nothing.

Source: optimizely-sdk 5.7.0, optimizely.py and decision_service.py.
"""

from __future__ import annotations

from . import outcomes
from .bandit import PredictionFailed, ask_bandit
from .bucketing import OUTSIDE
from .errors import UnknownExperiment, UnknownFlag, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Literal

    from .reasons import Reason
    from .ruleset import Decision, Experiment, Flag, Holdout, Rule, Ruleset, Variation
    from .user import User

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


# --- experiments by key -----------------------------------------------------------------------


def get_variation(
    ruleset: Ruleset, experiment_key: str, user: User, trace: list[Reason] | None = None
) -> Decision:
    """Decide an experiment (or delivery rule) by its key, without an impression.

    Holdouts do not apply.

    Raises:
        UnknownExperiment: no experiment has that key.
        PredictionNeeded: a contextual bandit must be asked first.

    Source: optimizely-sdk 5.7.0, optimizely.py:get_variation.
    """
    try:
        experiment = ruleset.experiments[experiment_key]
    except KeyError:
        raise _unknown_experiment(ruleset, experiment_key) from None
    if (
        trace is None
        and user.known is None
        and experiment.is_plain
        and user.id not in experiment.whitelist
    ):
        part = experiment.assign(user)
        answer = experiment.silent_answers[part]
        if answer is None:
            answer = _silent(experiment, experiment.variations[part])
            experiment.silent_answers[part] = answer
        return answer
    try:
        variation = _of_experiment(ruleset, experiment, user, trace)
    except PredictionFailed as failure:
        return _silent(experiment, None).but(error=str(failure))
    return _to_be_saved(_silent(experiment, variation), experiment, variation, user)


def activate(
    ruleset: Ruleset, experiment_key: str, user: User, trace: list[Reason] | None = None
) -> Decision:
    """Decide an experiment (or delivery rule) by its key; the decision calls for an impression.

    Holdouts do not apply.

    Raises:
        UnknownExperiment: no experiment has that key.
        PredictionNeeded: a contextual bandit must be asked first.

    Source: optimizely-sdk 5.7.0, optimizely.py:activate.
    """
    try:
        experiment = ruleset.experiments[experiment_key]
    except KeyError:
        raise _unknown_experiment(ruleset, experiment_key) from None
    if (
        trace is None
        and user.known is None
        and experiment.is_plain
        and user.id not in experiment.whitelist
    ):
        part = experiment.assign(user)
        answer = experiment.answers[part]
        if answer is None:
            answer = _activated(ruleset, experiment, experiment.variations[part])
            experiment.answers[part] = answer
        return answer
    try:
        variation = _of_experiment(ruleset, experiment, user, trace)
    except PredictionFailed as failure:
        return _activated(ruleset, experiment, None).but(error=str(failure))
    return _to_be_saved(_activated(ruleset, experiment, variation), experiment, variation, user)


def _silent(experiment: Experiment, variation: Variation | None) -> Decision:
    """The decision without an impression, remembered: it is shared, and a key for caches."""
    decision = experiment.silent_decisions.get(variation)
    if decision is None:
        decision = outcomes.of_experiment(experiment, variation)
    return experiment.silent_decisions.setdefault(variation, decision)


def _activated(ruleset: Ruleset, experiment: Experiment, variation: Variation | None) -> Decision:
    """The decision with its impression, remembered in the same way."""
    decision = experiment.decisions.get(variation)
    if decision is None:
        decision = outcomes.of_activation(ruleset, experiment, variation)
    return experiment.decisions.setdefault(variation, decision)


def _unknown_experiment(ruleset: Ruleset, key: str) -> UnknownExperiment:
    return UnknownExperiment(key, ruleset.revision, nearest(key, ruleset.experiments))


# --- flags --------------------------------------------------------------------------------------


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
        suggestion = nearest(flag_key, ruleset.flags)
        raise UnknownFlag(flag_key, ruleset.revision, suggestion) from None
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


def decide_flag(
    ruleset: Ruleset, flag: Flag, user: User, trace: list[Reason] | None = None
) -> Decision:
    """Decide one flag of *ruleset*. See `decide`.

    Raises:
        PredictionNeeded: a contextual bandit must be asked first.
        PredictionFailed: it was asked and did not answer; see `prediction_failed`.

    Source: optimizely-sdk 5.7.0, decision_service.py:get_decision_for_flag.
    """
    if not flag.is_plain or trace is not None or user.known is not None:
        return _decide_fully(ruleset, flag, user, trace)
    for rule in flag.experiments:
        experiment = rule.experiment
        if user.id in experiment.whitelist:
            return _decide_fully(ruleset, flag, user, trace)
        part = experiment.assign(user)
        answer = rule.answers[part]
        if answer is None:
            answer = _spell_out(ruleset, flag, rule, part)
        if answer:
            return answer
    return _rollout(ruleset, flag, user, None)


def _decide_fully(ruleset: Ruleset, flag: Flag, user: User, trace: list[Reason] | None) -> Decision:
    """Decide a flag where more than audiences and traffic may count, or be told."""
    if flag.broken is not None:
        if trace is not None:
            _say(trace, "flag_broken", flag=flag.key, pointer=flag.broken)
        return flag.nothing
    if user.known is not None:
        forced = _forced(flag, None, user, trace)
        if forced is not None:
            return _remember_forced(ruleset, flag, forced)
    held: Decision | None = None
    if ruleset.holdouts:
        holdout, held = _global_holdout(ruleset, flag, user, trace)
        if held is not None and not holdout.excludes_targeted_deliveries:  # type: ignore[union-attr]  # comes with `held`
            return held
    decision = _experiments(ruleset, flag, user, trace, deliveries_only=held is not None)
    if decision is None:
        decision = _rollout(ruleset, flag, user, trace)
    if held is not None and decision.source != "holdout":
        # The holdout that was passed over for a targeted delivery is reported first.
        return decision.but(impressions=held.impressions + decision.impressions)
    return decision


def _experiments(
    ruleset: Ruleset,
    flag: Flag,
    user: User,
    trace: list[Reason] | None,
    *,
    deliveries_only: bool,
) -> Decision | None:
    """The first experiment rule that gives a variation, or None."""
    for rule in flag.experiments:
        experiment = rule.experiment
        if deliveries_only and experiment.kind != "td":
            if trace is not None:
                _say(trace, "rule_skipped", what="experiment", rule=rule.key)
            continue
        if rule.holdouts or user.known is not None:
            settled = _settled_before(ruleset, flag, rule, user, trace)
            if settled is not None:
                return settled
        if (
            trace is None
            and user.known is None
            and experiment.is_plain
            and user.id not in experiment.whitelist
        ):
            part = experiment.assign(user)
            answer = rule.answers[part]
            if answer is None:
                answer = _spell_out(ruleset, flag, rule, part)
            if answer:
                return answer
            continue
        variation = _of_experiment(ruleset, experiment, user, trace)
        if variation is not None:
            decision = _remember(ruleset, flag, rule, variation)
            if experiment.cmab is not None:
                return _with_prediction(decision, experiment, user)
            return _to_be_saved(decision, experiment, variation, user)
    return None


def _rollout(ruleset: Ruleset, flag: Flag, user: User, trace: list[Reason] | None) -> Decision:
    """The delivery rules: a rule whose audience fits but whose traffic misses leads to the last.

    Status, whitelists, profiles and forced variations do not count here.

    Source: optimizely-sdk 5.7.0, decision_service.py:get_variation_for_rollout.
    """
    rules = flag.rollout
    last = len(rules) - 1
    index = 0
    while index <= last:
        rule = rules[index]
        if rule.holdouts or user.known is not None:
            settled = _settled_before(ruleset, flag, rule, user, trace)
            if settled is not None:
                return settled
        experiment = rule.experiment
        if trace is not None:
            _explain(ruleset, experiment, user, trace, "delivery rule")
        part = experiment.assign(user)
        if part == OUTSIDE:
            index += 1
            continue
        answer = rule.answers[part]
        if answer is None:
            answer = _spell_out(ruleset, flag, rule, part)
        if answer:
            return answer
        if index < last and trace is not None:
            _say(trace, "everyone_else", what="delivery rule", rule=rule.key)
        index = last if index < last else last + 1
    if trace is not None:
        if flag.rollout_missing:
            _say(trace, "rollout_missing", flag=flag.key, why=flag.rollout_missing)
        _say(trace, "nothing", flag=flag.key)
    return flag.nothing


def _settled_before(
    ruleset: Ruleset, flag: Flag, rule: Rule, user: User, trace: list[Reason] | None
) -> Decision | None:
    """What decides before a rule is looked at: a forced decision, then local holdouts."""
    forced = _forced(flag, rule, user, trace)
    if forced is not None:
        return _remember(ruleset, flag, rule, forced)
    for holdout in rule.holdouts:
        held = _held_by(ruleset, flag, holdout, user, trace)
        if held is not None:
            if trace is not None:
                _say(trace, "holdout_local", **_about(rule), holdout=holdout.experiment.key)
            return held
    return None


def _remember(ruleset: Ruleset, flag: Flag, rule: Rule, variation: Variation) -> Decision:
    decision = rule.decisions.get(variation) or outcomes.of_rule(ruleset, flag, rule, variation)
    return rule.decisions.setdefault(variation, decision)


def _spell_out(ruleset: Ruleset, flag: Flag, rule: Rule, part: int) -> Decision | Literal[False]:
    """What a part of a rule's traffic line leads to, from now on without thinking."""
    variation = rule.experiment.variations[part]
    if variation is None:
        rule.answers[part] = False
        return False
    answer = rule.answers[part] = _remember(ruleset, flag, rule, variation)
    return answer


def _remember_forced(ruleset: Ruleset, flag: Flag, variation: Variation) -> Decision:
    decision = flag.forced.get(variation) or outcomes.of_forced(ruleset, flag, variation)
    return flag.forced.setdefault(variation, decision)


# --- holdouts -----------------------------------------------------------------------------------


def _global_holdout(
    ruleset: Ruleset, flag: Flag, user: User, trace: list[Reason] | None
) -> tuple[Holdout | None, Decision | None]:
    """The first holdout that holds the user, with its decision for this flag."""
    for holdout in ruleset.holdouts:
        held = _held_by(ruleset, flag, holdout, user, trace)
        if held is not None:
            if trace is not None:
                key = holdout.experiment.key
                _say(trace, "holdout", what="holdout", rule=key, flag=flag.key)
                if holdout.excludes_targeted_deliveries:
                    _say(trace, "holdout_spares_deliveries", what="holdout", rule=key)
            return holdout, held
    return None, None


def _held_by(
    ruleset: Ruleset, flag: Flag, holdout: Holdout, user: User, trace: list[Reason] | None
) -> Decision | None:
    if trace is not None:
        _explain(ruleset, holdout.experiment, user, trace, "holdout")
    variation = holdout.experiment.variations[holdout.experiment.assign(user)]
    if variation is None:
        return None
    decision = holdout.decisions.get((flag.key, variation))
    if decision is None:
        decision = outcomes.of_holdout(ruleset, flag, holdout, variation)
        holdout.decisions[flag.key, variation] = decision
    return decision


# --- forced, whitelisted, stored ----------------------------------------------------------------


def _forced(
    flag: Flag, rule: Rule | None, user: User, trace: list[Reason] | None
) -> Variation | None:
    """The forced decision at this place, if it names a variation of the flag."""
    forced = user.forced_decisions
    rule_key = None if rule is None else rule.key
    key = forced.get((flag.key, rule_key)) if forced and flag.key else None
    if key is None:
        return None
    variation = flag.variation_by_key(key)
    if trace is not None:
        code = "forced_decision" if rule is None else "forced_decision_rule"
        if variation is None:
            code = "forced_decision_unknown"
        _say(trace, code, **(_about(rule) if rule else {}), flag=flag.key, variation=key)
    return variation


def _preassigned(
    experiment: Experiment, user: User, trace: list[Reason] | None
) -> Variation | None:
    """The variation that needs no bucketing: forced by the caller, whitelisted, or stored.

    Source: optimizely-sdk 5.7.0, decision_service.py:get_variation, steps before the audience.
    """
    if not experiment.running:
        return None
    key = experiment.key
    if key and user.forced_variations and key in user.forced_variations:
        wanted = experiment.by_key.get(user.forced_variations[key])
        forced = experiment.by_id.get(wanted.id) if wanted is not None and wanted.key else None
        if forced is not None:
            if trace is not None:
                _say(trace, "forced_variation", **_experiment(key), variation=forced.key)
            return forced
    if user.id in experiment.whitelist:
        variation = experiment.whitelist[user.id]
        if trace is not None:
            code = "whitelist_unknown" if variation is None else "whitelisted"
            chosen = variation.key if variation else None
            _say(trace, code, **_experiment(key), variation=chosen)
        if variation is not None:
            return variation
    if user.profile is not None:
        stored_id = user.profile.get(experiment.id)
        stored = experiment.by_id.get(stored_id) if stored_id else None
        if stored is not None:
            if trace is not None:
                _say(trace, "stored", **_experiment(key), variation=stored.key)
            return stored
    return None


# --- experiments --------------------------------------------------------------------------------


def _of_experiment(
    ruleset: Ruleset, experiment: Experiment, user: User, trace: list[Reason] | None
) -> Variation | None:
    """The variation an experiment gives: preassigned, or by audience and traffic.

    Raises:
        PredictionNeeded: the rule is a contextual bandit's and it has not been asked.
        PredictionFailed: it was asked and did not answer.
    """
    if trace is not None:
        from .explain import status_reason  # only who asks pays for it

        trace.append(status_reason(experiment))
    variation = _preassigned(experiment, user, trace)
    if variation is not None:
        return variation
    if not experiment.running:
        return None
    if trace is not None and experiment.broken is None:
        _explain(ruleset, experiment, user, trace, "experiment")
    part = experiment.assign(user)
    if experiment.cmab is not None:
        return None if part == OUTSIDE else ask_bandit(experiment, user)
    variation = experiment.variations[part]
    # The reference knows a holdout's variation by its form and won't bucket into one.
    return None if variation is None or variation.of_holdout else variation


def _to_be_saved(
    decision: Decision, experiment: Experiment, variation: Variation | None, user: User
) -> Decision:
    """Ask for the user's profile to remember a variation that was given by chance."""
    if variation is None or user.profile is None or experiment.cmab is not None:
        return decision
    if _preassigned(experiment, user, None) is not None:
        return decision
    return decision.but(bucketed=(experiment.id, variation.id))


def _with_prediction(decision: Decision, experiment: Experiment, user: User) -> Decision:
    """The decision with the bandit's id in its impressions."""
    prediction = user.predictions.get(experiment.id) if user.predictions else None
    if prediction is None or not prediction.cmab_uuid:
        return decision
    if _preassigned(experiment, user, None) is not None:
        return decision
    return decision.but(
        impressions=tuple(
            each.saying(cmab_uuid=prediction.cmab_uuid) for each in decision.impressions
        )
    )


def prediction_failed(flag: Flag, failure: PredictionFailed) -> Decision:
    """No decision at all: nothing else is tried, nothing is sent.

    Source: optimizely-sdk 5.7.0, decision/optimizely_decision.py:new_error_decision.
    """
    return flag.nothing.but(variables={}, impressions=(), error=str(failure))


# --- telling ------------------------------------------------------------------------------------


def _about(rule: Rule) -> dict[str, object]:
    what = "delivery rule" if rule.source == "rollout" else "experiment"
    return {"what": what, "rule": rule.key}


def _experiment(key: str) -> dict[str, object]:
    return {"what": "experiment", "rule": key}


def _say(trace: list[Reason], code: str, **values: object) -> None:
    from .reasons import Reason  # only a caller who asks pays for the sentences

    trace.append(Reason(code, values))


def _explain(
    ruleset: Ruleset, experiment: Experiment, user: User, trace: list[Reason], what: str
) -> None:
    from .explain import rule_reasons

    trace.extend(rule_reasons(ruleset, experiment, user, what))
