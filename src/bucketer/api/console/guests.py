"""Invented visitors for two rulesets: each has some of what the audiences of either ask for.

Whom nobody's audience lets in would switch nowhere. So each attribute that conditions mention is
one of the values that they mention, or missing, by a hash of the visitor's name: the same each
time, and as good as drawn.
"""

from __future__ import annotations

from bucketer.core.bucketing import TOTAL_TRAFFIC, bucket_value
from bucketer.core.mentions import BOOLEAN, mentions
from bucketer.core.user import User

from .asked import attributes_of, segments_of, whole_of
from .crowd import MOST_SEEDS, audiences_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from bucketer.core.ruleset import Ruleset

    from .asked import Subject

#: So many values of an attribute are given out, beside its absence.
_MOST_VALUES = 8
_MISSING = object()


class Guests:
    """Visitors for one flag or experiment.

    Attributes:
        cost: what deciding for one of them is weighed as: 1, and more for many conditions.
    """

    __slots__ = ("_fixed", "_prefix", "_segments", "_values", "cost")

    def __init__(
        self, body: Mapping[str, Any], rulesets: Sequence[Ruleset], subject: Subject
    ) -> None:
        """Read what *body* says of all of them; *rulesets* have the subject.

        Raises:
            InvalidRequest: it can't be understood.
        """
        self._fixed, self._segments = attributes_of(body), segments_of(body)
        seed = whole_of(body, "seed", 1, 1, MOST_SEEDS)
        self._prefix = "visitor-" if seed == 1 else f"visitor-{seed}-"
        self._values: dict[str, list[object]] = {}
        weight = 0
        for ruleset in rulesets:
            audiences = audiences_for(ruleset, subject)
            weight += sum(each.leaves for each in audiences)
            for name, mention in mentions(audiences).items():
                told = [True, False] if mention.kind == BOOLEAN else mention.values()
                known = self._values.setdefault(name, [])
                known += [each for each in told[:_MOST_VALUES] if each not in known]
        self._values = {
            name: [*values, _MISSING]
            for name, values in self._values.items()
            if name not in self._fixed
        }
        self.cost = 1 + (weight + len(self._values)) // 16

    def __getitem__(self, number: int) -> User:
        """The visitor of that *number*."""
        name = f"{self._prefix}{number}"
        attributes = dict(self._fixed)
        for key, values in self._values.items():
            value = values[bucket_value(name, key) * len(values) // TOTAL_TRAFFIC]
            if value is not _MISSING:
                attributes[key] = value
        user = User(name, attributes)
        return user if self._segments is None else user.knowing(segments=self._segments)
