"""What else a user might be, as far as conditions can tell: for each attribute a few values.

Two values of an attribute that all conditions answer alike are one to every decision. So of those
one is enough: the nearest to what the user has.
"""

from __future__ import annotations

from .conditions import MAX_NUMBER, VERSION_MATCHES, compile_leaf, is_finite
from .user import User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    from .conditions import Predicate
    from .mentions import Mention

    Signature: TypeAlias = tuple[bool | None, ...]

#: Stands for an attribute that the user has not.
ABSENT = object()
#: A text that hardly any condition asks for.
OTHER = "other"
#: So many values of one attribute are looked at.
MOST_VALUES = 300
#: A longer text is not suggested to anybody.
_LONGEST = 500
_ORDERED = frozenset({"gt", "ge", "lt", "le"})
_LAST = 9
#: No two numbers that compare are farther apart.
_FARTHEST = 4.0 * MAX_NUMBER


class Axis:
    """One attribute, or one segment, and what it might be instead.

    Attributes:
        name: of the attribute or segment.
        is_segment: which of the two.
        values: other values than the user's, the nearest first: no two of them, and none of them
            and the user's, are alike to all conditions. ABSENT is one. For a segment True or False.
        is_whole: every value that conditions mention was looked at.
        looked_at: how many were.
    """

    __slots__ = ("is_segment", "is_whole", "looked_at", "name", "values")

    def __init__(
        self,
        name: str,
        values: list[object],
        *,
        is_segment: bool = False,
        is_whole: bool = True,
        looked_at: int = 1,
    ) -> None:
        self.name, self.values, self.looked_at = name, values, looked_at
        self.is_segment, self.is_whole = is_segment, is_whole


def axis_of(mention: Mention, user: User, most: int = MOST_VALUES) -> Axis:
    """The axis of an attribute, for one user; at most so many values are looked at."""
    most = min(most, MOST_VALUES)
    name = mention.name
    pairs = mention.pairs()
    leaves = [
        leaf
        for match, value in pairs
        if (leaf := compile_leaf({"name": name, "match": match, "value": value, "type": _TYPE}))
    ]
    have = user.attributes.get(name, ABSENT)
    found = _distinct(_candidates(pairs, have))
    candidates = [each for each in found if not _is_long(each)]
    is_whole = len(candidates) == len(found) <= most
    candidates = candidates[:most]
    ordered = sorted(candidates, key=lambda each: _distance(each, have))
    seen = {_signature(leaves, name, have)}
    values = []
    for each in ordered:
        signature = _signature(leaves, name, each)
        if signature not in seen:
            seen.add(signature)
            values.append(each)
    return Axis(name, values, is_whole=is_whole, looked_at=len(candidates))


def _is_long(value: object) -> bool:
    return isinstance(value, str) and len(value) > _LONGEST


_TYPE = "custom_attribute"


def _signature(leaves: Iterable[Predicate], name: str, value: object) -> Signature:
    user = User("", {} if value is ABSENT else {name: value})
    return tuple([leaf(user) for leaf in leaves])


def _distinct(values: Iterable[object]) -> list[object]:
    """Each once; 1, 1.0 and True are three."""
    return list({(each.__class__, each): each for each in values}.values())


def _distance(value: object, have: object) -> float:
    """How far a value is from what the user has; what can't be measured keeps its order."""
    if is_finite(value) and is_finite(have):
        return float(abs(value - have))  # type: ignore[operator]  # numbers, both
    # Another kind of value comes behind, to take it away comes last.
    if value is ABSENT:
        return 2 * _FARTHEST
    if value is None:
        return 1.5 * _FARTHEST
    return _FARTHEST if is_finite(have) else 0.0


def _candidates(pairs: list[tuple[str, object]], have: object) -> Iterator[object]:
    """Values that conditions mention, then some beside them, then none."""
    numbers = sorted({value for _, value in pairs if is_finite(value)})  # type: ignore[type-var]  # numbers
    for match, value in pairs:
        if match != "exists" and not (match in _ORDERED or is_finite(value)):
            yield value
    yield from _numbers(numbers)  # type: ignore[arg-type]  # as above
    texts = [value for match, value in pairs if match == "substring" and isinstance(value, str)]
    if len(texts) > 1:
        yield " ".join(texts)
    for match, value in pairs:
        if match in VERSION_MATCHES and isinstance(value, str):
            yield from _versions(value)
        elif isinstance(value, bool):
            yield not value
    if any(isinstance(value, str) or match == "exists" for match, value in pairs):
        yield OTHER
    yield ABSENT
    if have is not ABSENT:  # it exists, and is of no kind that anything compares
        yield None


def _numbers(thresholds: list[float]) -> Iterator[float]:
    """Each number, the whole one on each side of it, and one between two that are close."""
    for index, each in enumerate(thresholds):
        yield each
        yield each // 1 + 1
        yield -(-each // 1) - 1
        if index and each - thresholds[index - 1] <= 1:
            yield (each + thresholds[index - 1]) / 2


def _versions(text: str) -> Iterator[str]:
    """A version after *text*, and one before it, where it is made of numbers."""
    parts = text.partition("-")[0].partition("+")[0].split(".")
    if not all(part.isascii() and part.isdigit() and len(part) <= _LAST for part in parts):
        return
    numbers = [int(part) for part in parts]
    yield ".".join(map(str, [*numbers[:-1], numbers[-1] + 1]))
    for index in range(len(numbers) - 1, -1, -1):
        if numbers[index]:
            before = [*numbers[:index], numbers[index] - 1]
            yield ".".join(map(str, [*before, *[_LAST] * (len(numbers) - index - 1)]))
            return


def but(user: User, changes: Iterable[tuple[Axis, object]]) -> User:
    """The user, who is something else on some axes."""
    attributes = dict(user.attributes)
    segments = None if user.segments is None else set(user.segments)
    for axis, value in changes:
        if axis.is_segment:
            segments = segments or set()
            (segments.add if value else segments.discard)(axis.name)
        elif value is ABSENT:
            attributes.pop(axis.name, None)
        else:
            attributes[axis.name] = value
    known = user.known
    if known is None and segments is None:
        return User(user.id, attributes)
    return User(
        user.id,
        attributes,
        segments=segments,
        forced_decisions=user.forced_decisions,
        forced_variations=user.forced_variations,
        profile=user.profile,
        predictions=user.predictions,
    )
