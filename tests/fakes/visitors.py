"""Events by the hundred, for sinks that don't care what was decided."""

from __future__ import annotations

from bucketer.core.decision import Impression
from bucketer.core.events import Event
from bucketer.core.ruleset import EventType, Ruleset
from bucketer.core.user import User


def a_ruleset(revision: str = "7", region: str = "US", **changes: object) -> Ruleset:
    """A ruleset that knows one attribute and one conversion event."""
    ruleset = Ruleset(version="4", revision=revision, account_id="1", project_id="2")
    ruleset.region = region
    ruleset.attribute_ids = {"tier": "9"}
    ruleset.events = {"purchase": EventType("5", "purchase")}
    for name, value in changes.items():
        setattr(ruleset, name, value)
    return ruleset


def an_impression(**changes: object) -> Impression:
    """The impression of some experiment."""
    facts = {
        "flag_key": "",
        "rule_key": "checkout",
        "rule_type": "experiment",
        "enabled": True,
        "campaign_id": "11",
        "experiment_id": "22",
        "variation_id": "33",
        "variation_key": "blue",
    }
    return Impression(**{**facts, **changes})


def some_events(count: int, ruleset: Ruleset | None = None, first: int = 0) -> list[Event]:
    """Events of *count* users; the uuids count up from *first*, so that order can be seen."""
    ruleset = ruleset or a_ruleset()
    impression = an_impression()
    return [
        Event(
            impression,
            User(f"user-{n}", {"tier": "gold"}),
            ruleset,
            1_700_000_000_000 + n,
            f"{n:06}",
        )
        for n in range(first, first + count)
    ]
