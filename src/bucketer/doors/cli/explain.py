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
        "bucket_unknown",
        "bucket_missed",
        "closed",
        "experiment_broken",
        "flag_broken",
        "forced_decision_unknown",
        "group_out",
        "holdout_local",
        "nothing",
        "prediction_failed",
        "prediction_unknown",
        "rollout_missing",
        "rule_skipped",
        "stored_unknown",
        "whitelist_unknown",
    }
)
_OUTCOMES: Final = {"TRUE": GOOD, "FALSE": BAD, "UNKNOWN": OPEN}


#: Operators that a NOT before them speaks for: "None of these" needs no "Any of these" below it.
_SPOKEN_FOR: Final = frozenset({"and", "or"})


def explanation(title: str, reasons: Iterable[Reason]) -> Node:
    """The tree of a flag: *title*, which says what was decided, and a branch per rule looked at."""
    branches: list[Node] = []
    for place, group in groupby(_with_rule(reasons), key=lambda pair: pair[0]):
        about = [reason for _, reason in group]
        branches += [_branch(place, about)] if place else map(_node, about)
    return Node(title, TITLE, tuple(branches))


def explanation_of_experiment(title: str, reasons: Iterable[Reason]) -> Node:
    """The tree of an experiment that was asked by its key: its one branch, with nothing above.

    *title* is for an engine whose reasons name no rule.
    """
    told = list(reasons)
    places = {place for place, _ in _with_rule(told)}
    place = places.pop() if len(places) == 1 else None
    return explanation(title, told) if place is None else _branch(place, told)


def _branch(place: tuple[str, str], about: list[Reason]) -> Node:
    """All that was found at one rule. Its status, if that was looked at, stands in the heading."""
    what, rule = place
    heading, tone = f"{what.capitalize()} {rule}", TITLE
    first = about[0]
    if first.code in {"running", "not_running"}:
        heading = f"{heading} is {first.values['status']}"
        about = about[1:]
    if first.code == "not_running":
        heading, tone = f"{heading}, not Running", BAD
    return Node(heading, tone, tuple(map(_node, about)))


def _with_rule(reasons: Iterable[Reason]) -> Iterator[tuple[tuple[str, str] | None, Reason]]:
    """Each reason with what it is about: (what, its key), or None for the flag as a whole."""
    for reason in reasons:
        rule = reason.values.get("rule")
        what = reason.values.get("what")
        yield (None if rule is None else (str(what), str(rule))), reason


def _node(reason: Reason) -> Node:
    """One reason, and below it the conditions it looked at."""
    text, below = _text(reason), _below(reason)
    if len(reason.children) == 1:
        text, below = _folded(reason, text, reason.children[0])
    return Node(text, _tone(reason), tuple(map(_node, below)))


def _text(reason: Reason) -> str:
    return reason.sentence(dash="\N{EN DASH}", arrow="\N{RIGHTWARDS ARROW}").removesuffix(".")


def _below(reason: Reason) -> tuple[Reason, ...]:
    """What stands below *reason*, without an operator that the NOT above it has spoken for."""
    below = reason.children
    if reason.values.get("operator") != "not" or len(below) != 1:
        return below
    return below[0].children if below[0].values.get("operator") in _SPOKEN_FOR else below


def _folded(reason: Reason, text: str, child: Reason) -> tuple[str, tuple[Reason, ...]]:
    """Text and children of a reason with one child that needs no line of its own."""
    outcome = reason.values.get("outcome")
    if child.code == "condition":
        condition, why = child.values["text"], child.values["why"]
        if reason.code == "audience":
            return f"{text} ({condition}; {why})", ()
        return f"Not ({condition}): {outcome} ({why})", ()
    of_these = str(child.values.get("text"))  # "All of these", before what stands below it
    if child.code == "operator" and of_these.endswith("of these"):
        if reason.code == "audience":
            told = f"Audience '{reason.values['name']}', {of_these[0].lower()}{of_these[1:]}"
            return f"{told}: {outcome}", _below(child)
        if reason.code in {"audience_met", "audience_missed"}:
            return f"{text}. {_text(child)}", _below(child)
    return text, _below(reason)


def _tone(reason: Reason) -> str:
    outcome = reason.values.get("outcome")
    if isinstance(outcome, str):
        return _OUTCOMES.get(outcome, NOTE)
    if reason.values.get("what") == "holdout":
        # Nothing at a holdout but being held is bad news; the rest is only told.
        return BAD if reason.code == "holdout" else NOTE
    if reason.code in _ONWARD:
        return GOOD
    return BAD if reason.code in _ENDED else NOTE
