"""A condition of an audience in words, with or without a user: what it asks for, cut to a length.

What is told has a bound in characters: an answer must not be larger than what it answers to.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: By match; a match that isn't here is told by its own name.
PHRASES = {
    "exact": "{name} = {value}",
    "exists": "{name} exists",
    "substring": "{name} contains {value}",
    "gt": "{name} > {value}",
    "ge": "{name} >= {value}",
    "lt": "{name} < {value}",
    "le": "{name} <= {value}",
    "semver_eq": "{name} is version {value}",
    "semver_gt": "{name} is after version {value}",
    "semver_ge": "{name} is version {value} or later",
    "semver_lt": "{name} is before version {value}",
    "semver_le": "{name} is version {value} or earlier",
    "qualified": "in segment {value}",
}
#: Longer values are cut in sentences, to so many characters.
SHOWN = 80
#: The same for a reason's own values.
KEPT = 200


def as_written(condition: Mapping[str, object] | None) -> dict[str, object]:
    """Name, match and value of a condition, as far as they are short."""
    if not condition:
        return {}
    return {name: kept(condition.get(name)) for name in ("name", "match", "value")}


def phrase(condition: Mapping[str, object] | None) -> str:
    """A condition in words: `tier = "platinum"`."""
    if condition is None:
        return "Something that is no condition"
    match = condition.get("match")
    words = PHRASES.get("exact" if match is None else cut(match), "{name} {match} {value}")
    value, name = shown(condition.get("value")), cut(condition.get("name"))
    return words.format(name=name, match=cut(match), value=value)


def cut(value: object) -> str:
    """A key as it stands, or its beginning."""
    text = value if isinstance(value, str) else str(_sample(value, [SHOWN]))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def shown(value: object, most: int = SHOWN) -> str:
    """A value as JSON, or its beginning: at most *most* characters, and dots."""
    text = json.dumps(_sample(value, [most]), ensure_ascii=False, default=str)
    return text if len(text) <= most else f"{text[:most]}..."


def kept(value: object) -> object:
    """The value itself where it is short, else how it begins."""
    if isinstance(value, str):
        return value if len(value) <= KEPT else f"{value[:KEPT]}..."
    if not isinstance(value, (list, tuple, dict)):
        return value
    room = [KEPT]
    _sample(value, room)
    return value if room[0] > 0 else shown(value, KEPT)


def _sample(value: object, room: list[int]) -> object:
    """Copy as much of *value* as has at least `room[0]` characters as JSON, and take that off."""
    if isinstance(value, str):
        begun = value[: max(room[0], 0) + 1]
        room[0] -= len(begun) + 2
        return begun
    room[0] -= 2
    if isinstance(value, dict):
        copy = {}
        for key, each in value.items():
            if room[0] <= 0:
                break
            copy[_sample(key, room)] = _sample(each, room)
        return copy
    if isinstance(value, (list, tuple)):
        found = []
        for each in value:
            if room[0] <= 0:
                break
            found.append(_sample(each, room))
        return found
    return value
