"""Writing reasons into a trace, for whom asks why; all of it is loaded only then."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .reasons import Reason
    from .ruleset import Experiment, Rule, Ruleset
    from .user import User


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

    trace.extend(rule_reasons(ruleset, experiment, user, what))
