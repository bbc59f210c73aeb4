"""Audiences in, trees for a picture out: every node with its words, and its outcome for a user.

What is told has a bound: of a longer tree the beginning, and how much is missing.
"""

from __future__ import annotations

from bucketer.core.choices import Choice
from bucketer.core.condition_words import as_written, cut, phrase
from bucketer.core.trees import is_for_everybody, operands_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from bucketer.core.audience import Audience
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Ruleset

    Node: TypeAlias = dict[str, object]

#: So many nodes are told of one tree.
MOST_NODES = 400
#: An audience with more conditions is told with long lists of values as one.
_MOST_CONDITIONS = 100
#: The longest sentence, in characters.
_SENTENCE = 600
_TEXTS = {"and": "All of these", "or": "Any of these", "not": "Not this"}
EVERYBODY = "everybody"


class _Room:
    """How many nodes may still be told."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MOST_NODES

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0


def tree_of_rule(ruleset: Ruleset, tree: object) -> Node | None:
    """A rule's tree of audiences; None where it lets everybody in."""
    if is_for_everybody(tree):
        return None
    return _rule(ruleset, tree, _Room())


def tree_of_audience(audience: Audience) -> Node:
    """The conditions of an audience."""
    return _conditions(audience, _tree(audience), _Room()) or _more(audience.leaves)


def _rule(ruleset: Ruleset, node: object, room: _Room) -> Node | None:
    if isinstance(node, list):
        return _operator(node, room, lambda each: _rule(ruleset, each, room))
    audience = ruleset.audiences.get(node) if isinstance(node, str) else None
    if not room.take():
        return None
    if audience is None:
        return {"kind": "unknown audience", "id": cut(node), "text": f"audience {cut(node)}"}
    child = _conditions(audience, _tree(audience), room)
    told: Node = {"kind": "audience", "id": audience.id, "name": cut(audience.name)}
    return {**told, "children": [child if child is not None else _more(audience.leaves)]}


def _tree(audience: Audience) -> object:
    return audience.tree if audience.leaves <= _MOST_CONDITIONS else audience.gathered


def _conditions(audience: Audience, node: object, room: _Room) -> Node | None:
    if isinstance(node, list) and node:
        return _operator(node, room, lambda each: _conditions(audience, each, room))
    if not room.take():
        return None
    if isinstance(node, Choice):
        count = len(node.values)
        text = f"{cut(node.name)} is one of {count:,} values"
        return {"kind": "condition", "text": text, "name": cut(node.name), "count": count}
    condition = None if isinstance(node, list) else audience.condition_at(node)
    return {"kind": "condition", "text": phrase(condition), **as_written(condition)}


def _operator(
    node: list[object], room: _Room, tell: Callable[[object], Node | None]
) -> Node | None:
    operator, operands = operands_of(node)
    if operator != "not" and len(operands) == 1:
        return tell(operands[0])
    if not room.take():
        return None
    children = [each for each in map(tell, operands) if each is not None]
    if len(children) < len(operands):
        children.append(_more(len(operands) - len(children)))
    return {
        "kind": "operator",
        "operator": operator,
        "text": _TEXTS[operator],
        "children": children,
    }


def _more(count: int) -> Node:
    return {"kind": "more", "count": count, "text": f"{count:,} more"}


# --- with a user ----------------------------------------------------------------------------------


def tree_of_reason(reason: Reason) -> Node | None:
    """The tree that explains whether a user qualifies; None where there is none."""
    return _node(reason.children[0]) if reason.children else None


def _node(reason: Reason) -> Node:
    values, code = reason.values, reason.code
    children = [_node(each) for each in reason.children]
    if code in {"more", "conditions_many"}:
        count: int = values["count"]  # type: ignore[assignment]  # so it is, by those codes
        return {**_more(count), **_outcome(values)}
    if code == "audience":
        told: Node = {"kind": "audience", "id": values["id"], "name": values["name"]}
    elif code == "operator":
        told = {"kind": "operator", "operator": values["operator"], "text": values["text"]}
    elif code == "audience_unknown":
        told = {"kind": "unknown audience", "id": values["id"], "text": f"audience {values['id']}"}
    else:
        told = {"kind": "condition", **values}
    told.update(_outcome(values))
    if children or code in {"audience", "operator"}:
        told["children"] = children
    return told


def _outcome(values: Node) -> Node:
    return {"outcome": values["outcome"]} if "outcome" in values else {}


# --- in a sentence --------------------------------------------------------------------------------


def sentence_of(node: Node | None, *, inside: bool = False) -> str:
    """A tree as one sentence: audiences by name, or by their conditions (*inside*); cut."""
    if node is None:
        return EVERYBODY
    text = _say(node, inside=inside, nested=False)
    return text if len(text) <= _SENTENCE else f"{text[:_SENTENCE]}..."


def _say(node: Node, *, inside: bool, nested: bool) -> str:
    if node["kind"] == "audience" and not inside:
        return str(node["name"])
    children: list[Node] = node.get("children", [])  # type: ignore[assignment]  # nodes, always
    if node["kind"] == "audience":
        return _say(children[0], inside=inside, nested=nested) if children else EVERYBODY
    if node["kind"] != "operator":
        return str(node.get("text", ""))
    operator = node["operator"]
    if operator == "not":
        return f"not {_say(children[0], inside=inside, nested=True)}" if children else "not ()"
    said = [_say(each, inside=inside, nested=True) for each in children]
    joined = f" {operator} ".join(said)
    return f"({joined})" if nested and len(said) > 1 else joined
