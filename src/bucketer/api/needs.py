"""What few requests need of the shell: segments, overrides, and what they want to have kept.

Beside those in `http`; a cold start does without.
"""

from __future__ import annotations

from .http import Needed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.core.integration import Integration
    from bucketer.core.odp import OdpEvent


class NotKept(Exception):
    """What the caller gave could not be kept.

    Attributes:
        what: an `override`, a `profile`, or a `reset`.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"The {self.what} could not be kept. The service's log says why."


class SegmentsNeeded(Needed):
    """Ask ODP which segments a user is in, and call again with them, or with `segments_asked`.

    Attributes:
        odp: the datafile's integration: whom to ask, and about which segments.
        user_id: of whom.
        ignore_cache: ask whatever is remembered, and remember nothing.
        reset: forget all users of the integration first.
    """

    def __init__(
        self, odp: Integration, user_id: str, *, ignore_cache: bool = False, reset: bool = False
    ) -> None:
        """Name the user."""
        super().__init__(user_id)
        self.odp, self.user_id = odp, user_id
        self.ignore_cache, self.reset = ignore_cache, reset


class OdpEventGiven(Needed):
    """Hand `event` over to the outbox of ODP, and call again with `asked`."""

    def __init__(self, event: OdpEvent) -> None:
        """Take the event."""
        super().__init__(event.uuid)
        self.event = event


class ProfileGiven(Needed):
    """Put `profile` in the place of the user's stored one, and call again with `asked`."""

    def __init__(self, user_id: str, profile: dict[str, str]) -> None:
        """Take experiment id → variation id, the whole of it."""
        super().__init__(user_id)
        self.user_id, self.profile = user_id, profile


class OverridesNeeded(Needed):
    """Look up the overrides of `user_id` in `environment_id`, and call again.

    Attributes:
        environment_id: of the environment: `ApiOptions.environment_id`.
        user_id: whose.
    """

    def __init__(self, environment_id: str, user_id: str) -> None:
        """Name environment and user."""
        super().__init__(environment_id, user_id)
        self.environment_id, self.user_id = environment_id, user_id


class OverrideGiven(Needed):
    """Keep an override; call again with `asked` and `previous`.

    Attributes:
        environment_id: of the environment: `ApiOptions.environment_id`.
        user_id, experiment_key: what it is for.
        variation_key: what the user is to get; empty removes it.
    """

    def __init__(
        self, environment_id: str, user_id: str, experiment_key: str, variation_key: str
    ) -> None:
        """Take the four."""
        super().__init__(environment_id, user_id, experiment_key, variation_key)
        self.environment_id, self.user_id, self.experiment_key = (
            environment_id,
            user_id,
            experiment_key,
        )
        self.variation_key = variation_key


class ResetGiven(Needed):
    """Forget what is kept of the users of one environment; call again with `asked`.

    Attributes:
        environment_id: of the environment: `ApiOptions.environment_id`.
        odp: its datafile's integration, or None.
    """

    def __init__(self, environment_id: str, odp: Integration | None) -> None:
        """Name the environment."""
        super().__init__(environment_id)
        self.environment_id, self.odp = environment_id, odp
