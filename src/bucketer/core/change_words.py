"""What would have to change, in words and as data; see `counterfactuals`."""

from __future__ import annotations

from .alternatives import ABSENT
from .change import ATTRIBUTES, FORCED, STATUS, STORED, TRAFFIC, USER, WHITELIST
from .condition_words import cut, shown
from .mentions import HOLDOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .change import Change, Changes
    from .user import User

#: So many changes are told.
MOST_TOLD = 24
_SENTENCES = {
    STATUS: "if experiment {rule} ran",
    WHITELIST: "if the datafile did not force this user in {rule}",
    STORED: "without the stored variation",
    FORCED: "if the caller forced nothing",
    HOLDOUT: "without holdout {rule}",
    USER: "as {user}",
}


def sentence_of(change: Change) -> str:
    """A change in words: ``if tier were "platinum"``."""
    if change.kind == ATTRIBUTES:
        return "if " + " and ".join(
            _axis(each.name, each.is_segment, to) for each, to in change.axes
        )
    if change.kind == TRAFFIC:
        way = (
            "in at \N{GREATER-THAN OR EQUAL TO}"
            if change.is_in
            else "out at \N{LESS-THAN OR EQUAL TO}"
        )
        return f"{way} {_percent(change.share)} % traffic of {cut(change.rule)}"
    user = cut(change.user.id) if change.user is not None else ""
    return _SENTENCES[change.kind].format(rule=cut(change.rule), user=user)


def _axis(name: str, is_segment: bool, value: object) -> str:
    if is_segment:
        return f"the user were {'in' if value else 'not in'} segment {cut(name)}"
    if value is ABSENT:
        return f"{cut(name)} were not given"
    return f"{cut(name)} were {shown(value)}"


def _percent(share: float) -> str:
    return f"{share * 100:.2f}".rstrip("0").rstrip(".")


def change_json(change: Change) -> dict[str, object]:
    """A change as data: its kind, its words, what it gives, and what is different."""
    gives = change.gives
    told: dict[str, object] = {
        "kind": change.kind,
        "text": sentence_of(change),
        "gives": {
            "variation": gives.variation_key,
            "rule": gives.rule_key,
            "enabled": gives.enabled,
        },
    }
    if change.kind == ATTRIBUTES:
        attributes = [(each.name, to) for each, to in change.axes if not each.is_segment]
        segments = [(each.name, to) for each, to in change.axes if each.is_segment]
        told["set"] = {name: to for name, to in attributes if to is not ABSENT}
        told["unset"] = [name for name, to in attributes if to is ABSENT]
        told["segments"] = {
            "add": [name for name, to in segments if to],
            "remove": [name for name, to in segments if not to],
        }
    elif change.kind == USER and change.user is not None:
        told["user"] = change.user.id
    elif change.rule:
        told["rule"] = change.rule
    if change.kind == TRAFFIC:
        told |= {"end": change.end, "share": change.share}
        told["direction"] = "in" if change.is_in else "out"
    return told


def changes_json(found: Changes) -> dict[str, object]:
    """All that was found, and whether that is all."""
    return {
        "items": [change_json(each) for each in found.items[:MOST_TOLD]],
        "left_out": max(0, len(found.items) - MOST_TOLD),
        "complete": not found.why,
        "why_incomplete": found.why or None,
        "together": found.together,
        "tried": found.tried,
    }


def asked_as(user: User) -> dict[str, object]:
    """The user of a change, to be asked for: id, attributes, and segments where they are known."""
    segments = None if user.segments is None else sorted(user.segments)
    return {"user": user.id, "attributes": dict(user.attributes), "segments": segments}
