"""Experiments, delivery rules and groups, read in the order that decides who wins an id."""

from __future__ import annotations

from bucketer.core.bucketing import Allocation
from bucketer.core.entities import (
    Malformed,
    field,
    read_allocation,
    read_cmab,
    read_experiment,
    read_variations,
)
from bucketer.core.parse import json_type
from bucketer.core.ruleset import Experiment, Group

from .draft import ReadRule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bucketer.core.entities import Oddities
    from bucketer.core.ruleset import Variation

    from .draft import Draft

_BROKEN = "the rule decides nothing, nor do flags that use it"


def read_experiments(draft: Draft) -> None:
    """Fill `read`, in the order that decides who wins an id: experiments, rollouts, groups."""
    for index, raw in enumerate(draft.section("experiments")):
        _read_one(draft, raw, f"/experiments/{index}", draft.checked)
        if isinstance(raw, dict) and isinstance(raw.get("id"), str):
            draft.experiment_ids.add(raw["id"])
    _read_rollouts(draft)
    groups: dict[str, tuple[Group, dict[str, Any], str]] = {}
    broken_groups: list[tuple[Any, str]] = []
    for index, raw in enumerate(draft.section("groups")):
        at = f"/groups/{index}"
        group = _read_group(draft, raw, at)
        if group is not None:
            groups[group.id] = (group, raw, at)
        else:
            broken_groups.append((raw, at))
    draft.groups = {id_: group for id_, (group, _, _) in groups.items()}
    for group, raw, at in groups.values():
        for index, member in enumerate(raw["experiments"]):
            _read_one(draft, member, f"{at}/experiments/{index}", draft.checked, group)
            if isinstance(member.get("id"), str):
                draft.experiment_ids.add(member["id"])
    for _, raw, at in groups.values():
        traffic = raw["trafficAllocation"]
        draft.note_strangers(traffic, draft.read, f"{at}/trafficAllocation", "an experiment")
    for raw, at in broken_groups:
        draft.experiment_ids.update(_set_aside(draft, raw, at))


def _read_one(
    draft: Draft, raw: Any, at: str, odd: Oddities, group: Group | None = None
) -> Experiment | None:
    """Read one rule. A broken one still owns its id, and its key where nobody else has it."""
    try:
        experiment = read_experiment(raw, at, odd)
    except Malformed as finding:
        draft.note(finding, _BROKEN)
        broken = _broken_rule(raw, finding.pointer)
        if broken is None or not broken.id:
            draft.nameless += [broken] if broken else []
            return None
        experiment = broken
    draft.read[experiment.id] = ReadRule(experiment, raw, at, odd, group)
    return experiment


def _set_aside(draft: Draft, container: Any, at: str) -> list[str]:
    """Let the rules of a broken group or rollout be known as broken; returns their ids."""
    rules = container.get("experiments") if isinstance(container, dict) else None
    ids = []
    for raw in rules if isinstance(rules, list) else []:
        broken = _broken_rule(raw, at)
        if broken is not None and broken.id:
            ids.append(broken.id)
            draft.read.setdefault(broken.id, ReadRule(broken, raw, at, draft.unchecked, None))
        elif broken is not None:
            draft.nameless.append(broken)
    return ids


def _read_rollouts(draft: Draft) -> None:
    layers: dict[str, tuple[list[Any], str]] = {}
    broken_rollouts: list[tuple[Any, str]] = []
    for index, raw in enumerate(draft.section("rollouts")):
        at = f"/rollouts/{index}"
        try:
            id_ = field(raw, "id", str, at)
            layers[id_] = (field(raw, "experiments", list, at), f"{at}/experiments")
        except Malformed as finding:
            draft.note(finding, "flags with this rollout decide nothing")
            broken_rollouts.append((raw, at))
    for id_, (rules, at) in layers.items():
        named = [
            _read_one(draft, raw, f"{at}/{index}", draft.unchecked)
            for index, raw in enumerate(rules)
        ]
        whole = [rule for rule in named if rule is not None]
        if len(whole) == len(named):
            draft.rollouts[id_] = (whole, rules)
        else:
            draft.broken_rollouts[id_] = f"{at}/{named.index(None)}"
    for raw, at in broken_rollouts:
        _set_aside(draft, raw, at)


def _read_group(draft: Draft, raw: Any, at: str) -> Group | None:
    try:
        id_ = field(raw, "id", str, at)
        members = field(raw, "experiments", list, at)
        for index, member in enumerate(members):
            if not isinstance(member, dict):
                raise Malformed(f"{at}/experiments/{index}", "an object", json_type(member))  # noqa: TRY301
        if "policy" not in raw:
            raise Malformed(f"{at}/policy", "a string", "nothing")  # noqa: TRY301
        traffic = field(raw, "trafficAllocation", list, at)
        entries = read_allocation(traffic, f"{at}/trafficAllocation", draft.checked)
    except Malformed as finding:
        draft.note(finding, "the group's experiments decide nothing, nor do flags that use them")
        return None
    if not isinstance(raw["policy"], str):
        odd = Malformed(f"{at}/policy", "a string", json_type(raw["policy"]))
        draft.checked.tell(odd, "its experiments don't exclude one another", dead=True)
    return Group(id_, raw["policy"], Allocation(entries))


def read_traffic(draft: Draft, each: ReadRule) -> None:
    """Read the traffic line: the last thing that a rule can turn out to be broken at."""
    if each.experiment.broken is not None:
        return
    raw, at, odd = each.raw, each.at, each.odd
    try:
        each.entries = read_allocation(raw["trafficAllocation"], f"{at}/trafficAllocation", odd)
        if raw.get("cmab"):  # the schema looks at it nowhere
            each.bandit = read_cmab(
                raw["cmab"], draft.attribute_keys, f"{at}/cmab", draft.unchecked
            )
    except Malformed as finding:
        draft.note(finding, _BROKEN)
        each.experiment.broken = finding.pointer


def index_variations(draft: Draft) -> None:
    """Give every rule its variations, and find who owns each key."""
    ruleset = draft.ruleset
    broken = []
    for each in draft.read.values():
        experiment = each.experiment
        by_key = _variations_of(draft, each) if experiment.broken is None else {}
        ruleset.experiments_by_id[experiment.id] = experiment
        if experiment.broken is not None:
            broken.append(experiment)
            continue
        for variation in by_key.values():
            experiment.by_own_id[variation.id] = variation
            ruleset.overrides[variation.id] = variation.overrides
        experiment.by_key, experiment.by_id = by_key, dict(experiment.by_own_id)
        ruleset.experiments[experiment.key] = experiment
    for experiment in (*broken, *draft.nameless):
        ruleset.experiments.setdefault(experiment.key, experiment)
    for experiment in ruleset.experiments_by_id.values():
        owner = ruleset.experiments[experiment.key]
        experiment.by_key, experiment.by_id = owner.by_key, owner.by_id


def _variations_of(draft: Draft, each: ReadRule) -> dict[str, Variation]:
    at = f"{each.at}/variations"
    try:
        variations = read_variations(each.raw["variations"], at, each.odd)
        return {variation.key: variation for variation in variations}
    except Malformed as finding:
        draft.note(finding, _BROKEN)
        each.experiment.broken = finding.pointer
        return {}


def _broken_rule(raw: Any, pointer: str) -> Experiment | None:
    """What is left of a broken rule: a key, and an id (or none) that belong to it alone."""
    key = raw.get("key") if isinstance(raw, dict) else None
    if not isinstance(key, str):
        return None
    id_ = raw.get("id")
    experiment = Experiment(id_ if isinstance(id_, str) else "", key)
    experiment.broken = pointer
    return experiment
