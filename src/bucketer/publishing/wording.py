"""Parts of a datafile in, words for people out. Pure, and at ease with any shape of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    Entity = dict[str, Any]


def who(rule: Entity, names: Mapping[str, str]) -> str:
    """Spell who a rule is for: ``'Gold' and ('Berlin' or not 'Bots')``."""
    tree = rule.get("audienceConditions")
    if tree is None:
        ids = list_of(rule.get("audienceIds"))
        tree = ["or", *ids] if len(ids) > 1 else ids
    return _tree(tree, names) or "everybody"


def _tree(tree: object, names: Mapping[str, str]) -> str:
    if not isinstance(tree, list):
        return f"'{names.get(str(tree), str(tree))}'"
    return _joined(tree, [_tree(each, names) for each in _operands(tree)])


def ranges(owner: Entity, names: Mapping[str, str]) -> str:
    """Spell a traffic allocation in percent: ``one_step 33.33 %, nobody 66.67 %``."""
    words, start = [], 0
    for each in entities(owner.get("trafficAllocation")):
        end = each.get("endOfRange")
        if not isinstance(end, int):
            continue
        entity = str(each.get("entityId") or "")
        words.append(f"{names.get(entity, entity or 'nobody')} {(end - start) / 100:g} %")
        start = end
    return ", ".join(words) or "nobody"


def forced(rule: Entity) -> str:
    """Spell forced variations: ``qa_anna gets two_step``."""
    found = rule.get("forcedVariations")
    pairs = sorted(found.items()) if isinstance(found, dict) else []
    return ", ".join(f"{user} gets {variation}" for user, variation in pairs) or "none"


def held_out(holdout: Entity, names: Mapping[str, str]) -> str:
    """Spell the rules that a holdout is for."""
    ids = list_of(holdout.get("includedRules"))
    return ", ".join(names.get(str(each), str(each)) for each in ids) or "none"


def read_conditions(audience: Entity) -> object:
    """Return an audience's conditions, also where they are JSON in a string."""
    conditions = audience.get("conditions")
    if isinstance(conditions, str):
        try:
            return json.loads(conditions)
        except (ValueError, RecursionError):
            return conditions
    return conditions


def condition(node: object) -> str:
    """Spell a tree of conditions: ``(tier is "gold" or days ge 30)``."""
    if isinstance(node, dict):
        match = node.get("match") or "is"
        value = "" if match == "exists" else f" {json.dumps(node.get('value'))}"
        return f"{node.get('name')} {match}{value}"
    if not isinstance(node, list):
        return json.dumps(node)
    return _joined(node, [condition(each) for each in _operands(node)])


def _operator(tree: list[Any]) -> str | None:
    return tree[0] if tree and tree[0] in ("and", "or", "not") else None


def _operands(tree: list[Any]) -> list[Any]:
    return tree[1:] if _operator(tree) else tree


def _joined(tree: list[Any], parts: list[str]) -> str:
    operator = _operator(tree)
    if operator == "not":
        return "not " + (parts[0] if parts else "()")
    joined = f" {operator or 'or'} ".join(parts)
    return f"({joined})" if len(parts) > 1 else joined


def entities(value: object) -> list[Entity]:
    """Return the objects in a list; none where it is no list."""
    return [each for each in list_of(value) if isinstance(each, dict)]


def list_of(value: object) -> list[Any]:
    """Return a list; an empty one for anything else."""
    return value if isinstance(value, list) else []
