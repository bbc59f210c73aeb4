"""Where things stand in a datafile: its parts, with JSON pointers, whatever their shape."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bucketer.core.trees import MAX_DEPTH, OPERATORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Entity = dict[str, Any]

EXPERIMENT, DELIVERY, HOLDOUT = "experiment", "delivery rule", "holdout"
#: So much is shown of a word of the datafile.
_SHOWN: Final = 40


class Part(NamedTuple):
    """One object of a datafile.

    Attributes:
        at: its JSON pointer.
        kind: of a rule EXPERIMENT, DELIVERY or HOLDOUT; else the name of its section.
        group: of an experiment in a group, that group.
    """

    at: str
    raw: Entity
    kind: str
    group: Entity | None = None

    def text(self, name: str) -> str | None:
        """The field *name*, where it is a string."""
        value = self.raw.get(name)
        return value if isinstance(value, str) else None

    def parts(self, name: str, kind: str | None = None) -> Iterator[Part]:
        """The objects in the list *name*."""
        for index, each in enumerate(list_of(self.raw, name)):
            if isinstance(each, dict):
                yield Part(f"{self.at}/{name}/{index}", each, kind or name)


def list_of(raw: Mapping[str, Any], name: str) -> list[Any]:
    """The list *name*; an empty one for anything else."""
    found = raw.get(name)
    return found if isinstance(found, list) else []


def section(datafile: Entity, name: str) -> list[Part]:
    """The objects of a section."""
    return list(Part("", datafile, "").parts(name))


def rules(datafile: Entity) -> Iterator[Part]:
    """Every experiment, delivery rule and holdout, in the order in which they are read."""
    yield from Part("", datafile, "").parts("experiments", EXPERIMENT)
    for rollout in section(datafile, "rollouts"):
        yield from rollout.parts("experiments", DELIVERY)
    for group in section(datafile, "groups"):
        for each in group.parts("experiments", EXPERIMENT):
            yield each._replace(group=group.raw)
    for name in ("holdouts", "localHoldouts"):
        yield from Part("", datafile, "").parts(name, HOLDOUT)


def audience_tree(rule: Entity) -> Any:
    """Who qualifies: `audienceConditions` unless null or absent, else `audienceIds`."""
    conditions = rule.get("audienceConditions")
    return rule.get("audienceIds") if conditions is None else conditions


def leaves(tree: Any, at: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """What stands in a tree of operators, each with its pointer; no deeper than it counts."""
    if not isinstance(tree, list):
        yield at, tree
    elif depth < MAX_DEPTH:
        for index, each in enumerate(tree):
            if index or not (isinstance(each, str) and each in OPERATORS):
                yield from leaves(each, f"{at}/{index}", depth + 1)


def audiences(datafile: Entity) -> dict[str, Part]:
    """Audiences by id; a typed one stands in front of its untyped twin."""
    typed, untyped = (section(datafile, name) for name in ("typedAudiences", "audiences"))
    return {id_: each for each in (*untyped, *typed) if (id_ := each.text("id")) is not None}


def conditions(audience: Part) -> Iterator[tuple[str, Entity]]:
    """The conditions of an audience, also where they are JSON in a string."""
    tree = audience.raw.get("conditions")
    if audience.kind == "audiences" and isinstance(tree, str):
        try:
            tree = json.loads(tree)
        except (ValueError, RecursionError):
            return
    for where, each in leaves(tree):
        if isinstance(each, dict):
            yield f"{audience.at}/conditions{where}", each


def shown(word: object) -> str:
    """A word of the datafile as JSON, cut."""
    text = json.dumps(word, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}\N{HORIZONTAL ELLIPSIS}"
