"""Audiences, typed and untyped, and the trees that name them."""

from __future__ import annotations

import json

from bucketer.core.audience import UNJUDGED, Audience
from bucketer.core.conditions import unknown
from bucketer.core.entities import BROKEN, Malformed, field
from bucketer.core.parse import json_type
from bucketer.core.trees import OPERATORS, compile_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bucketer.core.conditions import Predicate
    from bucketer.core.trees import Note

    from .draft import Draft


def read_audiences(draft: Draft) -> None:
    """Compile both sections; a typed audience wins over its untyped twin."""
    places: dict[str, tuple[str, Any, str]] = {}
    for section in ("audiences", "typedAudiences"):
        for index, raw in enumerate(draft.section(section)):
            at = f"/{section}/{index}"
            id_ = raw.get("id") if isinstance(raw, dict) else None
            try:
                id_ = field(raw, "id", str, at)
                places[id_] = _read_audience(draft, raw, at, typed=section == "typedAudiences")
                draft.broken_audiences.pop(id_, None)
            except Malformed as finding:
                draft.note(finding, "nobody can be judged by this audience")
                if isinstance(id_, str):  # what stands under that id elsewhere is not meant
                    places.pop(id_, None)
                    draft.broken_audiences[id_] = at
    for id_, (name, tree, at) in places.items():
        audience = Audience(id_, name, tree)
        draft.ruleset.audiences[id_] = audience
        for where, expected, found, severity in audience.notes:
            odd = Malformed(at + where, expected, found)
            if expected == UNJUDGED:
                from .faults import fault_of  # only a broken condition needs it

                odd = fault_of(audience, where, at + where)
            draft.note(
                odd,
                f"nobody can be judged by this part of audience '{name}'",
                severity,
            )


def _read_audience(
    draft: Draft, raw: dict[str, Any], at: str, *, typed: bool
) -> tuple[str, object, str]:
    """Name, conditions, and where those stand."""
    if "conditions" not in raw:
        raise Malformed(f"{at}/conditions", "conditions", "nothing")
    tree = raw["conditions"]
    if not typed:
        name = field(raw, "name", str, at)
        return name, _read_text_conditions(tree, f"{at}/conditions"), f"{at}/conditions"
    if "name" not in raw:
        raise Malformed(f"{at}/name", "a string", "nothing")
    name = raw["name"]
    if not isinstance(name, str):
        finding = Malformed(f"{at}/name", "a string", json_type(name))
        draft.unchecked.tell(finding, "the audience goes by its id")
        name = raw["id"]
    return name, tree, f"{at}/conditions"


def note_unknowns(draft: Draft, tree: object, at: str) -> None:
    """Tell of what is UNKNOWN for everybody in a rule's tree of audience ids."""
    known = draft.ruleset.audiences
    if isinstance(tree, list) and all(
        isinstance(each, str) and (each in known or each in OPERATORS) for each in tree
    ):
        return  # flat, which most are
    notes: list[Note] = []

    def leaf(id_: object, where: str) -> Predicate:
        expected = "the id of an audience"
        if not isinstance(id_, str):
            notes.append((where, expected, json_type(id_), "error"))
        elif id_ in draft.broken_audiences:
            cause = Malformed(draft.broken_audiences[id_], "a usable audience", BROKEN)
            draft.note(cause, f"{at}{where} is UNKNOWN for everybody")
        elif id_ not in known:
            notes.append((where, expected, "an unknown id", "warning"))
        return unknown

    compile_tree(tree, leaf, notes)
    for where, expected, found, severity in notes:
        draft.note(Malformed(at + where, expected, found), "it is UNKNOWN for everybody", severity)


def _read_text_conditions(text: object, at: str) -> object:
    """Read the conditions of an untyped audience: JSON inside a string."""
    if not isinstance(text, str):
        raise Malformed(at, "a string of JSON", json_type(text))
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed(at, "a string of JSON", "a string of something else") from None
