"""Settings in, what is kept of users and asked about them out: profiles, predictions, segments."""

from __future__ import annotations

import threading

from bucketer.runtime.ids import new_uuid

#: Users whose profiles are kept, where the setting doesn't say (docs/profiles-and-predictions.md).
_MAX_IN_MEMORY, _MAX_IN_FILE = 100_000, 1_000_000

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from bucketer.core.bandit import PredictionNeeded
    from bucketer.core.integration import Integration
    from bucketer.core.user import Prediction
    from bucketer.odp.segments import CachedSegments
    from bucketer.ports import Overrides
    from bucketer.predictions.predictor import CachedPredictor
    from bucketer.profiles.guard import GuardedProfiles
    from bucketer.settings import Settings


def build_profiles(settings: Settings) -> GuardedProfiles | None:
    """Return the store of user profiles, which is opened when it is first needed; or None."""
    home = settings.profiles
    if home == "off":
        return None
    from bucketer.profiles.guard import GuardedProfiles

    limit = settings.profiles_max
    if home == "memory":
        from bucketer.profiles.memory import MemoryProfiles

        return GuardedProfiles(MemoryProfiles(limit or _MAX_IN_MEMORY), "memory")
    from bucketer.profiles.sqlite import SqliteProfiles

    path = _profiles_path(settings)
    return GuardedProfiles(SqliteProfiles(path, limit or _MAX_IN_FILE), str(path))


def build_overrides(settings: Settings) -> Overrides | None:
    """Return what keeps overrides, or None where they are off."""
    if not settings.overrides:
        return None
    if settings.profiles.startswith("sqlite"):
        from bucketer.profiles.sqlite_overrides import SqliteOverrides

        return SqliteOverrides(_profiles_path(settings))
    from bucketer.profiles.overrides import MemoryOverrides

    return MemoryOverrides()


def _profiles_path(settings: Settings) -> Path:
    from pathlib import Path

    path = settings.profiles.removeprefix("sqlite").removeprefix(":")
    return Path(path or f"{settings.state_dir}/profiles.sqlite").expanduser()


def build_segments(settings: Settings) -> SegmentsWhenNeeded | None:
    """Return what asks ODP, made when it is first needed; None where it is off."""
    if not settings.odp:
        return None

    def make() -> CachedSegments:
        from bucketer.odp.cache import Cache
        from bucketer.odp.client import SegmentsClient
        from bucketer.odp.segments import CachedSegments

        client = SegmentsClient(settings.odp_host, settings.odp_timeout)
        return CachedSegments(client, Cache(settings.odp_cache_size, settings.odp_cache_age))

    return SegmentsWhenNeeded(make)


def build_predictor(settings: Settings) -> CachedPredictor:
    """Return what asks the bandits."""
    return open_predictor(settings.cmab_endpoint, settings.cmab_timeout)


def open_predictor(endpoint: str | None = None, timeout_s: float | None = None) -> CachedPredictor:
    """Return what asks contextual bandits and remembers their answers: one for a process.

    Args:
        endpoint: http:// or https://; the rule's id takes the place of `{}` in it, or goes behind
            it. None for Optimizely's.
        timeout_s: seconds for one attempt, of which there are two. None for 10.
    """
    from bucketer.predictions.client import ENDPOINT, TIMEOUT_S, PredictionClient
    from bucketer.predictions.predictor import CachedPredictor

    client = PredictionClient(
        ENDPOINT if endpoint is None else endpoint,
        TIMEOUT_S if timeout_s is None else timeout_s,
    )
    return CachedPredictor(client, new_uuid)


class PredictorWhenNeeded:
    """A predictor made for the first rule that needs one: most projects have no bandit."""

    def __init__(self, make: Callable[[], CachedPredictor]) -> None:
        self._make = make
        self._made: CachedPredictor | None = None
        self._lock = threading.Lock()

    def predict(
        self,
        needed: PredictionNeeded,
        options: Collection[str] = (),
        deadline: float | None = None,
    ) -> Prediction | None:
        """Ask the predictor, which is made now if it wasn't."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
        return self._made.predict(needed, options, deadline)

    def reset(self) -> None:
        """Forget all answers, if there are any."""
        if self._made is not None:
            self._made.reset()

    def close(self) -> None:
        """Close the predictor, if there is one."""
        if self._made is not None:
            self._made.close()

    def to_json(self) -> dict[str, object]:
        """Return its counters, for health; none before it was needed."""
        return {} if self._made is None else self._made.to_json()


class SegmentsWhenNeeded:
    """What asks ODP, made for the first request that wants segments: few do."""

    def __init__(self, make: Callable[[], CachedSegments]) -> None:
        self._make = make
        self._made: CachedSegments | None = None
        self._lock = threading.Lock()

    def fetch(
        self,
        odp: Integration,
        user_id: str,
        *,
        ignore_cache: bool = False,
        reset: bool = False,
        deadline: float | None = None,
    ) -> tuple[str, ...] | None:
        """Ask ODP by what is made now if it wasn't."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
        return self._made.fetch(
            odp, user_id, ignore_cache=ignore_cache, reset=reset, deadline=deadline
        )

    def forget(self, odp: Integration) -> None:
        """Forget what was said of the users of one account."""
        if self._made is not None:
            self._made.forget(odp)

    def close(self) -> None:
        """Close it, if it was made."""
        if self._made is not None:
            self._made.close()

    def to_json(self) -> dict[str, object]:
        """Return its counters, for health; none before it was needed."""
        return {} if self._made is None else self._made.to_json()
