"""`POST split`: how a crowd of visitors is shared out, beside the shares that traffic says."""

from __future__ import annotations

from collections import Counter
from json import dumps

from bucketer.core.decision import HOLDOUT as BY_HOLDOUT
from bucketer.core.decision import ROLLOUT
from bucketer.core.errors import InvalidRequest
from bucketer.core.mentions import DELIVERY, EXPERIMENT, HOLDOUT
from bucketer.core.shares import NOTHING, expected_of_experiment, expected_of_flag

from .asked import needed_subject, text_of
from .crowd import MISSING, Crowd
from .tryout import decide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from bucketer.core.decision import Decision
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.shares import Arm

    from .asked import Subject

#: What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def split_of(fields: Mapping[str, Any], ruleset: Ruleset) -> dict[str, object] | str:
    """Decide for a crowd: counts and shares, or a table of all as CSV.

    Raises:
        InvalidRequest: the question can't be understood.
        UnknownFlag, UnknownExperiment: nothing has that key.
    """
    subject = needed_subject(fields)
    subject.check(ruleset)
    form = text_of(fields, "format") or "json"
    if form not in {"json", "csv"}:
        raise InvalidRequest("Field 'format' is json or csv.", field="format")
    crowd = Crowd(fields, ruleset, subject)
    if form == "csv":
        return _table(ruleset, subject, crowd)
    return _counted(ruleset, subject, crowd)


def arm_of(decision: Decision) -> Arm:
    """What gave the variation, and which."""
    if decision.variation_key is None:
        return NOTHING
    source = decision.source
    what = HOLDOUT if source == BY_HOLDOUT else DELIVERY if source == ROLLOUT else EXPERIMENT
    return what, decision.rule_key, decision.variation_key, decision.enabled


def arm_json(arm: Arm) -> dict[str, object]:
    """An arm, as the console tells it."""
    what, rule, variation, enabled = arm
    return {"variation": variation, "rule": rule, "what": what, "enabled": enabled}


def _counted(ruleset: Ruleset, subject: Subject, crowd: Crowd) -> dict[str, object]:
    counts: list[Counter[Arm]] = [Counter() for _ in crowd.values]
    for user, which in crowd:
        counts[which][arm_of(decide(ruleset, subject, user))] += 1
    expected = [_expected(ruleset, subject, crowd, which) for which in range(len(crowd.values))]
    sizes = [sum(each.values()) for each in counts]
    total: Counter[Arm] = sum(counts, Counter())
    arms = _order(total, expected)
    whole = _mean(expected, sizes)
    return {
        "kind": subject.kind,
        "key": subject.key,
        "revision": ruleset.revision,
        "visitors": len(crowd.ids),
        "asked": crowd.asked,
        "by": crowd.by or None,
        "arms": _arms(arms, total, whole),
        "groups": [
            {
                "value": None if value is MISSING else value,
                "missing": value is MISSING,
                "visitors": sizes[which],
                "arms": _arms(arms, counts[which], expected[which]),
            }
            for which, value in enumerate(crowd.values)
        ]
        if crowd.by
        else None,
    }


def _expected(
    ruleset: Ruleset, subject: Subject, crowd: Crowd, which: int
) -> dict[Arm, float] | None:
    user = crowd.like(which)
    if subject.kind == "flag":
        return expected_of_flag(ruleset, ruleset.flags[subject.key], user)
    return expected_of_experiment(ruleset, ruleset.experiments[subject.key], user)


def _mean(expected: list[dict[Arm, float] | None], sizes: list[int]) -> dict[Arm, float] | None:
    total = sum(sizes)
    mean: dict[Arm, float] = {}
    for shares, size in zip(expected, sizes, strict=True):
        if shares is None:
            return None
        for arm, share in shares.items():
            mean[arm] = mean.get(arm, 0.0) + share * size / total
    return mean


def _order(counts: Counter[Arm], expected: list[dict[Arm, float] | None]) -> list[Arm]:
    """The arms in the order of the rules, as far as those are known; nothing comes last."""
    known = [arm for shares in expected for arm in shares or ()]
    arms = dict.fromkeys([*known, *counts])
    arms.pop(NOTHING, None)
    return [*arms, NOTHING]


def _arms(
    arms: list[Arm], counts: Counter[Arm], expected: Mapping[Arm, float] | None
) -> list[dict[str, object]]:
    total = sum(counts.values())
    return [
        {
            **arm_json(arm),
            "count": counts[arm],
            "share": round(counts[arm] / total, 6) if total else 0.0,
            "expected": None if expected is None else round(expected.get(arm, 0.0), 6),
        }
        for arm in arms
    ]


def _table(ruleset: Ruleset, subject: Subject, crowd: Crowd) -> str:
    """A row for each visitor."""
    names = ["user", *([crowd.by] if crowd.by else []), "variation", "rule", "enabled"]
    rows = [",".join(map(_cell, names))]
    values = ["" if each is MISSING else _shown(each) for each in crowd.values]
    for user, which in crowd:
        _, rule, variation, enabled = arm_of(decide(ruleset, subject, user))
        cells = [user.id, *([values[which]] if crowd.by else []), variation or "", rule or ""]
        rows.append(",".join([*map(_cell, cells), "true" if enabled else "false"]))
    return "\r\n".join(rows) + "\r\n"


def _shown(value: object) -> str:
    return value if isinstance(value, str) else dumps(value)


def _cell(text: str) -> str:
    """A cell that a spreadsheet takes for text; what it could run gets an apostrophe in front."""
    if text.startswith(_FORMULA):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"'
