"""What a user would have to be to meet a rule's audience: one way, found along its tree.

Where many attributes have to be right together, trying all sets of them takes too long.
"""

from __future__ import annotations

from .alternatives import ABSENT, but
from .choices import Choice
from .conditions import compile_leaf
from .trees import operands_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from .alternatives import Axis
    from .audience import Audience
    from .conditions import Predicate
    from .ruleset import Ruleset
    from .user import User

    #: Axis → the value it is to have.
    Way: TypeAlias = dict[Axis, object]

#: So many conditions are asked on the way; a longer one is given up.
_MOST_STEPS = 5_000


class _Lost(Exception):
    """There are too many conditions, or two that want one attribute to be two things."""


def way_into(
    ruleset: Ruleset, tree: object, user: User, axes: Mapping[tuple[str, bool], Axis]
) -> tuple[Way | None, int]:
    """One way for *user* to meet a rule's *tree* of audiences, and how many conditions were asked.

    None where none was found.

    Args:
        ruleset: has the audiences.
        tree: of a rule, with ids of audiences as leaves.
        user: as they are.
        axes: what may be changed, by name and whether it is a segment.
    """
    repair = _Repair(ruleset, user, axes)
    way: Way | None
    try:
        way = repair.rule(tree, {}, wanted=True)
    except _Lost:
        way = None
    return way, _MOST_STEPS - max(repair.left, 0)


class _Repair:
    def __init__(self, ruleset: Ruleset, user: User, axes: Mapping[tuple[str, bool], Axis]) -> None:
        self.ruleset, self.user, self.axes = ruleset, user, axes
        self.left = _MOST_STEPS

    def rule(self, node: object, done: Way, *, wanted: bool) -> Way:
        """Change what it takes for a node of a rule's tree, beside what is *done* already.

        Raises:
            _Lost: there is no way.
        """
        if isinstance(node, list):
            return self._operator(None, node, done, wanted=wanted)
        audience = self.ruleset.audiences.get(node) if isinstance(node, str) else None
        if audience is None:
            raise _Lost
        return self._node(audience, audience.gathered, done, wanted=wanted)

    def _node(self, audience: Audience, node: object, done: Way, *, wanted: bool) -> Way:
        if isinstance(node, list) and node:
            return self._operator(audience, node, done, wanted=wanted)
        if isinstance(node, Choice):
            return self._leaf(node.predicate(), (node.name, False), done, wanted=wanted)
        condition = None if isinstance(node, list) else audience.condition_at(node)
        predicate = compile_leaf(condition) if condition else None
        if condition is None or predicate is None:
            raise _Lost
        is_segment = condition.get("match") == "qualified"
        name = condition.get("value" if is_segment else "name")
        return self._leaf(predicate, (str(name), is_segment), done, wanted=wanted)

    def _operator(
        self, audience: Audience | None, node: list[object], done: Way, *, wanted: bool
    ) -> Way:
        operator, operands = operands_of(node)
        if operator == "not":
            wanted = not wanted
        if not operands:
            raise _Lost
        if operator == "not" or (operator == "and") is wanted:
            for each in operands:  # all of them have to be so
                done = self._inside(audience, each, done, wanted=wanted)
            return done
        ways = []
        for each in operands:
            try:
                ways.append(self._inside(audience, each, done, wanted=wanted))
            except _Lost:
                if self.left <= 0:
                    raise
        if not ways:
            raise _Lost
        return min(ways, key=len)

    def _inside(self, audience: Audience | None, node: object, done: Way, *, wanted: bool) -> Way:
        if audience is None:
            return self.rule(node, done, wanted=wanted)
        return self._node(audience, node, done, wanted=wanted)

    def _leaf(
        self, predicate: Predicate, name: tuple[str, bool], done: Way, *, wanted: bool
    ) -> Way:
        if self._ask(predicate, done) is wanted:
            return done
        axis = self.axes.get(name)
        if axis is None or axis in done:
            raise _Lost
        for value in axis.values:
            if value is not ABSENT and self._ask(predicate, {axis: value}) is wanted:
                return {**done, axis: value}
        raise _Lost

    def _ask(self, predicate: Predicate, done: Way) -> bool | None:
        self.left -= 1
        if self.left < 0:
            raise _Lost
        return predicate(but(self.user, done.items()) if done else self.user)
