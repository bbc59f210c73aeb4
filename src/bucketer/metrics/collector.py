"""Everything that one worker knows, put together, and the answer to a scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .samples import of_environments, together
from .text import OPENMETRICS, PROMETHEUS, render, wants_openmetrics
from .workers import NoPlace, Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bucketer.api.options import May

    from .samples import Samples

#: Accepted, and neither of these: it waits.
_DONE = ("bucketer_events_sent_total", "bucketer_events_dead_total")


class Collector:
    """What a worker's parts tell, each by a function that any thread may call.

    Attributes:
        parts: give what this worker has counted; asked twice a second where there are several.
        shared: give what is the same for all workers; asked at a scrape.
        covered: gives the names of those environments that may be asked.
    """

    def __init__(self, directory: Path | None = None) -> None:
        """Share *directory* with the other workers, if there are any."""
        self.parts: list[Callable[[], Samples]] = []
        self.shared: list[Callable[[], Samples]] = []
        self.covered: Callable[[May], frozenset[str]] = lambda _may: frozenset()
        self._directory = directory
        self._place: Place | None = None

    def begin(self) -> str:
        """All parts are there: take a place among the workers. Returns why there is none, or ""."""
        if self._directory is None:
            return ""
        try:
            self._place = Place(self._directory, self._own)
        except NoPlace as error:
            return str(error)
        return ""

    def publish(self) -> None:
        """Let the other workers know."""
        if self._place is not None:
            self._place.publish()

    def scrape(self, accept: str, may: May | None = None) -> tuple[str, bytes]:
        """Return type and text of what all workers have counted, as *accept* prefers it.

        What is counted by environment is told of those that one *may* ask; of all where it is None.
        """
        samples = together((self.samples(), *(each() for each in self.shared)))
        _add_waiting(samples)
        if may is not None:
            samples = of_environments(samples, self.covered(may))
        openmetrics = wants_openmetrics(accept)
        text = render(samples, openmetrics=openmetrics)
        return (OPENMETRICS if openmetrics else PROMETHEUS), text

    def samples(self) -> Samples:
        """Return what all workers have counted, but for what is the same for all."""
        return self._own() if self._place is None else self._place.all()

    def close(self) -> None:
        """Leave the place to another worker."""
        if self._place is not None:
            self._place.close()

    def _own(self) -> Samples:
        return together(each() for each in self.parts)


def _add_waiting(samples: Samples) -> None:
    accepted = samples.get("bucketer_events_accepted_total", {})
    waiting = {}
    for labels, value in accepted.items():
        done = [samples.get(name, {}).get(labels, 0) for name in _DONE]
        left = _plain(value) - sum(map(_plain, done))
        waiting[labels] = max(0.0, left)  # those of earlier processes are sent as well
    if waiting:
        samples["bucketer_events_waiting"] = dict(waiting)


def _plain(value: object) -> float:
    return value if isinstance(value, int | float) else 0.0
