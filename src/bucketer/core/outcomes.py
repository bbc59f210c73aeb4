"""What a rule and a variation come to: a `Decision`, with its variables and its impression.

None of it depends on the user, so each is spelled out once and then shared.

Source: optimizely-sdk 5.7.0, optimizely.py:_create_optimizely_decision, _send_impression_event.
"""

from __future__ import annotations

from .decision import EXPERIMENT, FEATURE_TEST, HOLDOUT, ROLLOUT, Decision, Impression
from .entities import typed
from .ruleset import Experiment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .decision import Source
    from .ruleset import Flag, Holdout, Rule, Ruleset, Variation


def of_experiment(experiment: Experiment, variation: Variation | None) -> Decision:
    """What `get_variation` answers."""
    return Decision(
        flag_key="",
        rule_key=experiment.key,
        variation_key=variation.key if variation is not None else None,
        enabled=variation is not None and bool(variation.feature_enabled),
        variables={},
        source=EXPERIMENT,
        impressions=(),
    )


def of_activation(
    ruleset: Ruleset, experiment: Experiment, variation: Variation | None
) -> Decision:
    """What `activate` answers. Its impression says enabled, whatever the variation says."""
    # The reference finds the variation again by the experiment's key; a holdout that took over
    # that key hides it, and an empty key is taken for none. Then nobody is in a variation.
    found = (
        experiment.by_key.get(variation.key) if variation is not None and variation.key else None
    )
    decision = of_experiment(experiment, found)
    if found is None:
        return decision
    impression = _impression(ruleset, None, experiment, found, EXPERIMENT, enabled=True)
    return decision.but(impressions=(impression,))


def of_rule(ruleset: Ruleset, flag: Flag, rule: Rule, variation: Variation) -> Decision:
    """What a flag's experiment or delivery rule gives."""
    sends = rule.source == FEATURE_TEST or ruleset.send_flag_decisions
    return _of_flag(ruleset, flag, rule, variation, rule.source, sends=sends)


def of_forced(ruleset: Ruleset, flag: Flag, variation: Variation) -> Decision:
    """What a flag-level forced decision gives: a variation without a rule."""
    return _of_flag(ruleset, flag, None, variation, FEATURE_TEST, sends=True)


def of_holdout(ruleset: Ruleset, flag: Flag, holdout: Holdout, variation: Variation) -> Decision:
    """What a holdout gives."""
    return _of_flag(ruleset, flag, holdout.experiment, variation, HOLDOUT, sends=True)


def nothing_decided(ruleset: Ruleset, flag: Flag) -> Decision:
    """What a flag gives when no rule decides, where that calls for an impression too."""
    impression = _impression(ruleset, flag, None, None, ROLLOUT, enabled=False)
    return flag.nothing.but(impressions=(impression,))


def prediction_failed(ruleset: Ruleset, flag: Flag, experiment: Experiment) -> Impression:
    """What `is_feature_enabled` sends when a bandit did not answer: its rule, with no variation."""
    return _impression(ruleset, flag, experiment, None, FEATURE_TEST, enabled=False)


def _of_flag(
    ruleset: Ruleset,
    flag: Flag,
    rule: Rule | Experiment | None,
    variation: Variation,
    source: Source,
    *,
    sends: bool,
) -> Decision:
    enabled = bool(variation.feature_enabled)
    strictly = enabled if variation.of_holdout else variation.feature_enabled is True
    impressions: tuple[Impression, ...] = ()
    if sends:
        impressions = (_impression(ruleset, flag, rule, variation, source, enabled=enabled),)
    return Decision(
        flag_key=flag.key,
        rule_key=rule.key if rule is not None else None,
        variation_key=variation.key,
        enabled=enabled,
        variables=_variables(ruleset, flag, variation) if enabled else flag.defaults,
        source=source,
        impressions=impressions,
        strictly_enabled=strictly,
    )


def _variables(ruleset: Ruleset, flag: Flag, variation: Variation) -> dict[str, object]:
    """The flag's variables under an enabled *variation*.

    A variation that no experiment or rule has (a holdout's) turns every variable into nothing.
    """
    overrides = (
        ruleset.overrides.get(variation.id) if variation.id or not variation.of_holdout else None
    )
    if overrides is None:
        return {each.key: typed(None, each.kind) for each in flag.variables.values()}
    return {
        each.key: typed(overrides[each.id], each.kind)
        if each.id in overrides
        else flag.defaults[each.key]
        for each in flag.variables.values()
    }


def _impression(
    ruleset: Ruleset,
    flag: Flag | None,
    rule: Rule | Experiment | None,
    variation: Variation | None,
    source: Source,
    *,
    enabled: bool,
) -> Impression:
    """Describe a decision for Optimizely's event API.

    The reference looks the variation up again by its id: among the flag's variations, or for
    holdouts and experiments by the experiment's id. What it doesn't find it sends as null.
    """
    rule_id = rule.id if rule is not None else ""
    found: Variation | None = None
    if variation is not None and variation.id:
        if flag is not None and flag.key and source != HOLDOUT:
            found = flag.variation_by_id(variation.id)
        elif rule_id:
            owner = rule if isinstance(rule, Experiment) else ruleset.experiments_by_id[rule_id]
            found = owner.by_own_id.get(variation.id)
    layer_id = rule.layer_id if rule is not None else None
    numeric = found is not None and found.id.isascii() and found.id.isdigit()
    return Impression(
        flag_key=flag.key if flag is not None else "",
        rule_key=rule.key if rule is not None else "",
        rule_type=source,
        enabled=enabled,
        campaign_id=layer_id if isinstance(layer_id, str) and layer_id else rule_id,
        experiment_id=rule_id,
        variation_id=found.id if found is not None and numeric else None,
        variation_key=found.key if found is not None else "",
    )
