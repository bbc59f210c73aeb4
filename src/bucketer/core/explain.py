"""The parts of an explanation that a decision doesn't need for itself: status, conditions, buckets.

Imported only when someone asks why.
"""

from __future__ import annotations

from .assign import membership_of
from .bucketing import TOTAL_TRAFFIC, bucket_of, hash_of
from .explain_audience import audience_reason
from .reasons import Reason, bucket_reason
from .user import BUCKETING_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .ruleset import Experiment, Ruleset
    from .user import User


def status_reason(experiment: Experiment) -> Reason:
    """Say whether an experiment runs, by the status that the datafile gives it."""
    about: dict[str, object] = {"what": "experiment", "rule": experiment.key}
    if experiment.broken is not None:
        return Reason("experiment_broken", {**about, "pointer": experiment.broken})
    code = "running" if experiment.running else "not_running"
    return Reason(code, {**about, "status": experiment.status})


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
    ruleset: Ruleset, experiment: Experiment, user: User, what: str, room: int
) -> Iterator[Reason]:
    """Say what the audience and the traffic of a rule or holdout make of a user.

    Args:
        ruleset: the compiled datafile.
        experiment: its audience and traffic.
        user: the visitor.
        what: `experiment`, `delivery rule` or `holdout`.
        room: how many audiences and conditions may be told of.
    """
    about: dict[str, object] = {"what": what, "rule": experiment.key}
    audience = membership_of(ruleset, experiment)
    met = audience is None or audience(user)
    yield audience_reason(ruleset, experiment, user, about, met=met, room=room)
    if met:
        bucketing_id = user.attributes.get(BUCKETING_ID)
        if isinstance(bucketing_id, str):
            yield Reason("bucketing_id_used", dict(about))
        elif bucketing_id is not None:
            yield Reason("bucketing_id_ignored", dict(about))
        yield from traffic_reasons(ruleset, experiment, user, about)
