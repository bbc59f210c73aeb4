"""Answers, counted: by route and status, and how long each took. On one thread."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from .names import BOUNDS_S
from .routes import OTHER, ROUTES, route_of

if TYPE_CHECKING:
    from bucketer.api.http import Request, Response

    from .samples import Samples, Value

#: Spellings of paths that are remembered with their routes; a longer one, and what comes when
#: there is no room, is looked at each time.
_REMEMBERED, _LONGEST = 256, 64
_STATUSES = 600
#: There from the start: a series that begins at 1 has no rate, so the first failure rang no alarm.
_NO_FAILURES: dict[tuple[str, ...], Value] = {(name, "500"): 0 for name in (*sorted(ROUTES), OTHER)}


class _Route:
    """What was answered at one route."""

    __slots__ = ("durations", "name", "statuses")

    def __init__(self, name: str) -> None:
        self.name = name
        self.statuses = [0] * _STATUSES
        #: Within each bound and not the one before; beyond; the sum, in seconds.
        self.durations: list[float] = [0] * (len(BOUNDS_S) + 1) + [0.0]


class RequestCounts:
    """All that one worker has answered."""

    def __init__(self, prefix: str = "") -> None:
        """Begin with nothing; *prefix* may stand before each path."""
        self._prefix = prefix
        self._routes: dict[str, _Route] = {OTHER: _Route(OTHER)}
        # What never became a request has a status, and no time that would say anything.
        refused = _Route(OTHER)
        refused.statuses = self._routes[OTHER].statuses
        self._by_path: dict[str, _Route] = {"": refused}

    def note(self, request: Request, response: Response, seconds: float, /) -> None:
        """Count one answer; an empty path is of what never became a request."""
        route = self._by_path.get(request.path)
        if route is None:
            route = self._route(request.path)
        route.statuses[response.status] += 1
        durations = route.durations
        durations[bisect_left(BOUNDS_S, seconds)] += 1
        durations[-1] += seconds

    def _route(self, path: str) -> _Route:
        name = route_of(path, self._prefix)
        route = self._routes.get(name)
        if route is None:
            route = self._routes[name] = _Route(name)
        if len(path) <= _LONGEST and len(self._by_path) < _REMEMBERED:
            self._by_path[path] = route
        return route

    def samples(self) -> Samples:
        """Return what was counted. Any thread may ask."""
        routes = list(self._routes.values())
        answers = dict(_NO_FAILURES)
        for route in routes:
            for status, count in enumerate(route.statuses):
                if count:
                    answers[route.name, str(status)] = count
        return {
            "bucketer_requests_total": answers,
            "bucketer_request_duration_seconds": {
                (route.name,): list(route.durations) for route in routes if any(route.statuses)
            },
        }
