"""What an experiment gives a user: asked for by its key, or as a rule of a flag.

The short way of both questions is written out twice: every request comes by here, and each call
would be paid by all.

Source: optimizely-sdk 5.7.0, optimizely.py and decision_service.py.
"""

from __future__ import annotations

from . import outcomes
from .bandit import PredictionFailed, ask_bandit
from .bucketing import OUTSIDE
from .errors import UnknownExperiment
from .telling import about_experiment, explain, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .decision import Decision
    from .errors import UnknownKey
    from .reasons import Reason
    from .ruleset import Experiment, Ruleset, Variation
    from .user import User


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
        variation = of_experiment(ruleset, experiment, user, trace)
    except PredictionFailed as failure:
        return _silent(experiment, None).but(error=str(failure))
    return to_be_saved(_silent(experiment, variation), experiment, variation, user)


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
        variation = of_experiment(ruleset, experiment, user, trace)
    except PredictionFailed as failure:
        return _activated(ruleset, experiment, None).but(error=str(failure))
    return to_be_saved(_activated(ruleset, experiment, variation), experiment, variation, user)


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


def _unknown_experiment(ruleset: Ruleset, key: str) -> UnknownKey:
    from .slips import unknown

    return unknown(ruleset, UnknownExperiment, key)


def of_experiment(
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
        explain(ruleset, experiment, user, trace, "experiment")
    part = experiment.assign(user)
    if experiment.cmab is not None:
        return None if part == OUTSIDE else ask_bandit(experiment, user)
    variation = experiment.variations[part]
    # The reference knows a holdout's variation by its form and won't bucket into one.
    return None if variation is None or variation.of_holdout else variation


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
                say(trace, "forced_variation", **about_experiment(key), variation=forced.key)
            return forced
    if user.id in experiment.whitelist:
        variation = experiment.whitelist[user.id]
        if trace is not None:
            code = "whitelist_unknown" if variation is None else "whitelisted"
            chosen = variation.key if variation else None
            say(trace, code, **about_experiment(key), variation=chosen)
        if variation is not None:
            return variation
    if user.profile is not None:
        stored_id = user.profile.get(experiment.id)
        stored = experiment.by_id.get(stored_id) if stored_id else None
        if stored is not None:
            if trace is not None:
                say(trace, "stored", **about_experiment(key), variation=stored.key)
            return stored
        if stored_id and trace is not None:
            say(trace, "stored_unknown", **about_experiment(key), variation_id=stored_id)
    return None


def to_be_saved(
    decision: Decision, experiment: Experiment, variation: Variation | None, user: User
) -> Decision:
    """Ask for the user's profile to remember a variation that was given by chance."""
    if variation is None or user.profile is None or experiment.cmab is not None:
        return decision
    if _preassigned(experiment, user, None) is not None:
        return decision
    return decision.but(bucketed=(experiment.id, variation.id))


def with_prediction(decision: Decision, experiment: Experiment, user: User) -> Decision:
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
