"""What operators and their tools ask a server: is it alive, is it ready, what is it, and a refresh.

/livez      it answers: 200, whatever else is the matter
/readyz     it decides: 200, or 503 and why
/info       what it is, and since when
/config     its settings, without secrets
/refresh    POST: ask for the datafiles now
"""

from __future__ import annotations

from bucketer.api.access import closed
from bucketer.api.grant import ADMIN, NOBODY, READ, grant_of
from bucketer.api.http import Reply, Response, WorkNeeded
from bucketer.api.json_text import to_json
from bucketer.api.problems import RETRY_AFTER_S, describe
from bucketer.core.errors import NoDatafile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions, Operated
    from bucketer.api.route import Route
    from bucketer.ports import EditionFacts

    Headers = tuple[tuple[str, str], ...]

_REFRESH = "refresh"


def route_at(
    path: str, edition: EditionFacts | None, options: ApiOptions, headers: Headers
) -> Route | None:
    """Return what stands at *path*, if it is one of these."""
    made = _ROUTES.get(path)
    operated = options.operated
    return None if made is None or operated is None else made(edition, options, operated, headers)


class OperatorRoute:
    """What all of them share.

    Attributes:
        methods: what it takes.
        role: who may ask it.
    """

    methods: tuple[str, ...] = ("GET", "HEAD")
    role = NOBODY

    def __init__(
        self,
        edition: EditionFacts | None,
        options: ApiOptions,
        operated: Operated,
        headers: Headers,
    ) -> None:
        """Tell of *edition*, and of what is *operated*."""
        self._edition, self._options, self._operated = edition, options, operated
        self._headers = headers

    def _reply(self, request: Request, told: object, status: int = 200) -> Reply:
        headers = self._headers
        if status == 503:  # noqa: PLR2004 -- as `readyz` says
            headers = (*headers, ("Retry-After", RETRY_AFTER_S))
        return Reply(Response(status, headers, to_json(told).encode("ascii"), request.request_id))

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Answer; errors are raised."""
        raise NotImplementedError

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing: there is no decision to fall back from."""
        del request
        return {}


class LiveRoute(OperatorRoute):
    """``/livez``: whoever doesn't answer this should be started anew."""

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Answer."""
        del now, new_uuid, known
        return self._reply(request, {"status": "ok"})


class ReadyRoute(OperatorRoute):
    """``/readyz``: whoever doesn't answer this with 200 should get no requests for now."""

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Say whether it decides, by a datafile that isn't too old."""
        del new_uuid, known
        edition, max_age_s = self._edition, self._operated.ready_max_age_s
        if edition is None:
            return self._unready(request, describe(NoDatafile()))
        if max_age_s and edition.checked_at is not None:
            age_s = now - edition.checked_at
            if age_s > max_age_s:
                told = f"The datafile was last confirmed {age_s:.0f} s ago"
                message = f"{told}; {max_age_s:g} s are allowed."
                return self._unready(request, {"code": "datafile_old", "message": message})
        return self._reply(request, {"status": "ok"})

    def _unready(self, request: Request, why: dict[str, str]) -> Reply:
        return self._reply(request, {"status": why["code"], "error": why}, 503)


class InfoRoute(OperatorRoute):
    """``/info``: what it is."""

    role = READ

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Tell version and uptime."""
        del new_uuid, known
        operated = self._operated
        uptime_s = round(max(0.0, now - operated.started_at), 3)
        return self._reply(
            request, {"service": "bucketer", **operated.describes, "uptime_s": uptime_s}
        )


class ConfigRoute(OperatorRoute):
    """``/config``: the settings in force; of secrets, whether they are set."""

    role = ADMIN

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Tell them.

        Raises:
            AccessDenied: access is open, so nobody is an admin.
        """
        del now, new_uuid, known
        if self._options.gate is None:
            raise closed(request.path[:100])
        return self._reply(request, self._operated.settings())


class RefreshRoute(OperatorRoute):
    """``POST /refresh``: ask the sources of each datafile now, and say what came of it."""

    methods = ("POST",)
    role = ADMIN

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Refresh those environments that the key is for.

        Raises:
            AccessDenied: access is open, so nobody is an admin.
            WorkNeeded: the shell must ask them.
        """
        del now, new_uuid
        if self._options.gate is None:
            raise closed(request.path[:100])
        if known is None or _REFRESH not in known.work:
            refresh, covers = self._operated.refresh, grant_of(request).covers
            raise WorkNeeded(_REFRESH, lambda: refresh(covers))
        done = known.work[_REFRESH]
        if isinstance(done, Exception):
            raise done
        return self._reply(request, {"environments": done})


_ROUTES = {
    "/livez": LiveRoute,
    "/readyz": ReadyRoute,
    "/info": InfoRoute,
    "/config": ConfigRoute,
    "/refresh": RefreshRoute,
}
