"""What the server says at its start: which datafile it serves, and a URL to click."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from bucketer.core.ruleset import Ruleset
    from bucketer.runtime import Edition


def first_lines(edition: Edition | None, address: str) -> list[str]:
    """Return the lines for the terminal.

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
        what = "its demonstration datafile (DATAFILE_URL is not set)"
    else:
        what = f"the datafile from {edition.where}"
    sizes = f"revision {ruleset.revision}, {_count(ruleset)}"
    return [f"Bucketer serves {what}, {sizes}.", f"Try it: {address}{example(ruleset)}"]


def example(ruleset: Ruleset) -> str:
    """Return path and query of a request that *ruleset* has an answer to."""
    if ruleset.experiments:
        return f"/bucketer?e={quote(next(iter(ruleset.experiments)))}&u=visitor1&debug=1"
    if ruleset.flags:
        return f"/bucketer?f={quote(next(iter(ruleset.flags)))}&u=visitor1&debug=1"
    return "/health"


def _count(ruleset: Ruleset) -> str:
    flags, experiments = len(ruleset.flags), len(ruleset.experiments)
    return (
        f"{flags} flag{'s' * (flags != 1)} and {experiments} experiment{'s' * (experiments != 1)}"
    )
