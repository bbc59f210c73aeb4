"""What few requests need of what is kept of users: segments, overrides, a profile put in place.

What can't be had is None or a failure in `Known`: the handler says what it means for its answer.
"""

from __future__ import annotations

import logging

from bucketer.api.needs import (
    NotKept,
    OdpEventGiven,
    OverrideGiven,
    OverridesNeeded,
    ProfileGiven,
    ResetGiven,
    SegmentsNeeded,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from bucketer.api.http import Known, Needed
    from bucketer.ports import Outbox, Overrides, Predictor, ProfileStore, Segments

    class Stores(Protocol):
        """All that is kept of users, or asked about them: a runtime has these attributes.

        Attributes:
            overrides: may raise whatever it likes; all others never do.
        """

        profiles: ProfileStore | None
        predictor: Predictor | None
        segments: Segments | None
        odp_events: Outbox | None
        overrides: Overrides | None


_log = logging.getLogger("bucketer")


def provide(
    needed: Needed,
    known: Known,
    stores: Stores,
    deadline: float | None,
) -> None:
    """Do what the handler asks for; put what comes of it into *known*.

    Args:
        needed: one of `api.needs`.
        known: of the request.
        stores: where it is, or goes.
        deadline: by `time.monotonic`, after which nobody waits; or None.
    """
    if isinstance(needed, SegmentsNeeded):
        known.segments_asked = True
        if stores.segments is not None:
            known.segments = stores.segments.fetch(
                needed.odp,
                needed.user_id,
                ignore_cache=needed.ignore_cache,
                reset=needed.reset,
                deadline=deadline,
            )
    elif isinstance(needed, OverridesNeeded):
        known.overrides = _overrides_of(needed, stores)
    elif isinstance(needed, OverrideGiven):
        known.asked = True
        _keep_override(needed, known, stores)
    elif isinstance(needed, OdpEventGiven):
        known.asked = True
        if stores.odp_events is not None:
            stores.odp_events.add((needed.event,))
    elif isinstance(needed, ProfileGiven):
        known.asked = True
        if stores.profiles is None or not stores.profiles.replace(needed.user_id, needed.profile):
            known.failure = NotKept("profile")
    elif isinstance(needed, ResetGiven):
        known.asked = True
        _reset(needed, known, stores)


def _overrides_of(needed: OverridesNeeded, stores: Stores) -> dict[str, str]:
    if stores.overrides is None:
        return {}
    try:
        return dict(stores.overrides.of(needed.environment_id, needed.user_id))
    except Exception as error:  # noqa: BLE001 -- it must not cost the decision
        _log.warning("overrides: look-up fails: %s: %s", type(error).__name__, error)
        return {}


def _keep_override(needed: OverrideGiven, known: Known, stores: Stores) -> None:
    if stores.overrides is None:
        known.failure = NotKept("override")
        return
    try:
        known.previous = stores.overrides.put(
            needed.environment_id, needed.user_id, needed.experiment_key, needed.variation_key
        )
    except Exception as error:  # noqa: BLE001 -- the caller is told
        _log.warning("overrides: save fails: %s: %s", type(error).__name__, error)
        known.failure = NotKept("override")


def _reset(needed: ResetGiven, known: Known, stores: Stores) -> None:
    if stores.overrides is not None:
        try:
            stores.overrides.forget(needed.environment_id)
        except Exception as error:  # noqa: BLE001 -- the caller is told
            _log.warning("overrides: reset fails: %s: %s", type(error).__name__, error)
            known.failure = NotKept("reset")
    if needed.odp is not None and stores.segments is not None:
        stores.segments.forget(needed.odp)
    if stores.predictor is not None:
        stores.predictor.reset()
