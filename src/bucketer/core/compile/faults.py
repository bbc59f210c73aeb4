"""Which part of a condition keeps everybody from being judged by it: for people, when it does."""

from __future__ import annotations

from bucketer.core.conditions import MATCHES, TYPES, VERSION_MATCHES, is_finite, is_hashable
from bucketer.core.entities import Malformed, found
from bucketer.core.parse import json_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bucketer.core.audience import Audience

_NUMBER = "a number from -2**53 to 2**53"
_VALUES = {
    **dict.fromkeys(VERSION_MATCHES, "a version such as 2.3.1 (a string)"),
    "exact": f"a string, a boolean or {_NUMBER}",
    "substring": "a string",
    "qualified": "the name of a segment (a string)",
}
#: So much is shown of a word that is no type or match.
_LONGEST_WORD = 40


def fault_of(audience: Audience, where: str, at: str) -> Malformed:
    """Say of the condition at *where* in an audience's tree, which stands at *at*, what is wrong.

    Its type, its match, its name, or its value, whose kind alone is told.
    """
    node: Any = audience.tree
    for index in where.split("/")[1:]:
        node = node[int(index)]
    condition: dict[str, Any] = audience.condition_at(node) or {}
    match = condition.get("match")
    if condition.get("type") not in TYPES:
        return Malformed(f"{at}/type", f"one of {', '.join(TYPES)}", _word(condition, "type"))
    match = "exact" if match is None else match
    if not isinstance(match, str) or match not in MATCHES:
        return Malformed(f"{at}/match", f"one of {', '.join(MATCHES)}", _word(condition, "match"))
    if match != "qualified" and not is_hashable(condition.get("name")):
        return Malformed(f"{at}/name", "a string", found(condition, "name"))
    expected = f"{_VALUES.get(match, _NUMBER)} for the match {match}"
    return Malformed(f"{at}/value", expected, _kind_of_value(condition))


def _word(condition: dict[str, Any], name: str) -> str:
    word = condition.get(name)
    if isinstance(word, str) and len(word) <= _LONGEST_WORD:
        return f"'{word}'"
    return found(condition, name)


def _kind_of_value(condition: dict[str, Any]) -> str:
    value = condition.get("value")
    if isinstance(value, str):
        return "another string"
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and not is_finite(value):
        return "a number beyond"
    return json_type(value) if "value" in condition else "nothing"
