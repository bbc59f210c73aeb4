"""Who is certainly in? Audience trees in, functions of the user that answer yes or no out.

A rule only asks whether its tree is True; False and UNKNOWN come to the same. Above every NOT that
makes the three values two, so an audience becomes one boolean expression, which is written out as
Python and compiled: a condition then costs a comparison, not a call. What stands below a NOT, or is
rare, is called as the three-valued predicate that `conditions` makes of it.

The generated text holds nothing of the datafile: operators, and names of values that are handed in
beside it (docs/decisions/0002-audiences-become-python.md).
"""

from __future__ import annotations

from .conditions import (
    LONGEST_REMEMBERED,
    MAX_NUMBER,
    VERSION_MATCHES,
    compile_leaf,
    compile_tree,
    is_finite,
    match_of,
    split_node,
    unknown,
    version_judge,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from .conditions import Audience, Predicate, VersionJudge
    from .user import User

    Membership: TypeAlias = Callable[[User], bool]

#: The generated expression for a condition; {want} is the name of a value, itself within bounds.
_ORDERED = {
    "gt": f"{{want}} < have <= {MAX_NUMBER}",
    "ge": f"{{want}} <= have <= {MAX_NUMBER}",
    "lt": f"{-MAX_NUMBER} <= have < {{want}}",
    "le": f"{-MAX_NUMBER} <= have <= {{want}}",
}
#: CPython's parser gives up on deeper nesting; such a tree is judged by its predicate.
_MAX_INLINE_DEPTH = 40


def write_membership(tree: object, audiences: Mapping[str, Audience]) -> Membership:
    """Compile a rule's tree, whose leaves are audience ids.

    Args:
        tree: `audienceConditions` or `audienceIds`, not empty.
        audiences: by id. Unknown ids are UNKNOWN, so nobody is certainly in.

    Returns:
        A function of the user that says whether the tree is True. It never raises.
    """
    expression, values = expression_of(tree, audiences)
    text = f"def met(user):\n    facts = user.attributes\n    return {expression}\n"
    exec(compile(text, "<audience>", "exec"), values)  # noqa: S102 -- operators and our own names
    return values["met"]  # type: ignore[return-value]


def judge_membership(tree: object, audiences: Mapping[str, Audience]) -> Membership:
    """Make the same of the audiences' predicates, without writing anything: it answers slower."""
    predicate = compile_tree(tree, _leaf_among(audiences), [])
    return lambda user: predicate(user) is True


def _leaf_among(audiences: Mapping[str, Audience]) -> Callable[[object, str], Predicate]:
    """Make what compiles a leaf of a rule's tree: the id of an audience."""

    def leaf(id_: object, _at: str) -> Predicate:
        audience = audiences.get(id_) if isinstance(id_, str) else None
        return unknown if audience is None else audience.predicate

    return leaf


def expression_of(tree: object, audiences: Mapping[str, Audience]) -> tuple[str, dict[str, object]]:
    """Write a rule's tree as an expression over `user` and `facts` (the user's attributes).

    Returns:
        The expression, and the values that it names.
    """
    writer = _Writer(audiences)
    return writer.rule(tree, 0), writer.values


class _Writer:
    """Writes expressions, and keeps the values they name."""

    def __init__(self, audiences: Mapping[str, Audience]) -> None:
        self.audiences = audiences
        self.values: dict[str, object] = {}

    def name(self, value: object) -> str:
        """Hand *value* in, and get the name it goes by."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return name

    def called(self, predicate: Predicate, answer: str = "True") -> str:
        """An expression that calls a three-valued predicate."""
        return "False" if predicate is unknown else f"({self.name(predicate)}(user) is {answer})"

    def rule(self, node: object, depth: int) -> str:
        """Write a node of the rule's tree, whose leaves are audience ids."""
        if not isinstance(node, list):
            audience = self.audiences.get(node) if isinstance(node, str) else None
            return "False" if audience is None else self.audience(audience, audience.tree, depth)

        return self._node(node, depth, self.rule, _leaf_among(self.audiences))

    def audience(self, audience: Audience, node: object, depth: int) -> str:
        """Write a node of an audience's own tree, whose leaves are conditions."""
        if not isinstance(node, list):
            condition = audience.condition_at(node)
            return "False" if condition is None else self.condition(condition)

        choice = self._choice(audience, node) if depth < _MAX_INLINE_DEPTH else None
        if choice is not None:
            return choice

        def inner(each: object, deeper: int) -> str:
            return self.audience(audience, each, deeper)

        return self._node(node, depth, inner, audience.leaf_predicate)

    def _choice(self, audience: Audience, node: list[object]) -> str | None:
        """Write an OR of texts for one attribute, a common node, as one membership."""
        operator, operands = split_node(node) if node else ("", [])
        conditions = [audience.condition_at(each) for each in operands]
        if operator != "or" or len(conditions) < 2:  # noqa: PLR2004 -- one is no choice
            return None
        name = ""
        texts: list[str] = []
        for condition in conditions:
            if condition is None or match_of(condition) != "exact":
                return None
            own, text = condition.get("name"), condition.get("value")
            if not isinstance(own, str) or not isinstance(text, str) or (texts and own != name):
                return None
            name = own
            texts.append(text)
        return self._has(name, f"{{have}} in {self.name(tuple(texts))}")

    def _node(
        self,
        node: list[object],
        depth: int,
        write: Callable[[object, int], str],
        leaf: Callable[[object, str], Predicate],
    ) -> str:
        """Write a list: AND and OR as Python's own, NOT as a call that knows three values."""
        if not node:
            return "False"
        operator, operands = split_node(node)
        if depth >= _MAX_INLINE_DEPTH:
            return self.called(compile_tree(node, leaf, []))
        if operator == "not":
            if not operands:
                return "False"
            return self.called(compile_tree(operands[0], leaf, []), "False")
        if not operands:
            return "True" if operator == "and" else "False"
        return "(" + f" {operator} ".join([write(each, depth + 1) for each in operands]) + ")"

    def condition(self, condition: dict[str, object]) -> str:
        """Write one condition: in place where it is common, as a call where it is not."""
        match, name, value = match_of(condition), condition.get("name"), condition.get("value")
        if match is None or not isinstance(name, str):
            return "False" if match is None else self.called(compile_leaf(condition) or unknown)
        if match == "exists":
            return self._has(name, "{have} is not None")
        if match == "exact":
            return self._exact(name, value, condition)
        if match in _ORDERED and is_finite(value):
            return self._number(name, _ORDERED[match].format(want=self.name(value)), condition)
        if match == "substring" and isinstance(value, str):
            text = self.name(value)
            return self._has(name, f"isinstance(have := {{have}}, str) and {text} in have")
        if match in VERSION_MATCHES and isinstance(value, str):
            return self._version(name, version_judge(match, value))
        return self.called(compile_leaf(condition) or unknown)

    def _has(self, name: str, test: str) -> str:
        """Write a test of an attribute, where {have} is its value, for users who have it.

        To look whether it is there and then at it takes two instructions of the interpreter's
        own, in less time than one call of `get`.
        """
        key = self.name(name)
        return f"({key} in facts and {test.format(have=f'facts[{key}]')})"

    def _exact(self, name: str, value: object, condition: dict[str, object]) -> str:
        if isinstance(value, str):
            return self._has(name, f"{{have}} == {self.name(value)}")
        if isinstance(value, bool):
            return self._has(name, f"{{have}} is {value}")
        if is_finite(value):
            return self._number(name, f"have == {self.name(value)}", condition)
        return self.called(compile_leaf(condition) or unknown)

    def _version(self, name: str, judge: VersionJudge | None) -> str:
        """A version that was met before costs a look into the judge's memory."""
        if judge is None:
            return "False"
        fits = f"len(have) <= {LONGEST_REMEMBERED}"
        answer = f"{self.name(judge)}(have) if {fits} else {self.name(judge.__wrapped__)}(have)"
        return self._has(name, f"isinstance(have := {{have}}, str) and ({answer}) is True")

    def _number(self, name: str, test: str, condition: dict[str, object]) -> str:
        """Plain integers and floats are compared in place, anything odder by the predicate."""
        odd = self.called(compile_leaf(condition) or unknown)
        kind = "(kind := type(have := {have})) is int or kind is float"
        return self._has(name, f"(({test}) if {kind} else {odd})")
