"""The parts of an explanation that a decision doesn't need for itself: status, conditions, buckets.

Imported only when someone asks why.
"""

from __future__ import annotations

import json

from .assign import membership_of
from .bucketing import TOTAL_TRAFFIC, bucket_of, hash_of
from .conditions import compile_leaf
from .parse import json_type
from .reasons import Reason, bucket_reason
from .trees import is_for_everybody, split_node
from .user import BUCKETING_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .audience import Audience
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
_OPERATORS = {"and": "All of these", "or": "Any of these"}
#: What a NOT says, by the operator that it is put before.
_NEGATIONS: dict[object, str] = {"or": "None of these", "and": "Not all of these"}
_FOR_NOBODY = "nobody can be judged by it"
#: Longer values are cut in sentences; the reason's values have them whole.
_SHOWN = 80


def status_reason(experiment: Experiment) -> Reason:
    """Say whether an experiment runs, by the status that the datafile gives it."""
    about: dict[str, object] = {"what": "experiment", "rule": experiment.key}
    if experiment.broken is not None:
        return Reason("experiment_broken", {**about, "pointer": experiment.broken})
    code = "running" if experiment.running else "not_running"
    return Reason(code, {**about, "status": experiment.status})


def audience_reason(
    ruleset: Ruleset, experiment: Experiment, user: User, about: dict[str, object], *, met: bool
) -> Reason:
    """Say whether the user qualifies, with every audience and condition and its outcome.

    Unlike the decision, which stops as soon as it knows, this looks at every condition.
    """
    tree = experiment.audience_tree
    if is_for_everybody(tree):
        return Reason("audience_everybody", dict(about))
    child, _ = _audience_node(ruleset, tree, user)
    return Reason("audience_met" if met else "audience_missed", dict(about), (child,))


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
            return _operator_reason("or", None, ()), None
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


def _operator(
    operator: str, explained: list[tuple[Reason, bool | None]]
) -> tuple[Reason, bool | None]:
    outcome = _combine(operator, [found for _, found in explained])
    if len(explained) == 1 and operator != "not":
        return explained[0]
    return _operator_reason(operator, outcome, tuple(reason for reason, _ in explained)), outcome


def _operator_reason(operator: str, outcome: bool | None, children: tuple[Reason, ...]) -> Reason:
    """Say what an operator over *children* came to, in words that read on into them."""
    below = children[0].values.get("operator") if children else None
    text = _NEGATIONS.get(below, "Not this") if operator == "not" else _OPERATORS[operator]
    values: dict[str, object] = {"operator": operator, "text": text, "outcome": _WORDS[outcome]}
    return Reason("operator", values, children)


# --- conditions ---------------------------------------------------------------------------------


def _condition_node(audience: Audience, node: object, user: User) -> tuple[Reason, bool | None]:
    """Explain a node of an audience's own tree, whose leaves are conditions."""
    if isinstance(node, list) and node:
        operator, operands = split_node(node)
        if operator == "not":
            operands = operands[:1]
        return _operator(operator, [_condition_node(audience, each, user) for each in operands])
    condition = None if isinstance(node, list) else audience.condition_at(node)
    predicate = compile_leaf(condition) if condition is not None else None
    if condition is None or predicate is None:
        values = {"text": _phrase(condition), "outcome": _WORDS[None], "why": _FOR_NOBODY}
        return Reason("condition", {**values, **_as_written(condition)}), None
    outcome = predicate(user)
    facts = _as_written(condition)
    if condition.get("match") == "qualified":
        why = _segments_of(user)
    else:
        name: str = condition.get("name")  # type: ignore[assignment]  # or something else that is no attribute's key
        if name in user.attributes:
            facts["user_value"] = user.attributes[name]
        why = _what_she_has(name, user, outcome)
    values = {"text": _phrase(condition), "outcome": _WORDS[outcome], "why": why}
    return Reason("condition", {**values, **facts}), outcome


def _as_written(condition: dict[str, object] | None) -> dict[str, object]:
    return {name: condition.get(name) for name in ("name", "match", "value")} if condition else {}


def _what_she_has(name: str, user: User, outcome: bool | None) -> str:
    if name not in user.attributes:
        return f"the user has no attribute '{name}'"
    value = user.attributes[name]
    if outcome is None and value is not None:
        return f"the user has {_shown(value)}, {json_type(value)}, which can't be compared"
    return f"the user has {_shown(value)}"


def _segments_of(user: User) -> str:
    if user.segments is None:
        return "the user's segments are not known"
    return f"the user is in {_shown(sorted(user.segments))}"


def _phrase(condition: dict[str, object] | None) -> str:
    if condition is None:
        return "Something that is no condition"
    match = condition.get("match")
    phrase = _PHRASES.get("exact" if match is None else str(match), "{name} {match} {value}")
    value = _shown(condition.get("value"))
    return phrase.format(name=condition.get("name"), match=match, value=value)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


# --- traffic ------------------------------------------------------------------------------------


def traffic_reasons(
    ruleset: Ruleset, experiment: Experiment, user: User, about: dict[str, object]
) -> Iterator[Reason]:
    """Say which buckets the user falls in: the group's first, then the rule's own."""
    allocation = experiment.allocation
    # A bandit doesn't mind its rule's blank key.
    shut = experiment.closed is not None and experiment.cmab is None
    if shut or allocation is None:
        yield Reason("closed", {**about, "why": experiment.closed or "it is broken"})
        return
    group = experiment.group
    if group is not None:
        hashed = hash_of(user.hash_prefix, group.id_bytes)
        owner = group.allocation.entity_id(hashed)
        values: dict[str, object] = {
            **about,
            "group": group.id,
            "bucket": bucket_of(hashed),
            "of": TOTAL_TRAFFIC,
            "owner": _owner(ruleset, owner),
        }
        mine = bool(owner) and owner == experiment.id
        yield Reason("group_in" if mine else "group_out", values)
        if not mine:
            return
    hashed = hash_of(user.hash_prefix, experiment.id_bytes)
    if experiment.cmab is not None:
        share = allocation.ranges[0][2] if allocation.ranges else 0
        code = "bandit_in" if allocation.entity_id(hashed) else "bandit_out"
        place = {"bucket": bucket_of(hashed), "of": TOTAL_TRAFFIC, "end": share}
        yield Reason(code, {**about, **place})
        yield from _prediction_reasons(experiment, user, about)
        return
    variation = experiment.variations[allocation.part(hashed)]
    yield bucket_reason(allocation, hashed, about, variation.key if variation else None)


def _owner(ruleset: Ruleset, experiment_id: str | None) -> str:
    if not experiment_id:
        return "no experiment"
    experiment = ruleset.experiments_by_id.get(experiment_id)
    return f"experiment '{experiment.key}'" if experiment else f"experiment {experiment_id}"


def _prediction_reasons(
    experiment: Experiment, user: User, about: dict[str, object]
) -> Iterator[Reason]:
    unasked = experiment.cmab is not None and experiment.cmab.attributes is None
    if unasked:
        yield Reason("prediction_failed", dict(about))
        return
    if user.predictions is None or experiment.id not in user.predictions:
        return
    prediction = user.predictions[experiment.id]
    if prediction is None:
        yield Reason("prediction_failed", dict(about))
        return
    chosen: dict[str, object] = {
        **about,
        "variation_id": prediction.variation_id,
        "cached": prediction.cached,
    }
    variation = experiment.by_id.get(prediction.variation_id)
    if variation is None:
        yield Reason("prediction_unknown", chosen)
    else:
        yield Reason("prediction", {**chosen, "variation": variation.key})


def rule_reasons(
    ruleset: Ruleset, experiment: Experiment, user: User, what: str
) -> Iterator[Reason]:
    """Say what the audience and the traffic of a rule or holdout make of a user.

    Args:
        ruleset: the compiled datafile.
        experiment: its audience and traffic.
        user: the visitor.
        what: `experiment`, `delivery rule` or `holdout`.
    """
    about: dict[str, object] = {"what": what, "rule": experiment.key}
    audience = membership_of(ruleset, experiment)
    met = audience is None or audience(user)
    yield audience_reason(ruleset, experiment, user, about, met=met)
    if met:
        bucketing_id = user.attributes.get(BUCKETING_ID)
        if isinstance(bucketing_id, str):
            yield Reason("bucketing_id_used", dict(about))
        elif bucketing_id is not None:
            yield Reason("bucketing_id_ignored", dict(about))
        yield from traffic_reasons(ruleset, experiment, user, about)
