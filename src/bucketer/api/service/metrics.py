"""``/metrics``: what the service counts, for Prometheus.

It tells the names of flags and how much is asked for, so it isn't for everybody.
"""

from __future__ import annotations

from bucketer.api.grant import ADMIN, grant_of
from bucketer.api.http import COMMON_HEADERS, Reply, Response, WorkNeeded
from bucketer.api.local import is_local
from bucketer.api.problems import LocalOnly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions

PATH = "/metrics"


class MetricsRoute:
    """The route; what it tells is the whole service's, whichever environment is asked.

    Only what is counted by environment is left out where the key isn't for it.

    Its answers have no CORS headers: no page may read them.
    """

    methods = ("GET", "HEAD")
    role = ADMIN

    def __init__(self, options: ApiOptions) -> None:
        """Tell what `options.metrics` gives."""
        self._options = options

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Tell it, once the shell has collected it.

        Raises:
            LocalOnly: it isn't told to whoever asks from there.
            WorkNeeded: it has to be collected first.
        """
        del now, new_uuid
        grant = grant_of(request)
        may = self._options.metrics_open or grant.role >= ADMIN or is_local(request)
        if not may:
            raise LocalOnly(PATH, "BUCKETER_METRICS")
        scrape, accept = self._options.metrics, request.headers.get("accept", "")
        if scrape is None:
            raise AssertionError(PATH)  # `Handler` asks first
        if known is None or PATH not in known.work:
            covers = None if grant.everywhere else grant.covers
            raise WorkNeeded(PATH, lambda: scrape(accept, covers))
        told = known.work[PATH]
        if isinstance(told, Exception):
            raise told
        assert isinstance(told, tuple)  # noqa: S101 -- `scrape` gave it
        kind, text = told
        headers = (("Content-Type", kind), *COMMON_HEADERS)
        return Reply(Response(200, headers, text, request.request_id))

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing."""
        del request
        return {}
