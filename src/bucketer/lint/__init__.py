"""A datafile in, what is wrong, odd or idle in it out: what `bucketer lint` tells. Pure.

The compiler tells what it gave up on. The rest is only looked for here, when somebody asks:
loading a datafile must not get slower by it, and Lambda doesn't import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bucketer.core.compile import compile_datafile

from . import delivery, names, people
from .telling import heading_of, merged

if TYPE_CHECKING:
    from bucketer.core.diagnostic import Diagnostic
    from bucketer.core.parse import Datafile
    from bucketer.core.ruleset import Ruleset


class Finding(NamedTuple):
    """One diagnostic, and what it is about: ``flag checkout``, ``audience Gold``, ``the datafile``.

    The severity is `error`, `warning`, or `note` for what is allowed and perhaps not meant.
    """

    about: str
    diagnostic: Diagnostic


def lint(datafile: Datafile) -> tuple[Ruleset, list[Finding]]:
    """Compile what `parse_datafile` returned, and look at it from all sides.

    Returns:
        The ruleset, and the findings: those of one thing together, of flags first, in their order.
    """
    ruleset = compile_datafile(datafile)
    found = [
        *merged(ruleset.diagnostics),
        *names.told_twice(datafile),
        *delivery.idle_traffic(datafile),
        *delivery.unreachable_rules(datafile, ruleset),
        *delivery.odd_rules(datafile),
        *people.without_segments(datafile),
        *people.unused(datafile),
    ]
    heading = heading_of(datafile)
    findings = [Finding(heading(each.pointer), each) for each in found]
    flags = (f"flag {key}" for key in ruleset.flag_order)
    headings = dict.fromkeys((*flags, *(each.about for each in findings)))
    order = {about: number for number, about in enumerate(headings)}
    return ruleset, sorted(findings, key=lambda each: order[each.about])
