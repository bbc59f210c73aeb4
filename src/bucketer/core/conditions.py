"""Audience trees in, predicates out: functions of a `User` that answer True, False or None.

None is UNKNOWN, the third truth value. A predicate never raises, whatever the datafile or the
user holds. Everything that can be known from the datafile alone is settled when it is compiled.

Source: optimizely-sdk 5.7.0, helpers/condition.py, helpers/condition_tree_evaluator.py.
Differs: what raises there is UNKNOWN here (docs/parity.md).
"""

from __future__ import annotations

import operator
from functools import lru_cache
from numbers import Integral

from . import semver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from functools import _lru_cache_wrapper
    from typing import Any, TypeAlias

    from .user import User

    Predicate: TypeAlias = Callable[[User], "bool | None"]
    VersionJudge: TypeAlias = _lru_cache_wrapper["bool | None"]
    #: What the compiler noticed: where in the tree, what belongs there, what was found; severity.
    Note: TypeAlias = tuple[str, str, str, str]

_TYPES = ("custom_attribute", "third_party_dimension")
#: Numbers beyond it can't be told apart in every SDK's language, so none of them compares.
MAX_NUMBER = 2**53
#: Lists within lists. Deeper trees than Python can walk are not conditions but an attack, so they
#: are cut there when compiled: all that reads a tree later sees the same one.
MAX_DEPTH = 100

#: Visitors have few versions among them, so each condition remembers what it made of them.
_REMEMBERED_VERSIONS = 256
#: Longer texts are judged anew each time: what is remembered is bounded in bytes, too.
LONGEST_REMEMBERED = 40

OPERATORS = ("and", "or", "not")


def unknown(_user: User) -> None:
    """Answer UNKNOWN, for a condition that can't be evaluated for anybody."""


def is_finite(value: object) -> bool:
    """Whether *value* is a number that every SDK compares alike: no NaN, nothing beyond ±2**53."""
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
        return -MAX_NUMBER <= value <= MAX_NUMBER
    return isinstance(value, Integral)


# --- leaves -------------------------------------------------------------------------------------


def _exact(name: str, value: object) -> Predicate | None:
    if isinstance(value, str):

        def same_text(user: User) -> bool | None:
            have = user.attributes.get(name)
            return have == value if isinstance(have, str) else None

        return same_text
    if isinstance(value, bool):

        def same_truth(user: User) -> bool | None:
            have = user.attributes.get(name)
            return have is value if isinstance(have, bool) else None

        return same_truth
    if not is_finite(value):
        return None

    def same_number(user: User) -> bool | None:
        have = user.attributes.get(name)
        return have == value if is_finite(have) else None

    return same_number


def _exists(name: str, _value: object) -> Predicate:
    return lambda user: user.attributes.get(name) is not None


def _substring(name: str, value: object) -> Predicate | None:
    if not isinstance(value, str):
        return None

    def contains(user: User) -> bool | None:
        have = user.attributes.get(name)
        return value in have if isinstance(have, str) else None

    return contains


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[str, object], Predicate | None]:
    """Make the builder of a numeric comparison."""

    def build(name: str, value: object) -> Predicate | None:
        if not is_finite(value):
            return None

        def compares(user: User) -> bool | None:
            have = user.attributes.get(name)
            return holds(have, value) if is_finite(have) else None

        return compares

    return build


VERSION_MATCHES: dict[str, Callable[[int], bool]] = {
    "semver_eq": lambda order: order == 0,
    "semver_gt": lambda order: order > 0,
    "semver_ge": lambda order: order >= 0,
    "semver_lt": lambda order: order < 0,
    "semver_le": lambda order: order <= 0,
}


def version_judge(match: str, value: str) -> VersionJudge | None:
    """Make the function of a version's text that answers the comparison, and remembers.

    The target is split once, here; None when it is no version. Texts longer than
    LONGEST_REMEMBERED are for `__wrapped__`, which forgets.
    """
    holds, target = VERSION_MATCHES[match], semver.parse(value)
    if target is None:
        return None

    @lru_cache(_REMEMBERED_VERSIONS)
    def judge(text: str) -> bool | None:
        version = semver.parse(text)
        order = None if version is None else semver.compare(version, target)
        return None if order is None else holds(order)

    return judge


def _version(match: str) -> Callable[[str, object], Predicate | None]:
    """Make the builder of a version comparison."""

    def build(name: str, value: object) -> Predicate | None:
        judge = version_judge(match, value) if isinstance(value, str) else None
        if judge is None:
            return None
        remembered, forgetful = judge, judge.__wrapped__

        def compares(user: User) -> bool | None:
            have = user.attributes.get(name)
            if not isinstance(have, str):
                return None
            return remembered(have) if len(have) <= LONGEST_REMEMBERED else forgetful(have)

        return compares

    return build


def _qualified(_name: str, value: object) -> Predicate | None:
    if not isinstance(value, str):
        return None
    return lambda user: user.segments is not None and value in user.segments


_MATCHES: dict[str, Callable[[str, object], Predicate | None]] = {
    "exact": _exact,
    "exists": _exists,
    "substring": _substring,
    "gt": _ordered(operator.gt),
    "ge": _ordered(operator.ge),
    "lt": _ordered(operator.lt),
    "le": _ordered(operator.le),
    "qualified": _qualified,
    **{match: _version(match) for match in VERSION_MATCHES},
}


def compile_leaf(condition: Mapping[str, object]) -> Predicate | None:
    """Compile one condition; None when no user can ever be judged by it.

    Args:
        condition: `name`, `value`, `type` and `match` as the datafile has them; a missing
            `match` means `exact`, a missing `type` makes it UNKNOWN.
    """
    match, name = match_of(condition), condition.get("name")
    if match is None or (match != "qualified" and not _hashable(name)):
        return None
    # A name that is no string (or missing) is no attribute's key, but is looked up all the same.
    return _MATCHES[match](name, condition.get("value"))  # type: ignore[arg-type]


def match_of(condition: Mapping[str, object]) -> str | None:
    """The condition's match by name (`exact` where it has none); None where it can't be judged."""
    match = condition.get("match")
    if match is None:
        match = "exact"
    known = isinstance(match, str) and match in _MATCHES and condition.get("type") in _TYPES
    return match if known else None  # type: ignore[return-value]  # `known` makes it a string


def _hashable(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float))


# --- trees --------------------------------------------------------------------------------------


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
    return _COMBINE[operator](
        [
            compile_tree(operand, leaf, notes, f"{at}/{index + offset}", depth + 1)
            for index, operand in enumerate(operands)
        ]
    )


class Audience:
    """One audience, compiled.

    Attributes:
        id: as rules refer to it.
        name: as people know it.
        tree: the conditions, with each condition object replaced by its index in `conditions`.
        conditions: the condition objects in the order the reference numbers them.
        predicate: the whole audience as a function of the user.
        notes: what can't be evaluated for anybody.
    """

    __slots__ = ("conditions", "id", "name", "notes", "predicate", "tree")

    def __init__(self, id: str, name: str, tree: object) -> None:  # noqa: A002 -- Optimizely's word
        self.id = id
        self.name = name
        self.conditions: list[dict[str, object]] = []
        self.tree = _number_conditions(tree, self.conditions)
        self.notes: list[Note] = []
        self.predicate = compile_tree(self.tree, self.leaf_predicate, self.notes)

    def condition_at(self, leaf: object) -> dict[str, object] | None:
        """The condition a leaf stands for. An integer counts from the end when negative."""
        if isinstance(leaf, int) and -len(self.conditions) <= leaf < len(self.conditions):
            return self.conditions[leaf]
        return None

    def leaf_predicate(self, leaf: object, at: str) -> Predicate:
        """Compile the condition that *leaf* stands for, at a pointer within the tree."""
        condition = self.condition_at(leaf)
        if condition is None:
            self.notes.append((at, "a condition (an object)", "something else", "warning"))
            return unknown
        predicate = compile_leaf(condition)
        if predicate is None:
            self.notes.append(
                (
                    at,
                    "a condition with a known type, match and value",
                    "one that can't be evaluated",
                    "warning",
                )
            )
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
