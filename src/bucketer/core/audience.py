"""One audience, compiled: its conditions and the tree over them.

Source: optimizely-sdk 5.7.0, helpers/condition.py:ConditionDecoder.
"""

from __future__ import annotations

from .choices import Choice, choice_of, gather, whole_choice
from .conditions import compile_leaf, unknown
from .trees import MAX_DEPTH, compile_tree, size_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .conditions import Predicate
    from .trees import Note

#: What a note expects in place of a condition that nobody can be judged by.
UNJUDGED = "a condition with a known type, match and value"


class Audience:
    """One audience, compiled.

    Attributes:
        id: as rules refer to it.
        name: as people know it.
        tree: the conditions, with each condition object replaced by its index in `conditions`.
        conditions: the condition objects in the order the reference numbers them.
        gathered: the tree as it is decided on: long lists of `exact` are one leaf, a `Choice`.
        size, leaves: how many leaves that has; how many `tree` has.
        predicate: the whole audience as a function of the user.
        notes: what can't be evaluated for anybody.
    """

    __slots__ = (
        "conditions",
        "gathered",
        "id",
        "leaves",
        "name",
        "notes",
        "predicate",
        "size",
        "tree",
    )

    def __init__(self, id: str, name: str, tree: object) -> None:  # noqa: A002 -- Optimizely's word
        self.id = id
        self.name = name
        self.conditions: list[dict[str, object]] = []
        self.tree = _number_conditions(tree, self.conditions)
        self.notes: list[Note] = []
        self.gathered = gather(self.tree, self._choice_at)
        self.size = self.leaves = size_of(self.gathered)
        if self.gathered is not self.tree:
            self.leaves = size_of(self.tree)
        self.predicate = compile_tree(self.gathered, self.leaf_predicate, self.notes)

    def condition_at(self, leaf: object) -> dict[str, object] | None:
        """The condition a leaf stands for. An integer counts from the end when negative."""
        if isinstance(leaf, int) and -len(self.conditions) <= leaf < len(self.conditions):
            return self.conditions[leaf]
        return None

    @property
    def choice(self) -> Choice | None:
        """The one that the whole audience comes to, or None."""
        return whole_choice(self.gathered, self._choice_at)

    def _choice_at(self, leaf: object) -> Choice | None:
        return choice_of(self.condition_at(leaf))

    def leaf_predicate(self, leaf: object, at: str) -> Predicate:
        """Compile the condition that *leaf* stands for, at a pointer within the tree."""
        if isinstance(leaf, Choice):
            return leaf.predicate()
        condition = self.condition_at(leaf)
        if condition is None:
            self.notes.append((at, "a condition (an object)", "something else", "warning"))
            return unknown
        predicate = compile_leaf(condition)
        if predicate is None:
            self.notes.append((at, UNJUDGED, "one that can't be evaluated", "warning"))
            return unknown
        if condition.get("match") != "qualified" and not isinstance(condition.get("name"), str):
            self.notes.append((at, "a condition with a name (a string)", "one without", "warning"))
        return predicate


def _number_conditions(node: object, conditions: list[dict[str, object]], depth: int = 0) -> object:
    """Replace each object by its index, inner ones first, as the reference's decoder does.

    So an object used as a condition's *value* becomes a number: `{"value": {"a": 1}}` compares
    with 0. Odd, and to be matched to the bit.

    Source: optimizely-sdk 5.7.0, helpers/condition.py:ConditionDecoder.
    """
    if isinstance(node, list):
        if depth >= MAX_DEPTH:
            return []  # UNKNOWN as a node, and no value of any match
        return [_number_conditions(each, conditions, depth + 1) for each in node]
    if isinstance(node, dict):
        if depth > 2 * MAX_DEPTH:  # objects as values of objects: no tree has them
            return None
        numbered = {
            key: _number_conditions(each, conditions, depth + 1) for key, each in node.items()
        }
        conditions.append(numbered)
        return len(conditions) - 1
    return node
