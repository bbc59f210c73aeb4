"""``/health``: is there a datafile to decide by, which one, how old."""

from __future__ import annotations

from bucketer.core.errors import NoDatafile

from .answer import to_json
from .debug import datafile_block
from .http import Reply, Response
from .problems import RETRY_AFTER_S, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.ports import EditionFacts

    from .http import ApiOptions, Known, Request


class HealthRoute:
    """The route, for one edition: 200 when it can decide, 503 when nothing is loaded yet."""

    methods = ("GET", "HEAD")

    def __init__(
        self,
        edition: EditionFacts | None,
        options: ApiOptions,
        headers: tuple[tuple[str, str], ...],
    ) -> None:
        """Report on *edition*."""
        self._edition, self._options, self._headers = edition, options, headers

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Report; *new_uuid* and *known* are every route's and not used here."""
        del new_uuid, known
        edition = self._edition
        if edition is None:
            body = to_json(
                {"status": "no_datafile", "error": describe(NoDatafile()), **self._refreshes()}
            )
            headers = (*self._headers, ("Retry-After", RETRY_AFTER_S))
            return Reply(Response(503, headers, body.encode("ascii"), request.request_id))
        diagnostics = edition.ruleset.diagnostics
        # Anybody may ask for health, whoever may not debug: it never tells the path.
        show = "off" if self._options.show_datafile == "off" else "host"
        report: dict[str, object] = {
            "status": "ok",
            "datafile": {
                "source": edition.source,
                **datafile_block(edition, self._options, now, show),
                "errors": sum(each.severity == "error" for each in diagnostics),
                "warnings": sum(each.severity == "warning" for each in diagnostics),
            },
        }
        report.update(self._refreshes())
        if self._options.events is not None:
            report["events"] = self._options.events()
        for name, tell in self._options.reports.items():
            if told := tell():  # a part that was never needed has nothing to tell
                report[name] = told
        response = Response(200, self._headers, to_json(report).encode("ascii"), request.request_id)
        return Reply(response)

    def _refreshes(self) -> dict[str, object]:
        """Return how fetching the datafile goes, where that is known."""
        freshness = self._options.freshness
        return {} if freshness is None else {"refresh": freshness()}

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing: there is no decision to fall back from."""
        del request
        return {}
