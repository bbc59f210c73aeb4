"""The last pass: audience and traffic of each rule, now that every map is final."""

from __future__ import annotations

from bucketer.core.assign import write_on_second_use
from bucketer.core.bucketing import Allocation
from bucketer.core.entities import Malformed, whitelist_of
from bucketer.core.trees import is_for_everybody

from .audiences import note_unknowns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bucketer.core.ruleset import Experiment

    from .draft import Draft, ReadRule

#: Why nobody can be bucketed into a member of a group that isn't there, by a bandit neither.
_NO_GROUP = "its group is not in the datafile"


def finish_rule(draft: Draft, each: ReadRule) -> None:
    """Compile audience and traffic of a rule, now that every map is final."""
    experiment, raw, at = each.experiment, each.raw, each.at
    entries = each.entries + draft.injected.get(experiment.id, [])
    if each.bandit is None:
        _put_on_line(draft, each, Allocation(entries))
    else:
        experiment.cmab, allocation = each.bandit
        _put_on_line(draft, each, allocation)
    whitelist = whitelist_of(raw)
    if whitelist:
        experiment.whitelist = {
            user_id: experiment.by_key.get(key) if isinstance(key, str) else None
            for user_id, key in whitelist.items()
        }
        _note_whitelist(draft, experiment, f"{at}/forcedVariations")
    _join_group(draft, each)
    experiment.is_plain = (
        experiment.running
        and experiment.cmab is None
        and not any(own and own.of_holdout for own in experiment.variations)
    )
    write_on_second_use(draft.ruleset, experiment)


def finish_holdout(draft: Draft, each: ReadRule) -> None:
    """The same for a holdout, which knows no bandit, no group and no whitelist."""
    _put_on_line(draft, each, Allocation(each.entries))
    write_on_second_use(draft.ruleset, each.experiment)


def _put_on_line(draft: Draft, each: ReadRule, allocation: Allocation) -> None:
    experiment = each.experiment
    experiment.allocation = allocation
    owners = [
        experiment.by_own_id.get(entity_id) if entity_id else None
        for entity_id, _, _ in allocation.ranges
    ]
    experiment.variations = (*owners, None)
    experiment.answers = [None] * len(experiment.variations)
    experiment.silent_answers = [None] * len(experiment.variations)
    if None in owners and experiment.cmab is None:
        known = experiment.by_own_id.keys()
        at = f"{each.at}/trafficAllocation"
        draft.note_strangers(each.raw["trafficAllocation"], known, at, "a variation")
    tree = experiment.audience_tree
    if not is_for_everybody(tree):
        note_unknowns(draft, tree, f"{each.at}/{_audience_field(each.raw)}")


def _note_whitelist(draft: Draft, experiment: Experiment, at: str) -> None:
    for user_id, variation in experiment.whitelist.items():
        if variation is None:
            place = user_id.replace("~", "~0").replace("/", "~1")
            finding = Malformed(f"{at}/{place}", "the key of a variation", "something else")
            draft.note(finding, "this user is decided as any other", "warning")


def _join_group(draft: Draft, each: ReadRule) -> None:
    """Only the policy `random` excludes; a rule that names a group is taken at its word."""
    experiment, raw = each.experiment, each.raw
    policy = each.group.policy if each.group else raw.get("groupPolicy")
    if policy != "random":
        return
    named = raw.get("groupId")
    group = each.group or (draft.groups.get(named) if isinstance(named, str) else None)
    if group is None:
        experiment.closed = _NO_GROUP
        experiment.allocation = None  # nor does a bandit, whom a blank key doesn't stop
    else:
        experiment.group = group


def _audience_field(raw: dict[str, Any]) -> str:
    return "audienceIds" if raw.get("audienceConditions") is None else "audienceConditions"
