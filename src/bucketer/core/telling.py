"""Writing reasons into a trace, for whom asks why; all of it is loaded only then."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .reasons import Reason
    from .ruleset import Experiment, Rule, Ruleset
    from .user import User

#: So many audiences and conditions are told of at the first rule that is looked at, half as many at
#: the second, and so on: with a thousand rules still some thousands in all.
_TOLD = 1_000
#: A rule adds about so many reasons.
_A_RULE = 3


def about(rule: Rule) -> dict[str, object]:
    """Which rule of a flag a reason is about."""
    what = "delivery rule" if rule.source == "rollout" else "experiment"
    return {"what": what, "rule": rule.key}


def about_experiment(key: str) -> dict[str, object]:
    """Which experiment a reason is about."""
    return {"what": "experiment", "rule": key}


def say(trace: list[Reason], code: str, **values: object) -> None:
    """Add a reason to the trace."""
    from .reasons import Reason  # only a caller who asks pays for the sentences

    trace.append(Reason(code, values))


def explain(
    ruleset: Ruleset, experiment: Experiment, user: User, trace: list[Reason], what: str
) -> None:
    """Add what audience and traffic make of the user."""
    from .explain import rule_reasons

    room = _TOLD // (1 + len(trace) // _A_RULE)
    trace.extend(rule_reasons(ruleset, experiment, user, what, room))
