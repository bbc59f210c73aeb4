"""What a flag gives a user, rule by rule: holdouts, experiments, delivery rules.

The steps and their order are the reference's.

Source: optimizely-sdk 5.7.0, decision_service.py.
"""

from __future__ import annotations

from . import outcomes
from .bucketing import OUTSIDE
from .experiments import of_experiment, to_be_saved, with_prediction
from .telling import about, explain, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from .bandit import PredictionFailed
    from .decision import Decision
    from .reasons import Reason
    from .ruleset import Flag, Holdout, Rule, Ruleset, Variation
    from .user import User


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
            say(trace, "flag_broken", flag=flag.key, pointer=flag.broken)
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
                say(trace, "rule_skipped", what="experiment", rule=rule.key)
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
        variation = of_experiment(ruleset, experiment, user, trace)
        if variation is not None:
            decision = _remember(ruleset, flag, rule, variation)
            if experiment.cmab is not None:
                return with_prediction(decision, experiment, user)
            return to_be_saved(decision, experiment, variation, user)
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
            explain(ruleset, experiment, user, trace, "delivery rule")
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
            say(trace, "everyone_else", what="delivery rule", rule=rule.key)
        index = last if index < last else last + 1
    if trace is not None:
        if flag.rollout_missing:
            say(trace, "rollout_missing", flag=flag.key, why=flag.rollout_missing)
        say(trace, "nothing", flag=flag.key)
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
                say(trace, "holdout_local", **about(rule), holdout=holdout.experiment.key)
            return held
    return None


def _remember(ruleset: Ruleset, flag: Flag, rule: Rule, variation: Variation) -> Decision:
    decision = rule.decisions.get(variation)
    if decision is None:
        decision = outcomes.of_rule(ruleset, flag, rule, variation)
        if ruleset.has_room_for(decision):
            rule.decisions[variation] = decision
    return decision


def _spell_out(ruleset: Ruleset, flag: Flag, rule: Rule, part: int) -> Decision | Literal[False]:
    """What a part of a rule's traffic line leads to, from now on without thinking."""
    variation = rule.experiment.variations[part]
    if variation is None:
        rule.answers[part] = False
        return False
    answer = _remember(ruleset, flag, rule, variation)
    if variation in rule.decisions:
        rule.answers[part] = answer
    return answer


def _remember_forced(ruleset: Ruleset, flag: Flag, variation: Variation) -> Decision:
    decision = flag.forced.get(variation)
    if decision is None:
        decision = outcomes.of_forced(ruleset, flag, variation)
        if ruleset.has_room_for(decision):
            flag.forced[variation] = decision
    return decision


def _global_holdout(
    ruleset: Ruleset, flag: Flag, user: User, trace: list[Reason] | None
) -> tuple[Holdout | None, Decision | None]:
    """The first holdout that holds the user, with its decision for this flag."""
    for holdout in ruleset.holdouts:
        held = _held_by(ruleset, flag, holdout, user, trace)
        if held is not None:
            if trace is not None:
                key = holdout.experiment.key
                say(trace, "holdout", what="holdout", rule=key, flag=flag.key)
                if holdout.excludes_targeted_deliveries:
                    say(trace, "holdout_spares_deliveries", what="holdout", rule=key)
            return holdout, held
    return None, None


def _held_by(
    ruleset: Ruleset, flag: Flag, holdout: Holdout, user: User, trace: list[Reason] | None
) -> Decision | None:
    if trace is not None:
        explain(ruleset, holdout.experiment, user, trace, "holdout")
    variation = holdout.experiment.variations[holdout.experiment.assign(user)]
    if variation is None:
        return None
    decision = holdout.decisions.get((flag.key, variation))
    if decision is None:
        decision = outcomes.of_holdout(ruleset, flag, holdout, variation)
        if ruleset.has_room_for(decision):
            holdout.decisions[flag.key, variation] = decision
    return decision


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
        say(trace, code, **(about(rule) if rule else {}), flag=flag.key, variation=key)
    return variation


def prediction_failed(flag: Flag, failure: PredictionFailed) -> Decision:
    """No decision at all: nothing else is tried, nothing is sent.

    Source: optimizely-sdk 5.7.0, decision/optimizely_decision.py:new_error_decision.
    """
    return flag.nothing.but(variables={}, impressions=(), error=str(failure))
