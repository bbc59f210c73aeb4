"""`POST try`: what one visitor gets, and why; nothing is sent, and nothing kept."""

from __future__ import annotations

from bucketer.api.json_text import to_json
from bucketer.core import decide as core
from bucketer.core.bandit import PredictionNeeded
from bucketer.core.change import FORCED, STORED
from bucketer.core.change_words import asked_as, changes_json
from bucketer.core.condition_words import cut
from bucketer.core.counterfactuals import counterfactuals
from bucketer.core.slips import hint_of, unknown_attributes

from .asked import needed_subject, switch_in, user_of
from .snippets import requests_of
from .steps import DECIDES, Step, steps_json, steps_of_experiment, steps_of_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from bucketer.core.change import Change
    from bucketer.core.decision import Decision
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import User

    from .asked import Subject

#: Attributes of more JSON than so many characters are not repeated with each change.
_MOST_REPEATED = 8_000
#: Why a rule gave its variation: those of its reasons that say so.
_BECAUSE = frozenset(
    {
        "audience_everybody",
        "audience_met",
        "bucketed",
        "forced_decision_rule",
        "forced_variation",
        "group_in",
        "stored",
        "whitelisted",
    }
)


def try_json(
    fields: Mapping[str, Any],
    ruleset: Ruleset,
    environment: str,
    profile: Mapping[str, str] | None,
) -> dict[str, object]:
    """Decide for one visitor.

    Args:
        fields: the body of the request.
        ruleset: what decides.
        environment: its name, as it was given.
        profile: the visitor's stored variations, or None where they don't count.

    Raises:
        InvalidRequest: the question can't be understood.
        UnknownFlag, UnknownExperiment: nothing has that key.
    """
    subject = needed_subject(fields)
    subject.check(ruleset)
    user = user_of(fields, ruleset)
    if profile is not None:
        user = user.knowing(profile=profile)
    trace: list[Reason] = []
    decision = decide(ruleset, subject, user, trace)
    steps = _steps(ruleset, subject, decision, trace)
    slips = unknown_attributes(ruleset, user.attributes)
    told: dict[str, object] = {
        "kind": subject.kind,
        "key": subject.key,
        "environment": environment,
        "revision": ruleset.revision,
        "user": user.id,
        "decision": decision_json(decision),
        "sentence": _sentence(decision, subject, user, steps, trace),
        "reasons": [
            {"code": each.code, "message": each.message}
            for each in trace
            if "rule" not in each.values
        ],
        "steps": steps_json(ruleset, steps, user),
        "hints": [hint_of(name, meant) for name, meant in slips.items()],
        "requests": requests_of(subject, user.id, user.attributes, environment),
    }
    if switch_in(fields, "changes", usual=True):
        told["changes"] = _changes(ruleset, subject, user)
    return told


def _changes(ruleset: Ruleset, subject: Subject, user: User) -> dict[str, object]:
    """What would have to change, and whom to try for it."""
    if subject.kind == "flag":
        found = counterfactuals(ruleset, user, flag_key=subject.key)
    else:
        found = counterfactuals(ruleset, user, experiment_key=subject.key)
    told = changes_json(found)
    # Each repeats the attributes.
    is_short = len(to_json(dict(user.attributes))) <= _MOST_REPEATED
    items: list[dict[str, object]] = told["items"]  # type: ignore[assignment]  # as it makes them
    for item, change in zip(items, found.items, strict=False):
        item["try"] = _trial(change, user) if is_short else None
    return told


def _trial(change: Change, user: User) -> dict[str, object] | None:
    """Whom to ask for, as the body of another `try` has it."""
    if change.user is None:
        return None
    trial = asked_as(change.user)
    if change.kind == STORED:
        trial["profile"] = False
    if change.kind != FORCED:
        trial |= _forced(user)
    return trial


def _forced(user: User) -> dict[str, object]:
    flags = {key: each for (key, _), each in (user.forced_decisions or {}).items()}
    forced = {**flags, **(user.forced_variations or {})}
    return {"forced": forced} if forced else {}


def decide(
    ruleset: Ruleset, subject: Subject, user: User, trace: list[Reason] | None = None
) -> Decision:
    """Decide; a contextual bandit is not asked, and counts as one that could not be."""
    for _ in range(1 + len(ruleset.experiments_by_id)):
        try:
            if subject.kind == "flag":
                return core.decide(ruleset, subject.key, user, core.NO_OPTIONS, trace)
            return core.activate(ruleset, subject.key, user, trace)
        except PredictionNeeded as needed:
            user = user.knowing(predictions={**(user.predictions or {}), needed.rule_id: None})
            if trace is not None:
                trace.clear()
    raise AssertionError(subject.key)  # each rule asks once


def decision_json(decision: Decision) -> dict[str, object]:
    """A decision, as the console tells it."""
    return {
        "variation": decision.variation_key,
        "enabled": decision.enabled,
        "variables": dict(decision.variables),
        "rule": decision.rule_key,
        "source": decision.source,
        "error": decision.error,
    }


def _steps(
    ruleset: Ruleset, subject: Subject, decision: Decision, trace: list[Reason]
) -> list[Step]:
    if subject.kind == "flag":
        return steps_of_flag(ruleset, ruleset.flags[subject.key], decision, trace)
    return steps_of_experiment(ruleset.experiments[subject.key], decision, trace)


def _sentence(
    decision: Decision, subject: Subject, user: User, steps: list[Step], trace: list[Reason]
) -> str:
    """The answer in words, with what it hangs on."""
    who = cut(user.id) or "The user without an id"
    step = next((each for each in steps if each.result == DECIDES), None)
    if decision.variation_key is None:
        told = [each for each in trace if each.code not in {"running", "everyone_else"}]
        why = told[-1].message if told else f"{subject.kind} {cut(subject.key)} gives none."
        if decision.error:
            why = decision.error
        return f"{who} gets no variation: {_small(why)}"
    gets = f"{who} gets {cut(decision.variation_key)}"
    if step is None:  # the caller forces it, for the whole flag
        return f"{gets}: {_small(trace[0].message)}" if trace else f"{gets}."
    because = [each for each in step.reasons if each.code in _BECAUSE]
    why = ", and ".join(_small(each.sentence()).removesuffix(".") for each in because)
    return f"{gets} from {step.looked.what} {cut(step.looked.key)}" + (f": {why}." if why else ".")


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
