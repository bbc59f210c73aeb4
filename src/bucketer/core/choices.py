"""Many `exact` conditions on one attribute as one look-up.

An audience that lists twenty thousand user ids costs a visitor as much as one that lists two. An OR
of such conditions becomes a `Choice`, and so do the NOTs of an AND, since NOT a AND NOT b is
NOT (a OR b) in three truth values as in two.
"""

from __future__ import annotations

from .conditions import exact, is_finite, match_of
from .trees import MERGED, split_node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from .conditions import Predicate
    from .user import User

#: A value's own hash is only asked of what JSON can give; a caller's own types compare one by one.
_PLAIN = (str, int, float)


class Choice:
    """An OR of `exact` conditions on one attribute.

    Attributes:
        name: the attribute's key.
        values: what it is compared with: texts, booleans and numbers that can be compared.
        texts, truths, numbers: the same by kind, since a condition of another kind than the
            user's value is UNKNOWN.
    """

    __slots__ = ("_kinds", "name", "values")

    def __init__(self, name: str, values: tuple[object, ...]) -> None:
        self.name = name
        self.values = values
        self._kinds: tuple[frozenset[object], ...] | None = None

    @property
    def kinds(self) -> tuple[frozenset[object], ...]:
        """Texts, booleans and numbers, as sets that are made when first asked for."""
        if self._kinds is None:
            by_kind: tuple[set[object], ...] = (set(), set(), set())
            for each in self.values:
                kind = 0 if isinstance(each, str) else 1 if isinstance(each, bool) else 2
                by_kind[kind].add(each)
            self._kinds = tuple(map(frozenset, by_kind))
        return self._kinds

    def predicate(self) -> Predicate:
        """Make the function of the user that answers the whole OR."""
        name = self.name
        if len(self.values) == 1:
            return exact(name, self.values[0])  # type: ignore[return-value]  # its value compares
        texts, truths, numbers = self.kinds
        no_text = None if truths or numbers else False
        no_truth = None if texts or numbers else False
        no_number = None if texts or truths else False

        def chosen(user: User) -> bool | None:
            have = user.attributes.get(name)
            if isinstance(have, str):
                return True if _among(texts, have) else no_text
            if isinstance(have, bool):
                return True if have in truths else no_truth
            if is_finite(have):
                return True if _among(numbers, have) else no_number
            return None

        return chosen


def _among(values: Collection[object], have: object) -> bool:
    if have.__class__ in _PLAIN:
        return have in values
    return any(have == each for each in values)


def choice_of(condition: Mapping[str, object] | None) -> Choice | None:
    """The condition as a choice of one; None where it is no `exact` that somebody can meet."""
    if condition is None or match_of(condition) != "exact":
        return None
    name, value = condition.get("name"), condition.get("value")
    if not isinstance(name, str) or not (isinstance(value, (str, bool)) or is_finite(value)):
        return None
    return Choice(name, (value,))


def gather(node: object, leaf: Callable[[object], Choice | None]) -> object:
    """Merge the choices of a tree, as far as its operators let them.

    Operands that are left keep their places, so that pointers to them stay true.

    Args:
        node: a tree whose lists are at most `trees.MAX_DEPTH` deep.
        leaf: the choice that a leaf comes to, if any.

    Returns:
        The tree with `Choice`s among its leaves and MERGED in the places of what they took in;
        *node* itself where there is nothing to merge.
    """
    if not isinstance(node, list) or not node:
        return node
    operator, operands = split_node(node)
    offset = len(node) - len(operands)
    if operator == "not":
        operands = operands[:1]
    gathered = [gather(each, leaf) if isinstance(each, list) else each for each in operands]
    merged = operator != "not" and len(gathered) > 1 and _merge(gathered, operator, leaf)
    if not merged and all(map(_is, gathered, operands)):
        return node
    return [*node[:offset], *gathered]


def _is(one: object, other: object) -> bool:
    return one is other


def _merge(operands: list[object], operator: str, leaf: Callable[[object], Choice | None]) -> bool:
    """Merge the choices among *operands*, in place; says whether there was anything to merge."""
    found = [_choice_in(each, operator, leaf) for each in operands]
    places: dict[str, list[int]] = {}
    for index, choice in enumerate(found):
        if choice is not None:
            places.setdefault(choice.name, []).append(index)
    shared = {name: indices for name, indices in places.items() if len(indices) > 1}
    for name, indices in shared.items():
        taken = [found[index] for index in indices]
        whole = Choice(name, tuple([value for one in taken if one for value in one.values]))
        for index in indices:
            operands[index] = MERGED
        operands[indices[0]] = whole if operator == "or" else ["not", whole]
    while operands[-1] is MERGED:
        operands.pop()
    return bool(shared)


def _choice_in(
    node: object, operator: str, leaf: Callable[[object], Choice | None]
) -> Choice | None:
    """The choice that an operand comes to; under AND, the one that it denies."""
    node = _lone(node)
    if operator == "and":
        if not isinstance(node, list) or not node or node[0] != "not" or len(node) == 1:
            return None
        node = _lone(node[1])
    if isinstance(node, Choice):
        return node
    return None if isinstance(node, list) else leaf(node)


def whole_choice(node: object, leaf: Callable[[object], Choice | None]) -> Choice | None:
    """The choice that a gathered tree comes to as a whole."""
    return _choice_in(node, "or", leaf)


def _lone(node: object) -> object:
    """The operand of an AND or OR that has one, however often that is wrapped."""
    while isinstance(node, list) and node:
        operator, operands = split_node(node)
        if operator == "not" or len(operands) != 1:
            break
        node = operands[0]
    return node
