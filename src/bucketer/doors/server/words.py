"""What the server says at its start: which datafile it serves, and a URL to click."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from bucketer.core.ruleset import Ruleset
    from bucketer.runtime import Edition

#: A visitor of the demonstration who qualifies, and gets one_step_checkout.
_DEMONSTRATION: Final = (
    "/bucketer?e=checkout_flow_experiment&u=cooper34523569"
    "&a=tier:platinum,member_since_days:56&debug=1"
)


def first_lines(edition: Edition | None, address: str) -> list[str]:
    """Return the two lines for the terminal. The first ends with a URL to click, if there is one.

    Args:
        edition: what is served, or None while there is nothing.
        address: ``http://host:port``.
    """
    if edition is None:
        return [
            f"Bucketer at {address} has no datafile yet: it answers 503 and goes on trying.",
            f"Its health: {address}/health",
        ]
    ruleset = edition.ruleset
    if edition.source == "demonstration":
        what, example = "its demonstration datafile (DATAFILE_URL is not set)", _DEMONSTRATION
    else:
        what, example = f"the datafile from {edition.where}", example_of(ruleset)
    return [
        f"Bucketer serves {what} at {address}{example}",
        f"Revision {ruleset.revision}: {_contents(ruleset)}.",
    ]


def example_of(ruleset: Ruleset) -> str:
    """Return path and query of a request that *ruleset* has an answer to.

    An experiment that runs, if there is one, for it can be asked by its key; else a flag; else a
    rule of whatever kind.
    """
    deliveries = _delivery_keys(ruleset)
    real = [each for each in ruleset.experiments.values() if each.key not in deliveries]
    running = [each.key for each in real if each.running and each.broken is None]
    for name, keys in (("e", running), ("f", ruleset.flags), ("e", ruleset.experiments)):
        for key in keys:
            return f"/bucketer?{name}={quote(key, safe='')}&u=visitor1&debug=1"
    return "/health"


def _delivery_keys(ruleset: Ruleset) -> set[str]:
    return {rule.key for flag in ruleset.flags.values() for rule in flag.rollout}


def _contents(ruleset: Ruleset) -> str:
    deliveries = ruleset.experiments.keys() & _delivery_keys(ruleset)
    counts = (
        (len(ruleset.flags), "flag"),
        (len(ruleset.experiments) - len(deliveries), "experiment"),
        (len(deliveries), "delivery rule"),
    )
    flags, experiments, rules = (f"{count} {noun}{'s' * (count != 1)}" for count, noun in counts)
    return f"{flags}, {experiments}, {rules}"
