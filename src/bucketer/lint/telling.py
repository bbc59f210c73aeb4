"""Diagnostics in, out the same told once, and what each is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bucketer.core.diagnostic import Diagnostic
from bucketer.core.entities import BROKEN

from .parts import Part, list_of, section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .parts import Entity

#: Pointers are looked up by their beginnings of up to so many names.
_DEEP = 8
_NOUNS = {
    "groups": ("group", "id"),
    "rollouts": ("rollout", "id"),
    "holdouts": ("holdout", "key"),
    "localHoldouts": ("local holdout", "key"),
    "audiences": ("audience", "name"),
    "typedAudiences": ("audience", "name"),
    "attributes": ("attribute", "key"),
    "events": ("event", "key"),
    "experiments": ("experiment", "key"),
}


def merged(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Tell a cause once: what only follows from it is added to its consequences."""
    told = list(diagnostics)
    causes: dict[str, Diagnostic] = {}
    consequences: dict[int, list[str]] = {}
    for each in told:
        if each.found != BROKEN:
            for beginning in _beginnings(each.pointer):
                causes.setdefault(beginning, each)
    kept = []
    for each in told:
        cause = causes.get(each.pointer) if each.found == BROKEN else None
        if cause is None:
            kept.append(each)
            consequences.setdefault(id(each), []).insert(0, each.consequence)
        else:
            consequences.setdefault(id(cause), []).append(each.consequence)
    return [
        Diagnostic(
            each.pointer,
            each.severity,
            each.expected,
            each.found,
            "; ".join(dict.fromkeys(consequences[id(each)])),
        )
        for each in kept
    ]


def _beginnings(pointer: str) -> Iterator[str]:
    names = pointer.split("/", _DEEP + 1)
    yield pointer
    for length in range(2, min(len(names), _DEEP + 1)):
        yield "/".join(names[:length])


def heading_of(datafile: Entity) -> Callable[[str], str]:
    """Return what says, of a JSON pointer, what it belongs to; most of all which flag."""
    of_experiment: dict[object, list[str]] = {}
    of_rollout: dict[object, list[str]] = {}
    for flag in section(datafile, "featureFlags"):
        key = flag.text("key") or "without a key"
        for id_ in list_of(flag.raw, "experimentIds"):
            if isinstance(id_, str):
                of_experiment.setdefault(id_, []).append(key)
        if flag.text("rolloutId"):
            of_rollout.setdefault(flag.text("rolloutId"), []).append(key)

    def heading(pointer: str) -> str:
        place = _part(datafile, pointer)
        if place is None:
            return "the datafile"
        name = place.kind
        if name == "featureFlags":
            return f"flag {place.text('key') or 'without a key'}"
        owners = of_rollout if name == "rollouts" else of_experiment
        flags = owners.get(place.text("id"), []) if name in {"experiments", "rollouts"} else []
        if flags:
            return f"flag{'s' * (len(flags) > 1)} {', '.join(dict.fromkeys(flags))}"
        noun, called = _NOUNS[name]
        return f"{noun} {place.text(called) or place.text('id') or '(nameless)'}"

    return heading


def _part(datafile: Entity, pointer: str) -> Part | None:
    """The part of the datafile that a pointer leads into: an experiment rather than its group."""
    names = pointer.split("/")
    found: Any = datafile.get(names[1]) if len(names) > len(("", "section")) else None
    if names[1:2] != ["featureFlags"] and names[1:2] and names[1] not in _NOUNS:
        return None
    place = _entry(found, names[1] if found is not None else "", names[2:3])
    if place is not None and place.kind == "groups" and names[3:4] == ["experiments"]:
        return _entry(place.raw.get("experiments"), "experiments", names[4:5]) or place
    return place


def _entry(entries: Any, kind: str, index: list[str]) -> Part | None:
    if not isinstance(entries, list) or not index or not index[0].isdigit():
        return None
    number = int(index[0])
    entry = entries[number] if number < len(entries) else None
    return Part("", entry, kind) if isinstance(entry, dict) else None
