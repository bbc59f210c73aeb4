"""Flags, with their variables and the rules they list."""

from __future__ import annotations

from bucketer.core.bucketing import TOTAL_TRAFFIC
from bucketer.core.decision import FEATURE_TEST, ROLLOUT
from bucketer.core.entities import (
    BROKEN,
    TOLD,
    Malformed,
    field,
    found,
    read_variables,
    read_variations,
)
from bucketer.core.outcomes import nothing_decided
from bucketer.core.parse import json_type
from bucketer.core.ruleset import Flag, Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bucketer.core.decision import Source
    from bucketer.core.ruleset import Experiment, Variable, Variation

    from .draft import Draft

#: What follows where only the reference looks.
_UNREAD = "nothing here depends on it"


def read_flags(draft: Draft) -> None:
    """Read every flag, of two with the same key the last one; the order is the first ones'."""
    raws: dict[str, tuple[dict[str, Any], str]] = {}
    for index, raw in enumerate(draft.section("featureFlags")):
        at = f"/featureFlags/{index}"
        try:
            raws[field(raw, "key", str, at)] = (raw, at)
        except Malformed as finding:
            draft.note(finding, "the flag is unknown")
    draft.ruleset.flag_order = tuple(raws)
    for key, (raw, at) in raws.items():
        if not isinstance(raw.get("id"), str):
            _flag_without_id(draft, raw, at)
        draft.ruleset.flags[key] = _read_flag(draft, key, raw, at)
    served = {rule.id for flag in draft.ruleset.flags.values() for rule in flag.rollout}
    delivered = (rule.id for rules, _ in draft.rollouts.values() for rule in rules)
    draft.ruleset.idle_deliveries = tuple(each for each in delivered if each not in served)


def _flag_without_id(draft: Draft, raw: dict[str, Any], at: str) -> None:
    """The reference refuses what it can't hand to its constructor, or use as a key."""
    refused = "id" not in raw or isinstance(raw["id"], (list, dict))
    finding = Malformed(f"{at}/id", "a string", found(raw, "id"))
    (draft.checked if refused else draft.unchecked).tell(finding, _UNREAD)


def _read_flag(draft: Draft, key: str, raw: dict[str, Any], at: str) -> Flag:
    variables: dict[str, Variable] = {}
    defaults: dict[str, object] = {}
    try:
        variables, defaults = read_variables(
            field(raw, "variables", list, at), f"{at}/variables", draft.unchecked
        )
        flag = Flag(key, variables, defaults)
        _add_rules(draft, flag, raw, at)
    except Malformed as finding:
        draft.note(finding, f"flag '{key}' decides nothing")
        flag = Flag(key, {}, defaults)
        flag.broken = finding.pointer
    return flag


def _add_rules(draft: Draft, flag: Flag, raw: dict[str, Any], at: str) -> None:
    experiments = []
    for index, id_ in enumerate(field(raw, "experimentIds", list, at)):
        if not isinstance(id_, str) or id_ not in draft.experiment_ids or id_ not in draft.read:
            raise Malformed(
                f"{at}/experimentIds/{index}", "the id of an experiment", _kind_of_id(id_)
            )
        experiments.append(draft.ruleset.experiments_by_id[id_])
    rollout_id = field(raw, "rolloutId", str, at)
    if rollout_id in draft.broken_rollouts:
        raise Malformed(draft.broken_rollouts[rollout_id], "a usable rule", BROKEN)
    if rollout_id and rollout_id not in draft.rollouts:
        raise Malformed(f"{at}/rolloutId", "the id of a usable rollout", "another id")
    named, raw_rules = draft.rollouts[rollout_id] if rollout_id else ([], [])
    by_id = draft.ruleset.experiments_by_id
    for rule in (*experiments, *named, *(by_id[rule.id] for rule in named)):
        if rule.broken is not None:
            raise Malformed(rule.broken, "a usable rule", BROKEN)
    # Only now, since a flag that decides nothing must not change what others decide.
    _inject_everyone_else(draft, experiments, raw_rules)
    unique = list({rule.id: rule for rule in named}.values())
    flag.experiments = tuple(_rule(draft, each, each, FEATURE_TEST) for each in experiments)
    flag.rollout = tuple(_rule(draft, each, by_id[each.id], ROLLOUT) for each in unique)
    if not unique:
        flag.rollout_missing = "has no rules" if rollout_id else "is not set"
    seen: dict[str, Variation] = {}
    for experiment in [*experiments, *(by_id[rule.id] for rule in named)]:
        for variation in experiment.by_own_id.values():
            seen.setdefault(variation.id, variation)
    flag.variations = tuple(seen.values())


def _rule(draft: Draft, named: Experiment, experiment: Experiment, source: Source) -> Rule:
    return Rule(named, experiment, source, tuple(draft.local_holdouts.get(named.id, ())))


def _inject_everyone_else(
    draft: Draft, experiments: list[Experiment], raw_rules: list[Any]
) -> None:
    """Feature rollouts: whoever qualifies and misses gets what Everyone Else gets.

    Source: optimizely-sdk 5.7.0, project_config.py:_get_everyone_else_variation.
    """
    raw_variations = raw_rules[-1].get("variations") if raw_rules else None
    if not raw_variations or not isinstance(raw_variations, list):
        return
    variation = next(read_variations(raw_variations[:1], "/rollouts", TOLD))
    variation.feature_enabled = bool(variation.feature_enabled)
    for experiment in experiments:
        if experiment.kind == "fr":
            draft.injected.setdefault(experiment.id, []).append((variation.id, TOTAL_TRAFFIC))
            experiment.by_key[variation.key] = variation
            experiment.by_id[variation.id] = variation
            experiment.by_own_id[variation.id] = variation
            draft.ruleset.overrides[variation.id] = variation.overrides


def finish_flag(draft: Draft, flag: Flag) -> None:
    """Settle what a flag answers, now that its rules are on their lines."""
    for rule in (*flag.experiments, *flag.rollout):
        rule.answers = [None if each else False for each in rule.experiment.variations]
    if flag.broken is None and draft.ruleset.send_flag_decisions:
        flag.nothing = nothing_decided(draft.ruleset, flag)
    flag.is_plain = (
        flag.broken is None
        and not draft.ruleset.holdouts
        and all(rule.experiment.is_plain for rule in flag.experiments)
        and not any(rule.holdouts for rule in (*flag.experiments, *flag.rollout))
    )


def _kind_of_id(id_: object) -> str:
    return "an id that no experiment has" if isinstance(id_, str) else json_type(id_)
