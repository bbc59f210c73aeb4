"""Which decisions somebody who listens at `/tail` wants to be told. A plain value."""

from __future__ import annotations


class Wanted:
    """Which decisions a listener wants; "" for any.

    Attributes:
        environment, flag, user, variation, reason: to the letter.
        per_second: how many at the most.
    """

    __slots__ = ("environment", "flag", "per_second", "reason", "user", "variation")

    def __init__(
        self,
        *,
        environment: str = "",
        flag: str = "",
        user: str = "",
        variation: str = "",
        reason: str = "",
        per_second: int,
    ) -> None:
        """Keep the values."""
        self.environment, self.flag, self.user = environment, flag, user
        self.variation, self.reason, self.per_second = variation, reason, per_second
