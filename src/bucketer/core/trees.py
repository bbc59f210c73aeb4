"""Trees of AND, OR and NOT over leaves, in three truth values: True, False and UNKNOWN (None).

Source: optimizely-sdk 5.7.0, helpers/condition_tree_evaluator.py.
"""

from __future__ import annotations

from .conditions import unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from .conditions import Predicate
    from .user import User

    #: What the compiler noticed: where in the tree, what belongs there, what was found; severity.
    Note: TypeAlias = tuple[str, str, str, str]

#: Lists within lists. Deeper trees than Python can walk are not conditions but an attack, so they
#: are cut there when compiled: all that reads a tree later sees the same one.
MAX_DEPTH = 100

OPERATORS = ("and", "or", "not")
#: Stands in a compiled tree for an operand that another one has taken in; see `choices`.
MERGED = object()


def _all_of(operands: Sequence[Predicate]) -> Predicate:
    """AND: False wins at once, then UNKNOWN, then True. No operands: True."""
    if len(operands) == 1:
        return operands[0]

    def every(user: User) -> bool | None:
        answer: bool | None = True
        for operand in operands:
            found = operand(user)
            if found is False:
                return False
            if found is None:
                answer = None
        return answer

    return every


def _any_of(operands: Sequence[Predicate]) -> Predicate:
    """OR: True wins at once, then UNKNOWN, then False. No operands: False."""
    if len(operands) == 1:
        return operands[0]

    def some(user: User) -> bool | None:
        answer: bool | None = False
        for operand in operands:
            found = operand(user)
            if found is True:
                return True
            if found is None:
                answer = None
        return answer

    return some


def _none_of(operands: Sequence[Predicate]) -> Predicate:
    """NOT the first operand; the others are never looked at. No operands: UNKNOWN."""
    if not operands:
        return unknown
    operand = operands[0]

    def negated(user: User) -> bool | None:
        found = operand(user)
        return None if found is None else not found

    return negated


_COMBINE = {"and": _all_of, "or": _any_of, "not": _none_of}


def is_for_everybody(tree: object) -> bool:
    """Say whether a rule with this tree of audiences lets all users in."""
    return tree is None or tree == []


def split_node(node: list[object]) -> tuple[str, list[object]]:
    """Read a list as (operator, operands). Without an operator in front it is an implicit OR."""
    first = node[0]
    if isinstance(first, str) and first in OPERATORS:
        return first, node[1:]
    return "or", node


def operands_of(node: list[object]) -> tuple[str, list[object]]:
    """Return operator and operands that count: of `not` the first; none that others took in."""
    operator, operands = split_node(node) if node else ("or", [])
    operands = [each for each in operands if each is not MERGED]
    return operator, operands[:1] if operator == "not" else operands


def compile_tree(
    node: object,
    leaf: Callable[[object, str], Predicate],
    notes: list[Note],
    at: str = "",
    depth: int = 0,
) -> Predicate:
    """Compile a tree of operators over leaves.

    Args:
        node: a list (`["and", …]`), or anything else, which is handed to *leaf*.
        leaf: compiles a leaf that stands at a JSON pointer relative to the tree.
        notes: receives what can't be evaluated for anybody.
        at: JSON pointer of *node* within the tree.
        depth: how deep *node* stands.
    """
    if not isinstance(node, list):
        return leaf(node, at)
    if depth >= MAX_DEPTH:
        notes.append((at, f"at most {MAX_DEPTH} nested lists", "a deeper tree", "error"))
        return unknown
    if not node:
        notes.append((at, "a condition or an operator with operands", "an empty list", "warning"))
        return unknown
    operator, operands = split_node(node)
    offset = len(node) - len(operands)
    if operator == "not":
        operands = operands[:1]
    compiled = [
        compile_tree(operand, leaf, notes, f"{at}/{index + offset}", depth + 1)
        for index, operand in enumerate(operands)
        if operand is not MERGED
    ]
    # What is said twice says no more: AND and OR ask a leaf that is shared once.
    return _COMBINE[operator](tuple(dict.fromkeys(compiled)))


def size_of(node: object) -> int:
    """How many leaves a tree has; lists without operands count as one."""
    if not isinstance(node, list):
        return node is not MERGED
    return sum(map(size_of, split_node(node)[1] if node else ())) or 1


def bounded(tree: object, depth: int = 0) -> object:
    """A rule's tree as far as it counts: deeper lists are empty, and objects, which are no ids."""
    if isinstance(tree, dict):
        return {}
    if not isinstance(tree, list):
        return tree
    if depth >= MAX_DEPTH:
        return []
    if not any(isinstance(each, (list, dict)) for each in tree):
        return tree
    return [bounded(each, depth + 1) for each in tree]
