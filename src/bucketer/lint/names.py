"""Two of one id or key, where one would be told from the other by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.core.diagnostic import Diagnostic

from .parts import DELIVERY, EXPERIMENT, HOLDOUT, rules, section

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .parts import Entity, Part

_LAST = "the last of them counts"
_SECTIONS = {
    "featureFlags": "flag",
    "groups": "group",
    "rollouts": "rollout",
    "audiences": "audience",
    "typedAudiences": "audience",
    "attributes": "attribute",
    "events": "event",
}
_RULE_KEY = "the last of them answers to the key, and the others give its variations"


def told_twice(datafile: Entity) -> Iterator[Diagnostic]:
    """Find ids and keys that two things of one kind have."""
    for name, noun in _SECTIONS.items():
        yield from _shared(section(datafile, name), noun)
    every = list(rules(datafile))
    yield from _shared([each for each in every if each.kind in {EXPERIMENT, DELIVERY}], "rule")
    yield from _shared([each for each in every if each.kind == HOLDOUT], "holdout")
    for flag in section(datafile, "featureFlags"):
        yield from _shared(flag.parts("variables"), "variable")
    for rule in every:
        yield from _shared(rule.parts("variations"), "variation")
        for variation in rule.parts("variations"):
            yield from _shared(variation.parts("variables"), "value")


def _shared(places: Iterable[Part], noun: str) -> Iterator[Diagnostic]:
    first: dict[tuple[str, str], str] = {}
    for place in places:
        for name in ("id", "key"):
            value = place.text(name)
            if value is None:
                continue
            other = first.setdefault((name, value), place.at)
            if other != place.at:
                yield Diagnostic(
                    f"{place.at}/{name}",
                    "warning",
                    f"{'an' if name == 'id' else 'a'} {name} that no other {noun} has",
                    f"the {name} of {other}",
                    _RULE_KEY if (noun, name) == ("rule", "key") else _LAST,
                )
