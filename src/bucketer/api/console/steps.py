"""How a decision came about, rule by rule: what was looked at, what each found, and what decided.

Rules behind the one that decided are told as well, as if they had been asked.
"""

from __future__ import annotations

from bucketer.core.bucketing import TOTAL_TRAFFIC, bucket_of, hash_of
from bucketer.core.decision import HOLDOUT as BY_HOLDOUT
from bucketer.core.decision import ROLLOUT
from bucketer.core.explain import rule_reasons
from bucketer.core.mentions import DELIVERY, EXPERIMENT, HOLDOUT, Looked, looked_at
from bucketer.core.user import BUCKETING_ID

from .rules import group_ranges, traffic_json
from .trees import EVERYBODY, sentence_of, tree_of_reason, tree_of_rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bucketer.core.decision import Decision
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Experiment, Flag, Ruleset
    from bucketer.core.user import User

DECIDES, PASSED, NOT_REACHED = "decides", "passed over", "not reached"
#: So many audiences and conditions are told of all steps together; each has room for a few.
_TOLD, _TOLD_AT_LEAST = 1_000, 20
#: What is no reason why a rule gave nothing.
_ASIDE = frozenset({"everyone_else", "running", "holdout_spares_deliveries"})
_STATUS = frozenset({"running", "not_running", "experiment_broken"})
#: Codes of what puts a user into a variation without bucketing.
_GIVEN = {
    "whitelisted": "whitelisted",
    "stored": "stored",
    "forced_variation": "forced",
    "forced_decision_rule": "forced",
}


class Step:
    """One place that was, or would have been, looked at.

    Attributes:
        looked: the rule or holdout.
        block: which rule of the flag it belongs to: its local holdouts stand before it.
        reasons: what the decision found there; empty where it did not come so far.
        result: DECIDES, PASSED or NOT_REACHED.
    """

    __slots__ = ("block", "looked", "reasons", "result")

    def __init__(self, looked: Looked, block: int) -> None:
        self.looked, self.block = looked, block
        self.reasons: list[Reason] = []
        self.result = NOT_REACHED


def steps_of_flag(
    ruleset: Ruleset, flag: Flag, decision: Decision, trace: Sequence[Reason]
) -> list[Step]:
    """The steps of a flag's decision, with the reasons of *trace* where they belong."""
    steps, block = [], 0
    for looked in looked_at(ruleset, flag):
        steps.append(Step(looked, block))
        block += looked.what != HOLDOUT
    return _settled(steps, decision, trace)


def steps_of_experiment(
    experiment: Experiment, decision: Decision, trace: Sequence[Reason]
) -> list[Step]:
    """The one step of an experiment that is asked for by its key."""
    return _settled([Step(Looked(EXPERIMENT, experiment), 0)], decision, trace)


def _settled(steps: list[Step], decision: Decision, trace: Iterable[Reason]) -> list[Step]:
    """Put the reasons where they belong, and say what decided."""
    block = 0
    for reasons in _apart(trace):
        step = _find(steps, reasons, block)
        if step is not None:
            block = step.block
            step.reasons += reasons
            step.result = PASSED
        if reasons[-1].code == "everyone_else":
            block = steps[-1].block
    if decision.variation_key is not None:
        source = decision.source
        what = HOLDOUT if source == BY_HOLDOUT else DELIVERY if source == ROLLOUT else EXPERIMENT
        for step in reversed(steps):
            looked = step.looked
            if (looked.what, looked.key) == (what, decision.rule_key) and step.reasons:
                step.result = DECIDES
                break
    return steps


def _apart(trace: Iterable[Reason]) -> Iterator[list[Reason]]:
    """The reasons of each rule by themselves; two of one key begin with the same once more."""
    group: list[Reason] = []
    for reason in trace:
        again = _head(reason) and any(_head(each) == _head(reason) for each in group)
        if group and (again or _place(group[0]) != _place(reason)):
            yield group
            group = []
        group.append(reason)
    if group:
        yield group


def _place(reason: Reason) -> tuple[object, object]:
    return reason.values.get("what"), reason.values.get("rule")


def _head(reason: Reason) -> str:
    """What of a rule is told once, at its beginning: its status, its audience."""
    if reason.code in _STATUS:
        return "status"
    return "audience" if _is_audience(reason) else ""


def _is_audience(reason: Reason) -> bool:
    return reason.code.startswith("audience_")


def _find(steps: list[Step], reasons: list[Reason], block: int) -> Step | None:
    """The step that *reasons* are about, from a block on, which has none of their kind yet.

    What audience and traffic make of a user is told by the key of the entity that buckets, which
    may have taken the id of the rule's own.
    """
    what, key = _place(reasons[0])
    heads = {_head(each) for each in reasons} - {""}
    for step in steps:
        looked = step.looked
        if step.block < block or looked.what != what:
            continue
        if heads and any(_head(each) for each in step.reasons):
            continue
        if key == (looked.experiment.key if heads else looked.key):
            return step
    return None


# --- as data --------------------------------------------------------------------------------------


def steps_json(ruleset: Ruleset, steps: list[Step], user: User) -> list[dict[str, object]]:
    """All steps for a picture."""
    room = max(_TOLD // max(len(steps), 1), _TOLD_AT_LEAST)
    last = next((each for each in reversed(steps) if each.looked.what == DELIVERY), None)
    return [_step(ruleset, each, user, room, last=each is last) for each in steps]


def _step(ruleset: Ruleset, step: Step, user: User, room: int, *, last: bool) -> dict[str, object]:
    looked, experiment = step.looked, step.looked.experiment
    found = step.reasons
    audience = next(filter(_is_audience, found), None)
    if audience is None and experiment.broken is None:
        would = rule_reasons(ruleset, experiment, user, looked.what, room)
        audience = next(filter(_is_audience, would), None)
    variation = next(
        (each.values["variation"] for each in reversed(found) if "variation" in each.values), None
    )
    told: dict[str, object] = {
        "what": looked.what,
        "key": looked.key,
        "status": None if looked.what == DELIVERY else experiment.status,
        "everyone_else": last,
        "result": step.result,
        "text": text_of(step),
        "variation": variation if step.result == DECIDES else None,
        "reasons": [{"code": each.code, "message": each.message} for each in found],
        "audience": _audience(ruleset, experiment, audience),
        "traffic": _traffic(experiment, user),
        "group": _group(ruleset, experiment, user),
        "whitelisted": None,
        "stored": None,
        "forced": None,
        "holdout": next(
            (each.values["holdout"] for each in found if each.code == "holdout_local"), None
        ),
        "bandit": None if experiment.cmab is None else "not asked here",
    }
    for each in found:
        if each.code in _GIVEN:
            told[_GIVEN[each.code]] = each.values["variation"]
    return told


def text_of(step: Step) -> str:
    """What became of a step, in a few words."""
    if step.result == NOT_REACHED:
        return "not reached"
    telling = [each for each in step.reasons if each.code not in _ASIDE]
    return telling[-1].sentence() if telling else ""


def _audience(ruleset: Ruleset, experiment: Experiment, reason: Reason | None) -> dict[str, object]:
    if reason is None:
        return {"everybody": False, "outcome": "UNKNOWN", "tree": None, "sentence": ""}
    everybody = reason.code == "audience_everybody"
    outcome = "FALSE" if reason.code == "audience_missed" else "TRUE"
    words = EVERYBODY if everybody else sentence_of(tree_of_rule(ruleset, experiment.audience_tree))
    tree = tree_of_reason(reason)
    # Being left out is how an audience misses a user of whom too little is known.
    if outcome == "FALSE" and tree is not None and tree.get("outcome") == "UNKNOWN":
        outcome = "UNKNOWN"
    return {"everybody": everybody, "outcome": outcome, "tree": tree, "sentence": words}


def _traffic(experiment: Experiment, user: User) -> dict[str, object]:
    told = traffic_json(experiment)
    allocation = experiment.allocation
    told |= {"bucket": None, "hit": None, "bucketed_by": "user"}
    if isinstance(user.attributes.get(BUCKETING_ID), str):
        told["bucketed_by"] = BUCKETING_ID
    if allocation is not None and told["closed"] is None:
        hashed = hash_of(user.hash_prefix, experiment.id_bytes)
        part = allocation.part(hashed)
        told["bucket"] = bucket_of(hashed)
        told["hit"] = part if part < len(allocation.ranges) else None
    return told


def _group(ruleset: Ruleset, experiment: Experiment, user: User) -> dict[str, object] | None:
    group = experiment.group
    if group is None:
        return None
    hashed = hash_of(user.hash_prefix, group.id_bytes)
    part = group.allocation.part(hashed)
    ranges = group_ranges(ruleset, group.allocation)
    owner = group.allocation.entity_id(hashed)
    return {
        "id": group.id,
        "of": TOTAL_TRAFFIC,
        "bucket": bucket_of(hashed),
        "mine": bool(owner) and owner == experiment.id,
        "ranges": ranges,
        "hit": part if part < len(ranges) else None,
    }
