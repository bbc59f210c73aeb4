"""Parts of a datafile in, words for people out. Pure, and at ease with any shape of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    Entity = dict[str, Any]


def who(tree: object, names: Mapping[str, str]) -> str | None:
    """Spell a tree of audiences: ``'Gold' and ('Berlin' or not 'Bots')``."""
    if is_too_deep(tree) or not _is_tree_of(tree, str):
        return None
    return _tree(tree, names) or "everybody"


#: Nobody nests deeper. What does is told as a whole: there is not the stack to walk it.
DEEPEST = 100


def is_too_deep(value: object) -> bool:
    """Say whether lists and objects stand in one another more than `DEEPEST` times."""
    level = [value]
    for _ in range(DEEPEST):
        inside: list[Any] = []
        for each in level:
            if isinstance(each, list):
                inside += each
            elif isinstance(each, dict):
                inside += each.values()
        level = inside
    return any(isinstance(each, (list, dict)) for each in level)


def _tree(tree: object, names: Mapping[str, str]) -> str:
    if not isinstance(tree, list):
        return f"'{names.get(str(tree), str(tree))}'"
    return _joined(tree, [_tree(each, names) for each in _operands(tree)])


def _is_tree_of(tree: object, kind: type) -> bool:
    if not isinstance(tree, list):
        return isinstance(tree, kind)
    whole = _operator(tree) != "not" or len(tree) == len(("not", "it"))
    return whole and all(_is_tree_of(each, kind) for each in _operands(tree))


def leaves_of(tree: object) -> list[str]:
    """Return the ids in a tree of audiences."""
    if isinstance(tree, list):
        return [leaf for each in _operands(tree) for leaf in leaves_of(each)]
    return [str(tree)]


def ranges(names: Mapping[str, str], traffic: object = None) -> str | None:
    """Spell a traffic allocation in percent: ``one_step 33.33 %, nobody 66.67 %``."""
    words, start = [], 0
    for each in list_of(traffic):
        if not _has_just(each, {"entityId": str, "endOfRange": int}):
            return None
        entity, end = each["entityId"], each["endOfRange"]
        share = f"{abs(end - start) // 100}.{abs(end - start) % 100:02}".rstrip("0").rstrip(".")
        sign = "-" if end < start else ""
        words.append(f"{names.get(entity, entity or 'nobody')} {sign}{share} %")
        start = end
    return ", ".join(words) or "nobody"


def _has_just(entry: object, kinds: Mapping[str, type]) -> bool:
    """Say whether *entry* has these fields, each of its kind, and no others."""
    return (
        isinstance(entry, dict)
        and entry.keys() == kinds.keys()
        and all(type(entry[name]) is kind for name, kind in kinds.items())
    )


def forced(users: object = None) -> str | None:
    """Spell forced variations: ``qa_anna gets two_step``."""
    pairs = sorted(users.items()) if isinstance(users, dict) else []
    if not all(isinstance(variation, str) for _, variation in pairs):
        return None
    return ", ".join(f"{user} gets {variation}" for user, variation in pairs) or "none"


def listed(names: Mapping[str, str], ids: object = None) -> str | None:
    """Spell the rules that a holdout is for, the experiments of a group."""
    if not all(isinstance(each, str) for each in list_of(ids)):
        return None
    return ", ".join(names.get(each, each) for each in list_of(ids)) or "none"


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
        value = "" if match == "exists" else f" {_value(node.get('value'))}"
        kind = node.get("type", _ORDINARY)
        more = "" if kind == _ORDINARY else f" ({kind})"
        return f"{node.get('name')} {match}{value}{more}"
    if not isinstance(node, list):
        return _value(node)
    return _joined(node, [condition(each) for each in _operands(node)])


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


#: The type of condition that goes without saying.
_ORDINARY = "custom_attribute"


def says_all(conditions: object) -> bool:
    """Say whether `condition` leaves nothing out of a tree but its nesting."""
    if isinstance(conditions, list):
        whole = _operator(conditions) != "not" or len(conditions) == len(("not", "it"))
        return whole and all(says_all(each) for each in _operands(conditions))
    if not isinstance(conditions, dict):
        return False
    mentioned = {"name", "match", "type", "value"}
    if conditions.get("match") == "exists":
        mentioned.remove("value")
    texts = [conditions.get(name, "is") for name in ("name", "match", "type")]
    return conditions.keys() <= mentioned and all(each and isinstance(each, str) for each in texts)


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
