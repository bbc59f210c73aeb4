"""What the server says at its start: which datafile it serves, and a URL to click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.api.local import is_loopback_address
from bucketer.api.service.index import delivery_keys, example_of

if TYPE_CHECKING:
    from bucketer.core.ruleset import Ruleset
    from bucketer.runtime.edition import Edition


def open_to_others(address: str, *, keyed: bool) -> str:
    """Return what is said where whoever reaches this machine may ask; "" where that isn't so.

    Args:
        address: that is listened on, as a socket has it.
        keyed: whoever asks has to show a key or a token.
    """
    if keyed or is_loopback_address(address) or address == "::ffff:127.0.0.1":
        return ""
    told = "`bucketer keys create` makes a key, and docs/access.md says how it is asked for"
    return f"access is open: whoever reaches {address} may ask; {told}"


def first_lines(edition: Edition | None, address: str) -> list[str]:
    """Return the two lines for the terminal. The first ends with the only URL, to be clicked.

    Args:
        edition: what is served, or None while there is nothing.
        address: ``http://host:port``.
    """
    if edition is None:
        return [
            f"Bucketer has no datafile yet; its health is at {address}/health",
            "It answers 503 until it has one, and goes on trying.",
        ]
    ruleset = edition.ruleset
    if edition.source == "demonstration":
        what = "its demonstration datafile (DATAFILE_URL names yours)"
    else:
        what = f"the datafile from {edition.where}"
    return [
        f"Bucketer serves {what} at {address}{example_of(edition)}",
        f"Revision {ruleset.revision}: {_contents(ruleset)}.",
    ]


def _contents(ruleset: Ruleset) -> str:
    deliveries = ruleset.experiments.keys() & delivery_keys(ruleset)
    counts = (
        (len(ruleset.flags), "flag"),
        (len(ruleset.experiments) - len(deliveries), "experiment"),
        (len(deliveries), "delivery rule"),
    )
    flags, experiments, rules = (f"{count} {noun}{'s' * (count != 1)}" for count, noun in counts)
    return f"{flags}, {experiments}, {rules}"
