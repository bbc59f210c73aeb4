"""The reasons of a decision in, a tree for an experimenter out: one branch per rule looked at."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from .terminal import BAD, GOOD, NOTE, OPEN, TITLE, Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bucketer.core.reasons import Reason

#: What each code means for the user's way to a variation: it goes on here, or it ends here.
#: Codes that are in neither only tell something.
_ONWARD: Final = frozenset(
    {
        "audience_everybody",
        "audience_met",
        "bandit_in",
        "bucketed",
        "forced_decision",
        "forced_decision_rule",
        "forced_variation",
        "group_in",
        "prediction",
        "stored",
        "whitelisted",
    }
)
_ENDED: Final = frozenset(
    {
        "audience_missed",
        "bandit_out",
        "bucket_empty",
        "bucket_missed",
        "closed",
        "experiment_broken",
        "flag_broken",
        "forced_decision_unknown",
        "group_out",
        "holdout",
        "holdout_local",
        "not_running",
        "nothing",
        "prediction_failed",
        "prediction_unknown",
        "rollout_missing",
        "rule_skipped",
        "whitelist_unknown",
    }
)
_OUTCOMES: Final = {"TRUE": GOOD, "FALSE": BAD, "UNKNOWN": OPEN}


def explanation(title: str, reasons: Iterable[Reason]) -> Node:
    """The whole tree under *title*, which says what was decided."""
    branches: list[Node] = []
    for rule, group in groupby(_with_rule(reasons), key=lambda pair: pair[0]):
        about = [reason for _, reason in group]
        if rule:
            branches.append(_branch(rule, about))
        else:
            branches.extend(_node(reason) for reason in about)
    return Node(title, TITLE, tuple(branches))


def _branch(rule: str, about: list[Reason]) -> Node:
    """All that was found at one rule."""
    what = str(next((each.values["what"] for each in about if "what" in each.values), "rule"))
    is_holdout = what.lower() == "holdout"
    return Node(
        f"{what.capitalize()} {rule}", TITLE, tuple(_node(each, is_holdout) for each in about)
    )


def _with_rule(reasons: Iterable[Reason]) -> Iterator[tuple[str, Reason]]:
    """Each reason with the rule it is about; one that names none belongs to the rule before it."""
    rule = ""
    for reason in reasons:
        if "flag" in reason.values and "rule" not in reason.values:
            rule = ""
        rule = str(reason.values.get("rule", rule))
        yield rule, reason


def _node(reason: Reason, is_holdout: bool = False) -> Node:
    """One reason, and below it the conditions it looked at.

    At a holdout nothing but being held is bad news, so the rest is only told.
    """
    text = reason.message
    if reason.code == "condition":
        text = f"{text.removesuffix('.')}: the user has {_held(reason.values.get('user_value'))}."
    tone = NOTE if is_holdout and reason.code != "holdout" else _tone(reason)
    return Node(text, tone, tuple(_node(child) for child in reason.children))


def _held(value: object) -> str:
    import json

    return "none" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _tone(reason: Reason) -> str:
    outcome = reason.values.get("outcome")
    if isinstance(outcome, str):
        return _OUTCOMES.get(outcome, NOTE)
    if reason.code in _ONWARD:
        return GOOD
    return BAD if reason.code in _ENDED else NOTE
