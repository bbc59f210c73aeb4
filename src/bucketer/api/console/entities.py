"""One thing of a datafile in, all that the console shows of it out; and how to find it."""

from __future__ import annotations

from bucketer.core.condition_words import cut
from bucketer.core.errors import UnknownExperiment, UnknownFlag
from bucketer.core.mentions import (
    DELIVERY,
    EXPERIMENT,
    HOLDOUT,
    Looked,
    audiences_of,
    flags_of,
    looked_at,
    users_of,
)
from bucketer.core.slips import unknown

from .fields import form_of
from .refusal import Refused
from .rules import group_ranges, rule_json, share_of
from .trees import sentence_of, tree_of_audience

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.core.audience import Audience
    from bucketer.core.ruleset import Experiment, Flag, Group, Holdout, Ruleset

#: So much of a long list is told of what depends on something.
_MOST_USERS = 200


def find_flag(ruleset: Ruleset, key: str) -> Flag:
    """The flag of that key.

    Raises:
        UnknownFlag: there is none.
    """
    flag = ruleset.flags.get(key)
    if flag is None:
        raise unknown(ruleset, UnknownFlag, key)
    return flag


def find_experiment(ruleset: Ruleset, key: str) -> Experiment:
    """The experiment, or delivery rule, of that key.

    Raises:
        UnknownExperiment: there is none.
    """
    experiment = ruleset.experiments.get(key)
    if experiment is None:
        raise unknown(ruleset, UnknownExperiment, key)
    return experiment


def flag_status(flag: Flag) -> str:
    """`on` where some rule can turn the flag on for somebody, `off`, or `broken`."""
    if flag.broken is not None:
        return "broken"
    for looked, rules in ((EXPERIMENT, flag.experiments), (DELIVERY, flag.rollout)):
        for rule in rules:
            experiment = rule.experiment
            if looked == EXPERIMENT and not experiment.running:
                continue
            if share_of(experiment) and any(
                each is not None and each.feature_enabled for each in experiment.variations
            ):
                return "on"
            if experiment.cmab is not None and share_of(experiment):
                return "on"
    return "off"


def flag_json(ruleset: Ruleset, key: str) -> dict[str, object]:
    """A flag with its rules, variables and the form for its visitors."""
    flag = find_flag(ruleset, key)
    looked = looked_at(ruleset, flag)
    last = flag.rollout[-1] if flag.rollout else None
    return {
        "kind": "flag",
        "key": key,
        "status": flag_status(flag),
        "broken": flag.broken,
        "variables": [
            {"key": each.key, "type": each.kind, "default": flag.defaults.get(each.key)}
            for each in flag.variables.values()
        ],
        "rules": [
            rule_json(ruleset, each, flag, last=each.rule is last)
            for each in looked
            if each.what != HOLDOUT
        ],
        "holdouts": [
            rule_json(ruleset, Looked(HOLDOUT, each.experiment)) for each in ruleset.holdouts
        ],
        "rollout_missing": flag.rollout_missing,
        **form_of(ruleset, audiences_of(ruleset, [each.experiment for each in looked])),
    }


def experiment_json(ruleset: Ruleset, key: str) -> dict[str, object]:
    """An experiment with the flags that use it, and the form for its visitors."""
    experiment = find_experiment(ruleset, key)
    return {
        "kind": "experiment",
        **rule_json(ruleset, Looked(EXPERIMENT, experiment)),
        "flags": list(flags_of(ruleset).get(experiment.id, ())),
        **form_of(ruleset, audiences_of(ruleset, [experiment])),
    }


def audience_json(ruleset: Ruleset, id_: str) -> dict[str, object]:
    """An audience with its conditions, and who asks for it."""
    audience = ruleset.audiences.get(id_)
    if audience is None:
        raise Refused(404, "unknown_audience", f"No audience has the id '{cut(id_)}'.")
    used_by = [
        {"kind": looked.what, "key": looked.key, "flag": flag or None}
        for looked, flag in users_of(id_, ruleset)
    ]
    return {
        "kind": "audience",
        "id": audience.id,
        "name": audience.name,
        "sentence": audience_sentence(audience),
        "tree": tree_of_audience(audience),
        "conditions": audience.leaves,
        "used_by": used_by[:_MOST_USERS],
        "used_by_total": len(used_by),
        **form_of(ruleset, [audience]),
    }


def audience_sentence(audience: Audience) -> str:
    """What an audience asks for, in a sentence."""
    return sentence_of(tree_of_audience(audience), inside=True)


def groups_of(ruleset: Ruleset) -> dict[str, tuple[Group, list[Experiment]]]:
    """The groups whose experiments exclude one another, by id, each with those experiments."""
    found: dict[str, tuple[Group, list[Experiment]]] = {}
    for experiment in ruleset.experiments_by_id.values():
        group = experiment.group
        if group is not None:
            found.setdefault(group.id, (group, []))[1].append(experiment)
    return found


def group_entity(ruleset: Ruleset, id_: str) -> dict[str, object]:
    """A group with its experiments."""
    found = groups_of(ruleset).get(id_)
    if found is None:
        raise Refused(404, "unknown_group", f"No group has the id '{cut(id_)}'.")
    group, members = found
    ranges = group_ranges(ruleset, group.allocation)
    return {
        "kind": "group",
        "id": group.id,
        "policy": group.policy,
        "ranges": ranges,
        "experiments": [
            {
                "key": each.key,
                "status": each.status,
                "share": round(
                    sum(
                        end - start
                        for owner, start, end in group.allocation.ranges
                        if owner == each.id
                    )
                    / 10_000,
                    6,
                ),
            }
            for each in members
        ],
    }


def holdouts_of(ruleset: Ruleset) -> dict[str, tuple[Holdout, list[tuple[str, str]] | None]]:
    """The running holdouts by key; local ones with the flags and rules that they hold out of."""
    found: dict[str, tuple[Holdout, list[tuple[str, str]] | None]] = {
        each.experiment.key: (each, None) for each in ruleset.holdouts
    }
    for key, flag in ruleset.flags.items():
        for rule in (*flag.experiments, *flag.rollout):
            for each in rule.holdouts:
                _, rules = found.setdefault(each.experiment.key, (each, []))
                if rules is not None:
                    rules.append((key, rule.key))
    return found


def holdout_json(ruleset: Ruleset, key: str) -> dict[str, object]:
    """A holdout, and what it holds users out of."""
    found = holdouts_of(ruleset).get(key)
    if found is None:
        message = f"No running holdout has the key '{cut(key)}'."
        raise Refused(404, "unknown_holdout", message)
    holdout, rules = found
    experiment = holdout.experiment
    shown = None if rules is None else rules[:_MOST_USERS]
    return {
        "kind": "holdout",
        **rule_json(ruleset, Looked(HOLDOUT, experiment)),
        "spares_deliveries": holdout.excludes_targeted_deliveries,
        "rules": shown if shown is None else [{"flag": flag, "rule": rule} for flag, rule in shown],
        **form_of(ruleset, audiences_of(ruleset, [experiment])),
    }
