"""One change that would give another variation, and all that were found; see `counterfactuals`."""

from __future__ import annotations

from .mentions import HOLDOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .alternatives import Axis
    from .decision import Decision
    from .user import User

#: Kinds of changes; `mentions.HOLDOUT` is one.
ATTRIBUTES, TRAFFIC, STATUS, USER = "attributes", "traffic", "status", "user"
WHITELIST, STORED, FORCED = "whitelist", "stored", "forced"
ORDER = (ATTRIBUTES, TRAFFIC, STATUS, WHITELIST, STORED, FORCED, HOLDOUT, USER)


class Change:
    """One change that gives another variation.

    Attributes:
        kind: ATTRIBUTES, TRAFFIC, STATUS, WHITELIST, STORED, FORCED, HOLDOUT or USER.
        gives: what is decided then.
        axes: for ATTRIBUTES: each axis with its other value.
        rule: the key of the rule or holdout that would differ, or "".
        end: for TRAFFIC: where the range that is made longer or shorter would end, in buckets.
        share: for TRAFFIC: how much of the line leads to a variation then.
        is_in: for TRAFFIC: the user comes in; False: falls out.
        user: who would be asked for; None where only another datafile would do it.
    """

    __slots__ = ("axes", "end", "gives", "is_in", "kind", "rule", "share", "user")

    def __init__(
        self,
        kind: str,
        gives: Decision,
        *,
        axes: tuple[tuple[Axis, object], ...] = (),
        rule: str = "",
        user: User | None = None,
    ) -> None:
        self.kind, self.gives, self.axes, self.rule, self.user = kind, gives, axes, rule, user
        self.end, self.share, self.is_in = 0, 0.0, False


class Changes:
    """What was found.

    Attributes:
        items: the nearest first: fewer attributes before more, then by kind.
        tried: how many decisions were made.
        together: all sets of so many attributes were tried, of the values that were considered.
        why: why not all that is considered was, a clause; "" where all was.
    """

    __slots__ = ("items", "together", "tried", "why")

    def __init__(self) -> None:
        self.items: list[Change] = []
        self.tried, self.together, self.why = 0, 0, ""
