"""The parts of an explanation that a decision doesn't need for itself: conditions and buckets.

Imported only when someone asks why.
"""

from __future__ import annotations

import json

from .assign import membership_of
from .bucketing import TOTAL_TRAFFIC, bucket_of, hash_of
from .conditions import compile_leaf, split_node
from .reasons import Reason, bucket_reason
from .user import BUCKETING_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conditions import Audience
    from .ruleset import Experiment, Ruleset
    from .user import User

_WORDS = {True: "TRUE", False: "FALSE", None: "UNKNOWN"}

_PHRASES = {
    "exact": "{name} = {value}",
    "exists": "{name} exists",
    "substring": "{name} contains {value}",
    "gt": "{name} > {value}",
    "ge": "{name} >= {value}",
    "lt": "{name} < {value}",
    "le": "{name} <= {value}",
    "semver_eq": "{name} is version {value}",
    "semver_gt": "{name} is after version {value}",
    "semver_ge": "{name} is version {value} or later",
    "semver_lt": "{name} is before version {value}",
    "semver_le": "{name} is version {value} or earlier",
    "qualified": "in segment {value}",
}
#: Longer values are cut in sentences; the datafile has them whole.
_SHOWN = 80


def audience_reason(
    ruleset: Ruleset, experiment: Experiment, user: User, what: str, *, met: bool
) -> Reason:
    """Say whether the user qualifies, with every audience and condition and its outcome.

    Unlike the decision, which stops as soon as it knows, this looks at every condition.
    """
    tree = experiment.audience_tree
    if tree is None or tree == []:
        return Reason("audience_everybody", {"what": what, "rule": experiment.key})
    values: dict[str, object] = {"what": what.lower(), "rule": experiment.key}
    child, _ = _audience_node(ruleset, tree, user)
    return Reason("audience_met" if met else "audience_missed", values, (child,))


def _combine(operator: str, outcomes: list[bool | None]) -> bool | None:
    if operator == "not":
        return None if not outcomes or outcomes[0] is None else not outcomes[0]
    decisive = operator == "or"
    if decisive in outcomes:
        return decisive
    return None if None in outcomes else not decisive


def _audience_node(ruleset: Ruleset, node: object, user: User) -> tuple[Reason, bool | None]:
    """Explain a node of a rule's tree, whose leaves are audience ids."""
    if isinstance(node, list):
        if not node:
            return Reason("operator", {"operator": "or", "outcome": _WORDS[None]}), None
        operator, operands = split_node(node)
        if operator == "not":
            operands = operands[:1]
        explained = [_audience_node(ruleset, each, user) for each in operands]
        return _operator(operator, explained)
    audience = ruleset.audiences.get(node) if isinstance(node, str) else None
    if audience is None:
        return Reason("audience_unknown", {"id": node, "outcome": _WORDS[None]}), None
    child, _ = _condition_node(audience, audience.tree, user)
    outcome = audience.predicate(user)
    values: dict[str, object] = {
        "id": audience.id,
        "name": audience.name,
        "outcome": _WORDS[outcome],
    }
    return Reason("audience", values, (child,)), outcome


def _condition_node(audience: Audience, node: object, user: User) -> tuple[Reason, bool | None]:
    """Explain a node of an audience's own tree, whose leaves are conditions."""
    if isinstance(node, list) and node:
        operator, operands = split_node(node)
        if operator == "not":
            operands = operands[:1]
        return _operator(operator, [_condition_node(audience, each, user) for each in operands])
    condition = None if isinstance(node, list) else audience.condition_at(node)
    predicate = compile_leaf(condition) if condition is not None else None
    outcome = predicate(user) if predicate is not None else None
    values: dict[str, object] = {"text": _phrase(condition), "outcome": _WORDS[outcome]}
    if condition is not None:
        values |= {name: condition.get(name) for name in ("name", "match", "value")}
        name = condition.get("name")
        values["user_value"] = user.attributes.get(name) if isinstance(name, str) else None
    return Reason("condition", values), outcome


def _operator(
    operator: str, explained: list[tuple[Reason, bool | None]]
) -> tuple[Reason, bool | None]:
    outcome = _combine(operator, [found for _, found in explained])
    if len(explained) == 1 and operator != "not":
        return explained[0]
    values: dict[str, object] = {"operator": operator, "outcome": _WORDS[outcome]}
    return Reason("operator", values, tuple(reason for reason, _ in explained)), outcome


def _phrase(condition: dict[str, object] | None) -> str:
    if condition is None:
        return "something that is no condition"
    match = condition.get("match")
    phrase = _PHRASES.get("exact" if match is None else str(match), "{name} {match} {value}")
    value = json.dumps(condition.get("value"), ensure_ascii=False, default=str)[:_SHOWN]
    return phrase.format(name=condition.get("name"), match=match, value=value)


def traffic_reasons(experiment: Experiment, user: User) -> Iterator[Reason]:
    """Say which buckets the user falls in: the group's first, then the rule's own."""
    allocation = experiment.allocation
    if experiment.closed is not None or allocation is None:
        why = experiment.closed or "it is broken"
        yield Reason("closed", {"rule": experiment.key, "why": why})
        return
    group = experiment.group
    if group is not None:
        hashed = hash_of(user.hash_prefix, group.id_bytes)
        owner = group.allocation.entity_id(hashed)
        values: dict[str, object] = {
            "group": group.id,
            "bucket": bucket_of(hashed),
            "of": TOTAL_TRAFFIC,
            "rule": experiment.key,
            "owner": f"experiment {owner}" if owner else "no experiment",
        }
        yield Reason("group_in" if owner == experiment.id else "group_out", values)
        if owner != experiment.id:
            return
    hashed = hash_of(user.hash_prefix, experiment.id_bytes)
    if experiment.cmab is not None:
        share = allocation.ranges[0][2] if allocation.ranges else 0
        code = "bandit_in" if allocation.entity_id(hashed) else "bandit_out"
        shown = {
            "rule": experiment.key,
            "bucket": bucket_of(hashed),
            "of": TOTAL_TRAFFIC,
            "end": share,
        }
        yield Reason(code, shown)
        yield from _prediction_reasons(experiment, user)
        return
    variation = experiment.variations[allocation.part(hashed)]
    yield bucket_reason(allocation, hashed, experiment.key, variation.key if variation else None)


def _prediction_reasons(experiment: Experiment, user: User) -> Iterator[Reason]:
    if user.predictions is None or experiment.id not in user.predictions:
        return
    prediction = user.predictions[experiment.id]
    if prediction is None:
        yield Reason("prediction_failed", {"rule": experiment.key})
        return
    known = prediction.variation_id in experiment.by_id
    values: dict[str, object] = {
        "rule": experiment.key,
        "variation_id": prediction.variation_id,
        "cached": prediction.cached,
    }
    yield Reason("prediction" if known else "prediction_unknown", values)


def experiment_reasons(ruleset: Ruleset, experiment: Experiment, user: User) -> Iterator[Reason]:
    """Say what an experiment's status, audience and traffic make of a user."""
    if experiment.broken is not None:
        yield Reason("experiment_broken", {"rule": experiment.key, "pointer": experiment.broken})
    elif not experiment.running:
        yield Reason("not_running", {"rule": experiment.key})
    else:
        yield from rule_reasons(ruleset, experiment, user, "Experiment")


def rule_reasons(
    ruleset: Ruleset, experiment: Experiment, user: User, what: str
) -> Iterator[Reason]:
    """Say what the audience and the traffic of a rule or holdout make of a user.

    Args:
        ruleset: the compiled datafile.
        experiment: its audience and traffic.
        user: the visitor.
        what: what it is, in a sentence: `Experiment`, `Delivery rule`, `Holdout`.
    """
    audience = membership_of(ruleset, experiment)
    met = audience is None or audience(user)
    yield audience_reason(ruleset, experiment, user, what, met=met)
    if met:
        bucketing_id = user.attributes.get(BUCKETING_ID)
        if isinstance(bucketing_id, str):
            yield Reason("bucketing_id_used", {})
        elif bucketing_id is not None:
            yield Reason("bucketing_id_ignored", {})
        yield from traffic_reasons(experiment, user)
