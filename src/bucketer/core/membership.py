"""Who is certainly in? Audience trees in, functions of the user that answer yes or no out.

A rule only asks whether its tree is True; False and UNKNOWN come to the same. Above every NOT that
makes the three values two, so an audience becomes one boolean expression, which is written out as
Python and compiled: a condition then costs a comparison, not a call. What stands below a NOT, or is
rare, is called as the three-valued predicate that `conditions` makes of it.

The generated text holds nothing of the datafile: operators, and names of values that are handed in
beside it (docs/decisions/0002-audiences-become-python.md).
"""

from __future__ import annotations

from .choices import Choice, gather
from .conditions import (
    LONGEST_REMEMBERED,
    MAX_NUMBER,
    VERSION_MATCHES,
    compile_leaf,
    is_finite,
    judge_version,
    match_of,
    remembered_version,
    unknown,
    version_test,
)
from .trees import MERGED, compile_tree, split_node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from .audience import Audience
    from .conditions import Predicate, VersionTest
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
#: What has more conditions than this is not written out: CPython takes up to 30 us for one, the
#: code takes a kilobyte, and a request must not wait longer than a millisecond for either.
MAX_WRITTEN = 32
#: Up to so many texts are compared one by one, in less time than it takes to look at the type.
_FEW = 8
#: An audience that chooses among so many values may be merged into each rule that lists it; of a
#: larger one there is one set, for all of them.
_MERGED = 16


def is_small(tree: object, audiences: Mapping[str, Audience]) -> bool:
    """Say whether a rule's tree, with all that its audiences ask, is worth writing out."""
    return _written_size(tree, audiences) <= MAX_WRITTEN


def _written_size(node: object, audiences: Mapping[str, Audience]) -> int:
    if not isinstance(node, list):
        audience = audiences.get(node) if isinstance(node, str) else None
        return 1 if audience is None else audience.size
    size = 0
    for each in split_node(node)[1] if node else ():
        size += _written_size(each, audiences)
        if size > MAX_WRITTEN:
            break
    return size or 1


def write_membership(tree: object, audiences: Mapping[str, Audience]) -> Membership:
    """Compile a rule's tree, whose leaves are audience ids.

    Args:
        tree: `audienceConditions` or `audienceIds`, not empty, and small.
        audiences: by id. Unknown ids are UNKNOWN, so nobody is certainly in.

    Returns:
        A function of the user that says whether the tree is True. It never raises.
    """
    expression, values = expression_of(tree, audiences)
    text = f"def met(user):\n    facts = user.attributes\n    return {expression}\n"
    exec(compile(text, "<audience>", "exec"), values)  # noqa: S102 -- operators and our own names
    return values.pop("met")  # type: ignore[return-value]


def judge_membership(tree: object, audiences: Mapping[str, Audience]) -> Membership:
    """Make the same of the audiences' predicates, without writing anything: it answers slower.

    However often a tree lists an audience, it is asked once per user.
    """
    leaf = _leaf_among(audiences)
    if not _repeats(tree, audiences, set()):
        predicate = compile_tree(_gathered(tree, audiences), leaf, [])
        return lambda user: predicate(user) is True

    asked: dict[str, Predicate] = {}

    def remembered(id_: object, at: str) -> Predicate:
        if not isinstance(id_, str):
            return unknown
        if id_ not in asked:
            asked[id_] = _once(id_, leaf(id_, at))
        return asked[id_]

    visited = compile_tree(tree, remembered, [])
    return lambda user: visited(_Visit(user)) is True  # type: ignore[arg-type]  # operators hand on what they get


class _Visit:
    """A user, while a tree is judged that lists an audience more than once, and what was found."""

    __slots__ = ("found", "user")

    def __init__(self, user: User) -> None:
        self.user = user
        self.found: dict[str, bool | None] = {}


def _once(id_: str, predicate: Predicate) -> Predicate:
    """Make what asks *predicate* the first time in a visit, and knows the answer afterwards."""

    def once(visit: _Visit) -> bool | None:
        found = visit.found
        if id_ not in found:
            found[id_] = predicate(visit.user)
        return found[id_]

    return once  # type: ignore[return-value]  # as above: what it gets is a visit


def _repeats(node: object, audiences: Mapping[str, Audience], met: set[str]) -> bool:
    """Whether a tree lists an audience twice that takes longer to ask than to remember."""
    if isinstance(node, list):
        return any(_repeats(each, audiences, met) for each in node)
    audience = audiences.get(node) if isinstance(node, str) else None
    if audience is None or audience.size <= _FEW:
        return False
    again = audience.id in met
    met.add(audience.id)
    return again


def _gathered(tree: object, audiences: Mapping[str, Audience]) -> object:
    """The tree with small audiences merged that choose among values of one attribute."""

    def choice(id_: object) -> Choice | None:
        audience = audiences.get(id_) if isinstance(id_, str) else None
        found = None if audience is None else audience.choice
        return found if found is not None and len(found.values) <= _MERGED else None

    return gather(tree, choice)


def _leaf_among(audiences: Mapping[str, Audience]) -> Callable[[object, str], Predicate]:
    """Make what compiles a leaf of a rule's tree: the id of an audience, or what was merged."""

    def leaf(id_: object, _at: str) -> Predicate:
        if isinstance(id_, Choice):
            return id_.predicate()
        audience = audiences.get(id_) if isinstance(id_, str) else None
        return unknown if audience is None else audience.predicate

    return leaf


def expression_of(tree: object, audiences: Mapping[str, Audience]) -> tuple[str, dict[str, object]]:
    """Write a rule's small tree as an expression over `user` and `facts` (the user's attributes).

    Returns:
        The expression, and the values that it names.
    """
    writer = _Writer(audiences)
    return writer.rule(_gathered(tree, audiences), 0), writer.values


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
        if isinstance(node, Choice):
            return self.choice(node)
        if not isinstance(node, list):
            audience = self.audiences.get(node) if isinstance(node, str) else None
            return (
                "False" if audience is None else self.audience(audience, audience.gathered, depth)
            )
        return self._node(node, depth, self.rule, _leaf_among(self.audiences))

    def audience(self, audience: Audience, node: object, depth: int) -> str:
        """Write a node of an audience's own tree, whose leaves are conditions."""
        if isinstance(node, Choice):
            return self.choice(node)
        if not isinstance(node, list):
            condition = audience.condition_at(node)
            return "False" if condition is None else self.condition(condition)

        def inner(each: object, deeper: int) -> str:
            return self.audience(audience, each, deeper)

        return self._node(node, depth, inner, audience.leaf_predicate)

    def choice(self, choice: Choice) -> str:
        """Write many values for one attribute as one look-up, by the kind of the user's value."""
        texts, truths, numbers = choice.kinds
        if len(texts) == len(choice.values) <= _FEW:
            return self._has(choice.name, f"{{have}} in {self.name(tuple(choice.values))}")
        answer = self.called(choice.predicate())  # for values of other kinds than it has
        if truths:
            answer = f"have in {self.name(truths)} if kind is bool else {answer}"
        if numbers:
            test = f"have in {self.name(numbers)} if kind is int or kind is float"
            answer = f"{test} else {answer}"
        if texts:
            answer = f"have in {self.name(texts)} if kind is str else {answer}"
        # Assigned first: the kind is looked at in front of what it decides.
        return self._has(choice.name, f"((kind := type(have := {{have}})) and ({answer}))")

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
        written = [write(each, depth + 1) for each in operands if each is not MERGED]
        return "(" + f" {operator} ".join(written) + ")"

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
            return self._version(name, version_test(match, value))
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

    def _version(self, name: str, test: VersionTest | None) -> str:
        """A version that was met before costs a look into what is remembered of all."""
        if test is None:
            return "False"
        self.values.update(remembered=remembered_version, judged=judge_version)
        judge = f"(remembered if len(have) <= {LONGEST_REMEMBERED} else judged)"
        answer = f"{judge}({self.name(test)}, have) is True"
        return self._has(name, f"isinstance(have := {{have}}, str) and {answer}")

    def _number(self, name: str, test: str, condition: dict[str, object]) -> str:
        """Plain integers and floats are compared in place, anything odder by the predicate."""
        odd = self.called(compile_leaf(condition) or unknown)
        kind = "(kind := type(have := {have})) is int or kind is float"
        return self._has(name, f"(({test}) if {kind} else {odd})")
