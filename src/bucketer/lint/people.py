"""Audiences and attributes: what nobody can meet, and what nobody asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.core.diagnostic import Diagnostic

from .parts import audience_tree, audiences, conditions, leaves, list_of, rules, section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .parts import Entity

#: What Optimizely puts into every datafile for SDKs that know no typed audiences.
_DUMMY = "$opt_dummy_audience"
_RESERVED = "$opt_"


def without_segments(datafile: Entity) -> Iterator[Diagnostic]:
    """Find `qualified` conditions: a request brings no segments, so none is ever met."""
    for audience in audiences(datafile).values():
        for at, condition in conditions(audience):
            if condition.get("match") == "qualified":
                yield Diagnostic(
                    f"{at}/match",
                    "warning",
                    "a match by attributes",
                    '"qualified"',
                    "no request brings segments, so nobody meets it; only the library's "
                    "User(segments=...) can",
                )


def unused(datafile: Entity) -> Iterator[Diagnostic]:
    """Find audiences that no rule names, and attributes that no condition or bandit asks for."""
    known = audiences(datafile)
    named: set[object] = set()
    asked: set[object] = set()
    for rule in rules(datafile):
        tree = audience_tree(rule.raw)
        named.update(each for _, each in leaves(tree) if isinstance(each, str))
        cmab = rule.raw.get("cmab")
        if isinstance(cmab, dict):
            asked.update(each for each in list_of(cmab, "attributeIds") if isinstance(each, str))
    for id_, audience in known.items():
        if id_ not in named and id_ != _DUMMY:
            yield Diagnostic(
                audience.at, "note", "a rule that names it", "none", "the audience decides nothing"
            )
        asked.update(
            name for _, each in conditions(audience) if isinstance(name := each.get("name"), str)
        )
    for attribute in section(datafile, "attributes"):
        key = attribute.text("key")
        if key is None or key.startswith(_RESERVED) or {key, attribute.text("id")} & asked:
            continue
        yield Diagnostic(
            attribute.at,
            "note",
            "a condition or bandit that asks for it",
            "none",
            "the attribute decides nothing, and is only sent with events",
        )
