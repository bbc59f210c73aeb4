"""A rule, experiment or holdout in, what the console shows of it out, whoever the visitor is."""

from __future__ import annotations

from bucketer.core import outcomes
from bucketer.core.bucketing import TOTAL_TRAFFIC
from bucketer.core.condition_words import cut
from bucketer.core.mentions import DELIVERY, audiences_of

from .trees import sentence_of, tree_of_rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.core.bucketing import Allocation
    from bucketer.core.mentions import Looked
    from bucketer.core.ruleset import Experiment, Flag, Group, Ruleset

_MOST_WHITELISTED = 50


def rule_json(
    ruleset: Ruleset, looked: Looked, flag: Flag | None = None, *, last: bool = False
) -> dict[str, object]:
    """Everything about a rule that the datafile says.

    Args:
        ruleset: the compiled datafile.
        looked: the rule.
        flag: whose it is: then variations come with their variables.
        last: it is the last delivery rule, Everyone Else.
    """
    experiment = looked.experiment
    tree = tree_of_rule(ruleset, experiment.audience_tree)
    return {
        "what": looked.what,
        "key": looked.key,
        "id": experiment.id,
        "type": experiment.kind if isinstance(experiment.kind, str) else None,
        "status": None if looked.what == DELIVERY else experiment.status,
        "running": experiment.running,
        "broken": experiment.broken,
        "everyone_else": last,
        "audience": {
            "everybody": tree is None,
            "sentence": sentence_of(tree),
            "tree": tree,
            "audiences": [
                {"id": each.id, "name": cut(each.name)}
                for each in audiences_of(ruleset, [experiment])
            ],
        },
        "traffic": traffic_json(experiment),
        "variations": _variations(ruleset, looked, flag),
        "group": None if experiment.group is None else group_json(ruleset, experiment.group),
        "holdouts": [
            {"key": each.experiment.key} for each in (looked.rule.holdouts if looked.rule else ())
        ],
        "whitelist": _whitelist(experiment),
        "bandit": None if experiment.cmab is None else {"attributes": bandit_sees(experiment)},
    }


def traffic_json(experiment: Experiment) -> dict[str, object]:
    """A rule's traffic line: its ranges, what each leads to, and how much of it leads anywhere."""
    ranges = _ranges(experiment)
    return {
        "of": TOTAL_TRAFFIC,
        "share": share_of(experiment),
        "closed": experiment.closed or ("it is broken" if experiment.allocation is None else None),
        "ranges": ranges,
    }


def _ranges(experiment: Experiment) -> list[dict[str, object]]:
    ranges: list[dict[str, object]] = []
    if experiment.allocation is None:
        return ranges
    keys = [None if each is None else each.key for each in experiment.variations]
    for (_, start, end), key in zip(experiment.allocation.ranges, keys, strict=False):
        ranges.append({"start": start, "end": end, "variation": key})
    return ranges


def share_of(experiment: Experiment) -> float:
    """How much of the line leads to a variation, from 0 to 1; a bandit's to its decision."""
    allocation = experiment.allocation
    if allocation is None or (experiment.closed is not None and experiment.cmab is None):
        return 0.0
    if experiment.cmab is not None:
        return min(allocation.ranges[0][2] / TOTAL_TRAFFIC, 1.0) if allocation.ranges else 0.0
    widths = [
        _within(end) - _within(start)
        for (_, start, end), variation in zip(
            allocation.ranges, experiment.variations, strict=False
        )
        if variation is not None
    ]
    return round(sum(widths) / TOTAL_TRAFFIC, 6)


def _within(bound: float) -> float:
    return max(0, min(bound, TOTAL_TRAFFIC))


def bandit_sees(experiment: Experiment) -> list[str]:
    """The keys of the attributes that a contextual bandit may see."""
    seen = experiment.cmab.attributes if experiment.cmab is not None else None
    return [key for _, key in seen or ()]


def _variations(ruleset: Ruleset, looked: Looked, flag: Flag | None) -> list[dict[str, object]]:
    told = []
    for variation in looked.experiment.by_own_id.values():
        variables: dict[str, object] = {}
        if flag is not None and looked.rule is not None and flag.broken is None:
            decision = outcomes.of_rule(ruleset, flag, looked.rule, variation)
            variables = dict(decision.variables)
        told.append(
            {
                "key": variation.key,
                "id": variation.id,
                "enabled": bool(variation.feature_enabled),
                "variables": variables,
            }
        )
    return told


def _whitelist(experiment: Experiment) -> dict[str, object]:
    listed = list(experiment.whitelist.items())
    return {
        "count": len(listed),
        "users": [
            {"user": user, "variation": None if variation is None else variation.key}
            for user, variation in listed[:_MOST_WHITELISTED]
        ],
    }


def group_json(ruleset: Ruleset, group: Group) -> dict[str, object]:
    """A group's line, and which experiment has which part of it."""
    return {"id": group.id, "of": TOTAL_TRAFFIC, "ranges": group_ranges(ruleset, group.allocation)}


def group_ranges(ruleset: Ruleset, allocation: Allocation) -> list[dict[str, object]]:
    """The parts of a group's line, each with the key of the experiment that has it."""
    found: list[dict[str, object]] = []
    for id_, start, end in allocation.ranges:
        owner = ruleset.experiments_by_id.get(id_) if id_ else None
        found.append({"start": start, "end": end, "experiment": owner.key if owner else None})
    return found
