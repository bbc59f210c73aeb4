"""What Agent tells of audiences that can't be evaluated, in the order in which Go comes upon them.

Source: go-sdk 2.3.1, decision/evaluator as it answers.
"""

from __future__ import annotations

from bucketer.core.conditions import TYPES, compile_leaf
from bucketer.core.trees import split_node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import User

_MATCHES = frozenset(
    (
        *("qualified", "exact", "exists", "lt", "le", "gt", "ge", "substring"),
        *(f"semver_{each}" for each in ("eq", "lt", "le", "gt", "ge")),
    )
)


def audience_sentences(ruleset: Ruleset, tree: object, user: User) -> list[str]:
    """Say which audiences of a rule's *tree* can't be evaluated for *user*, and why."""
    told: list[str] = []
    _walk(tree, lambda leaf: _audience(ruleset, leaf, user, told))
    return told


def _walk(node: object, judge: Callable[[object], bool | None]) -> bool | None:
    """Evaluate a tree as Go does: AND ends at what isn't true, OR at what is."""
    if not isinstance(node, list):
        return judge(node)
    if not node:
        return None
    operator, operands = split_node(node)
    if operator == "not":
        found = _walk(operands[0], judge) if operands else None
        return None if found is None else not found
    saw_unknown = False
    for operand in operands:
        found = _walk(operand, judge)
        if operator == "and" and found is not True:
            return found
        if operator == "or" and found is True:
            return True
        saw_unknown = saw_unknown or found is None
    return None if saw_unknown else operator == "and"


def _audience(ruleset: Ruleset, leaf: object, user: User, told: list[str]) -> bool | None:
    audience = ruleset.audiences.get(leaf) if isinstance(leaf, str) else None
    if audience is None:
        if isinstance(leaf, str):
            told.append(f'unable to evaluate nested tree for audience ID "{leaf}"')
        return None
    found = _walk(audience.tree, lambda each: _condition(audience.condition_at(each), user, told))
    if found is None:
        told.append(f'an error occurred while evaluating nested tree for audience ID "{leaf}"')
    return found


def _condition(condition: dict[str, object] | None, user: User, told: list[str]) -> bool | None:
    if condition is None:
        return None
    kind, match = condition.get("type"), condition.get("match")
    if kind not in TYPES:
        told.append(f'unable to evaluate condition of type "{kind or ""}"')
        return None
    if match and match not in _MATCHES:
        told.append(f'invalid Condition matcher "{match}"')
        return None
    predicate = compile_leaf(condition)
    return None if predicate is None else predicate(user)
