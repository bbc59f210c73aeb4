"""Holdouts: global ones, and local ones that target single rules."""

from __future__ import annotations

from bucketer.core.entities import (
    Malformed,
    field,
    read_allocation,
    read_audience_tree,
    read_held_variations,
)
from bucketer.core.parse import json_type
from bucketer.core.ruleset import Experiment, Holdout

from .draft import ReadRule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .draft import Draft

_BROKEN_HOLDOUT = "the holdout keeps nobody out"


def read_holdouts(draft: Draft) -> None:
    """Global holdouts, then local ones; only running ones decide, all claim ids and keys."""
    running = []
    for index, raw in enumerate(draft.section("holdouts")):
        holdout = _read_holdout(draft, raw, f"/holdouts/{index}")
        if holdout is not None and holdout.experiment.running:
            running.append(holdout)
    draft.ruleset.holdouts = tuple(running)
    for index, raw in enumerate(draft.section("localHoldouts")):
        at = f"/localHoldouts/{index}"
        rules = raw.get("includedRules") if isinstance(raw, dict) else None
        if not isinstance(rules, list):
            finding = Malformed(f"{at}/includedRules", "an array of rule ids", json_type(rules))
            draft.note(finding, _BROKEN_HOLDOUT)
            continue
        holdout = _read_holdout(draft, raw, at)
        if holdout is not None and holdout.experiment.running:
            for rule_id in rules:
                if isinstance(rule_id, str):
                    draft.local_holdouts.setdefault(rule_id, []).append(holdout)


def _read_holdout(draft: Draft, raw: Any, at: str) -> Holdout | None:
    try:
        id_, key = field(raw, "id", str, at), field(raw, "key", str, at)
        experiment = Experiment(id_, key)
        experiment.status = field(raw, "status", str, at)
        experiment.running = experiment.status == "Running"
        experiment.audience_tree = read_audience_tree(raw, at, draft.unchecked)
        if not key.strip():
            experiment.closed = "its key is blank"
        variations = field(raw, "variations", list, at)
        for each in read_held_variations(variations, f"{at}/variations"):
            experiment.by_key[each.key] = each
            experiment.by_id[each.id] = each
        traffic = field(raw, "trafficAllocation", list, at)
        held = ReadRule(experiment, raw, at, draft.unchecked, None)
        held.entries = read_allocation(traffic, f"{at}/trafficAllocation", held.odd)
    except Malformed as finding:
        draft.note(finding, _BROKEN_HOLDOUT)
        return None
    draft.held.append(held)
    return Holdout(
        experiment,
        excludes_targeted_deliveries=bool(raw.get("excludeTargetedDeliveries", False)),
    )


def claim_maps(draft: Draft) -> None:
    """Holdouts take over the variation maps of experiments that have their id or key."""
    by_key = {each.experiment.key: each.experiment for each in draft.held}
    by_id = {each.experiment.id: each.experiment for each in draft.held}
    for experiment in draft.ruleset.experiments_by_id.values():
        if experiment.key in by_key:
            owner = by_key[experiment.key]
            experiment.by_key, experiment.by_id = owner.by_key, owner.by_id
        if experiment.id in by_id:
            experiment.by_own_id = by_id[experiment.id].by_id
    for each in draft.held:
        each.experiment.by_own_id = by_id[each.experiment.id].by_id
