"""``/health``: is there a datafile to decide by, which one, how old; and what is amiss.

Anybody may ask for it, so it tells no path: neither of the datafile's URL, which holds the SDK key,
nor of a file. All its times have the debug block's form.
"""

from __future__ import annotations

import re

from bucketer.api.bucketer.debug import datafile_block, utc
from bucketer.api.grant import NOBODY
from bucketer.api.http import Reply, Response
from bucketer.api.json_text import to_json
from bucketer.api.problems import RETRY_AFTER_S, describe
from bucketer.core.errors import NoDatafile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions
    from bucketer.ports import EditionFacts


#: The folders of a path: absolute, from a home, or relative; not those of a URL, nor a media type.
_FOLDERS = re.compile(
    r"""(?<![\w:/.~-])(?:
        (?:~\w*|\.{1,2})?/(?:[^\s/'"`(),;:]+/)*(?=[^\s/])
        | (?:[\w.~-]+/){2,}(?=[\w.-])
        | (?:[\w.~-]+/)+(?=[\w.-]+\.json\b)
    )""",
    re.VERBOSE,
)


class HealthRoute:
    """The route, for one edition: 200 when it can decide, 503 when nothing is loaded yet."""

    methods = ("GET", "HEAD")
    role = NOBODY

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
        report: dict[str, object] = {"status": "ok", "datafile": self._datafile(edition, now)}
        events = {} if self._options.events is None else self._options.events()
        if why := self._amiss(edition, events, now):
            report = {"status": "degraded", "why": why, "datafile": report["datafile"]}
        report.update(self._refreshes())
        if events:
            report["events"] = _for_anybody(events)
        for name, tell in self._options.reports.items():
            if told := tell():  # a part that was never needed has nothing to tell
                report[name] = _for_anybody(told)
        response = Response(200, self._headers, to_json(report).encode("ascii"), request.request_id)
        return Reply(response)

    def _datafile(self, edition: EditionFacts, now: float) -> dict[str, object]:
        show = "off" if self._options.show_datafile == "off" else "host"
        told = {"source": edition.source, **datafile_block(edition, self._options, now, show)}
        if "age_s" in told:  # of the content; its source may have confirmed it since
            told["content_age_s"] = told.pop("age_s")
        if edition.checked_at is not None:
            told["checked_at"] = edition.checked_at
            told["age_s"] = _age_s(edition.checked_at, now)
        diagnostics = edition.ruleset.diagnostics
        told["errors"] = sum(each.severity == "error" for each in diagnostics)
        told["warnings"] = sum(each.severity == "warning" for each in diagnostics)
        return _for_anybody(told)

    def _amiss(
        self, edition: EditionFacts, events: dict[str, object], now: float
    ) -> list[dict[str, str]]:
        """Return why the service is degraded, though it decides: code and message of each."""
        options, found = self._options, []
        max_age_s = options.health_max_age_s
        if max_age_s and edition.checked_at is not None:
            age_s = _age_s(edition.checked_at, now)
            if age_s > max_age_s:
                allowed = f"{max_age_s:g} s are allowed"
                message = f"The datafile was last confirmed {age_s:.0f} s ago; {allowed}."
                found.append({"code": "datafile_old", "message": message})
        if refusing := events.get("refusing"):
            message = f"Events are refused: {refusing}."
            found.append({"code": "events_refused", "message": without_paths(message)})
        if stuck := events.get("stuck"):
            message = f"Events wait for somebody to look: {stuck}."
            found.append({"code": "events_stuck", "message": without_paths(message)})
        if options.state_trouble is not None and (trouble := options.state_trouble()):
            message = f"The state directory can't be used: {trouble}."
            found.append({"code": "state_unwritable", "message": without_paths(message)})
        lacks = options.environments_trouble
        if lacks is not None and (lacking := lacks(now)):
            found.append({"code": "environments_lacking", "message": lacking})
        return found

    def _refreshes(self) -> dict[str, object]:
        """Return how fetching the datafile goes, where that is known."""
        freshness = self._options.freshness
        return {} if freshness is None else {"refresh": _for_anybody(freshness())}

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing: there is no decision to fall back from."""
        del request
        return {}


def without_paths(text: str) -> str:
    """Return *text* with the name alone of each file in it, in the place of its path."""
    return _FOLDERS.sub("", text)


def _for_anybody(told: dict[str, object]) -> dict[str, object]:
    """Return what a part tells, without paths, and with its times in the one form."""
    shown: dict[str, object] = {}
    for name, value in told.items():
        if isinstance(value, int | float) and name.endswith(("_at", "_since")):
            shown[name] = utc(value)
        elif isinstance(value, dict):
            shown[name] = _for_anybody(value)
        elif isinstance(value, str) and name not in {"etag", "fetched_at", "url"}:
            shown[name] = without_paths(value)
        else:
            shown[name] = value
    return shown


def _age_s(moment: float, now: float) -> float:
    return round(max(0.0, now - moment), 3)
