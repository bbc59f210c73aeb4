"""Many visitors for one question: invented ones, or those that somebody pasted.

Invented ones are called `visitor-1` and so on, or `visitor-2-1` with another seed than 1: the same
ones each time, and as good as drawn, since their names are hashed.
"""

from __future__ import annotations

from bucketer.core.errors import InvalidRequest
from bucketer.core.mentions import BOOLEAN, audiences_of, looked_at, mentions
from bucketer.core.user import User

from .asked import attributes_of, segments_of, text_of, whole_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from bucketer.core.audience import Audience
    from bucketer.core.ruleset import Ruleset

    from .asked import Subject

MOST_VISITORS = 10_000
_LONGEST_ID = 1_000
MOST_SEEDS = 1_000_000
#: So many values of one attribute are told apart, beside its absence.
_MOST_VALUES = 20
#: What may be spent on a crowd: one for each visitor, and more for what each has to be asked.
_BUDGET = 1_000_000
_CONDITIONS, _CHARS = 16, 1_000

#: Stands for visitors who have not the attribute.
MISSING = object()


class Crowd:
    """Visitors for one question.

    Attributes:
        ids: of each visitor.
        by: the attribute by which they are told apart, or "".
        values: what that is for each in turn: the first has the first, and so on around.
        attributes: of all of them.
        asked: how many were asked for; there are fewer where each takes long to decide.
    """

    __slots__ = ("_segments", "asked", "attributes", "by", "ids", "values")

    def __init__(self, body: Mapping[str, Any], ruleset: Ruleset, subject: Subject | None) -> None:
        """Read whom *body* wants.

        Raises:
            InvalidRequest: it can't be understood.
        """
        self.attributes = attributes_of(body)
        self._segments = segments_of(body)
        self.ids = _ids_of(body)
        self.asked = len(self.ids)
        self.by = text_of(body, "by")
        audiences = [] if subject is None else audiences_for(ruleset, subject)
        self.values = _values_of(self.by, audiences) if self.by else [MISSING]
        weight = sum(each.leaves for each in audiences)
        chars = sum(len(each) for each in self.attributes.values() if isinstance(each, str))
        cost = 1 + weight * (1 + chars // _CHARS) // _CONDITIONS
        self.ids = self.ids[: max(_BUDGET // cost, 1)]
        User("", self.attributes)  # raises for what can't be hashed

    def __iter__(self) -> Iterator[tuple[User, int]]:
        """Go through them: each visitor, with the index of the value of `by`."""
        kinds = [self._facts(value) for value in self.values]
        count, segments = len(kinds), self._segments
        for index, id_ in enumerate(self.ids):
            which = index % count
            if segments is None:
                yield User(id_, kinds[which]), which
            else:
                yield User(id_, kinds[which], segments=segments), which

    def like(self, which: int) -> User:
        """Somebody with the attributes of those of one value."""
        user = User("", self._facts(self.values[which]))
        return user if self._segments is None else user.knowing(segments=self._segments)

    def _facts(self, value: object) -> dict[str, object]:
        if not self.by:
            return self.attributes
        rest = {name: each for name, each in self.attributes.items() if name != self.by}
        return rest if value is MISSING else {**rest, self.by: value}


def _ids_of(body: Mapping[str, Any]) -> list[str]:
    ids = body.get("ids")
    if ids is None:
        count = whole_of(body, "visitors", MOST_VISITORS, 1, MOST_VISITORS)
        seed = whole_of(body, "seed", 1, 1, MOST_SEEDS)
        prefix = "visitor-" if seed == 1 else f"visitor-{seed}-"
        return [f"{prefix}{number}" for number in range(1, count + 1)]
    is_list = isinstance(ids, list) and 0 < len(ids) <= MOST_VISITORS
    if not is_list or not all(isinstance(each, str) and len(each) <= _LONGEST_ID for each in ids):
        message = (
            f"Field 'ids' must be a list of 1 to {MOST_VISITORS} strings of at most {_LONGEST_ID} "
            "characters."
        )
        raise InvalidRequest(message, field="ids")
    for each in ids:
        User(each)  # raises for what can't be hashed
    return list(ids)


def audiences_for(ruleset: Ruleset, subject: Subject) -> list[Audience]:
    """The audiences that deciding a flag or experiment may ask."""
    if subject.kind == "experiment":
        return audiences_of(ruleset, [ruleset.experiments[subject.key]])
    looked = looked_at(ruleset, ruleset.flags[subject.key])
    return audiences_of(ruleset, [each.experiment for each in looked])


def _values_of(name: str, audiences: list[Audience]) -> list[object]:
    mention = mentions(audiences).get(name)
    if mention is None:
        return [MISSING]
    values = [True, False] if mention.kind == BOOLEAN else mention.values()
    return [*values[:_MOST_VALUES], MISSING]
