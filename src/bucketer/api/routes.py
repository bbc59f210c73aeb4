"""Request in, Reply out: which route answers, and what every answer has in common.

What few requests need (errors, other routes than ``/bucketer``) is imported when one does: a cold
start doesn't wait for it.
"""

from __future__ import annotations

from bucketer.core import decide
from bucketer.core.bandit import PredictionNeeded

from .bucketer.decide import BucketerRoute
from .http import EXPOSED_HEADERS, JSON_HEADERS, SDK_KEY, Needed, Reply, Response
from .json_text import to_json
from .options import ApiOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bucketer.ports import EditionFacts, Engine

    from .http import Known, Request
    from .route import Api, Route

    Headers = tuple[tuple[str, str], ...]


#: The paths that every service has; the first is the one that nearly all requests are for.
_PATHS = ("/bucketer", "/track", "/health")
#: None of `_routes` has more characters.
_LONGEST_PATH = 128


class Handler:
    """Everything under the service's URL, for one edition. Does no I/O and may be shared.

    Attributes:
        edition: what it answers by; None while there is no datafile.
        json_headers: of every answer with a JSON body and status 200 (one object, so that a
            door may recognise it and keep its rendering). A door's own refusals have them too.
    """

    def __init__(
        self,
        edition: EditionFacts | None,
        options: ApiOptions | None = None,
        engine: Engine = decide,
        keys: frozenset[str] = frozenset(),
    ) -> None:
        """Answer by *edition*, as *engine* decides; None answers 503 until there is one.

        Requests that name an environment are answered where *keys* have what they call it.
        """
        self.edition = edition
        self._keys = keys
        self._engine = engine
        #: APIs that a request has come for, by the beginning of their paths.
        self._apis: dict[str, Api] = {}
        self._options = options = options or ApiOptions()
        self.json_headers: Headers = JSON_HEADERS
        #: Where several origins are allowed: one → all headers of a usual answer, what it adds.
        self._by_origin: dict[str, tuple[Headers, Headers]] = {}
        self._add_cors()
        # A character that a client sent raw is up to four bytes; below this, none can matter.
        self._suspect_url_chars = options.max_url_bytes // 4 - 1
        self._suspect_query_chars = self._suspect_url_chars - _LONGEST_PATH
        self._routes: dict[str, Route] = {
            "/bucketer": BucketerRoute(edition, options, self.json_headers, engine)
        }
        self._told: Iterable[str] = _PATHS
        if options.revisions:
            from .bucketer.revision import RevisionRoute  # seldom enabled

            def route_of(asked: EditionFacts | None) -> Route:
                # Nobody is shown what an old one decides, so there is nothing to expose.
                its = options if asked is edition else options.but(signing_secrets=())
                return BucketerRoute(asked, its, self.json_headers, engine)

            self._routes["/bucketer"] = RevisionRoute(edition, route_of)
        self._routes["/bucketer"] = self._guarded(self._routes["/bucketer"])
        if options.webhook is not None:
            from .service.webhook import PATH, WebhookRoute  # of no use to the decision function

            self._routes[PATH] = WebhookRoute(
                edition, options.webhook, self.json_headers, options.other_webhooks
            )
            if options.webhook[0] or options.other_webhooks:
                # Without a secret it refuses everything, and says so to whoever knows of it.
                self._told = (*_PATHS, PATH)

    def _add_cors(self) -> None:
        origins = self._options.allow_origins
        if origins == ("*",):  # without an import that cold starts would pay for
            self.json_headers += (
                ("Access-Control-Allow-Origin", "*"),
                ("Access-Control-Expose-Headers", EXPOSED_HEADERS),
            )
            return
        from .cors import for_everybody, for_origin

        self.json_headers += for_everybody(origins)
        if len(origins) > 1:
            self._by_origin = {
                each: (self.json_headers + for_origin(each), for_origin(each)) for each in origins
            }

    def handle(
        self,
        request: Request,
        now: float,
        new_uuid: Callable[[], str],
        known: Known | None = None,
    ) -> Reply:
        """Answer *request*, whatever it is.

        Args:
            request: from a door.
            now: epoch seconds, read once per request by the shell.
            new_uuid: makes the name of an event; called once for each.
            known: what the shell has fetched after a first call raised.

        Raises:
            PredictionNeeded, Needed: do what it asks for, and call again with it in *known*.
                Nothing else, ever.
        """
        route = self._routes.get(request.path)
        try:
            if (
                route is None
                or len(request.query) > self._suspect_query_chars
                or (request.body and len(request.body) > self._options.max_body_bytes)
            ):
                self._check_size(request)
            named = request.headers.get(SDK_KEY)
            if (named is not None and named not in self._keys) or "sdk_key=" in request.query:
                self._check_environment(request, now, known)
            if route is None:
                route = self._find(request)
            if request.method in route.methods:
                reply = route.answer(request, now, new_uuid, known)
            else:
                reply = Reply(self._preflight(request, route))
        except (PredictionNeeded, Needed):
            raise
        except Exception as error:  # noqa: BLE001 -- the last resort; it goes to Reply.failure
            reply = self.refuse(request, error, route)
        if self._by_origin:
            self._tell_origin(request, reply.response)
        return _without_body(reply) if request.method == "HEAD" else reply

    def refuse(self, request: Request, error: Exception, route: Route | None = None) -> Reply:
        """Answer *error*; also for doors that give up before there is a whole request."""
        from .problems import UNREAD, BodyTooLarge, describe, headers_of, status_of

        status = status_of(error)
        api = self._api_of(self._own_path(request))
        if api is not None:
            response = api.refuse(request, error, status)
            return Reply(response, failure=error if status == 500 else None)  # noqa: PLR2004
        body: dict[str, object] = {"variation": None}
        if isinstance(error, BodyTooLarge):
            route = route or self._at(request)
            request.body = b""  # not worth reading; the query is
        if route is not None and not isinstance(error, UNREAD):
            body = route.understood(request)
        body["error"] = describe(error)
        headers = self.json_headers + headers_of(error)
        response = Response(status, headers, to_json(body).encode("ascii"), request.request_id)
        return Reply(response, failure=error if status == 500 else None)  # noqa: PLR2004

    def _check_environment(self, request: Request, now: float, known: Known | None) -> None:
        """Let a request through that is for this environment; see `check_environment`.

        Raises:
            EnvironmentNeeded: it is for another, which only those may open who may ask anything.
            BucketerError: of `check_environment`, or why they may not.
        """
        from .environment import check_environment
        from .http import EnvironmentNeeded

        if request.method == "OPTIONS":  # a browser asks before it sends a key; all answer the same
            return
        try:
            check_environment(request, self._keys, known)
        except EnvironmentNeeded as needed:
            if self._options.gate is not None:
                grant = self._options.gate.grant(request, now)
                if not grant.covers("", (needed.key, needed.key.partition(":")[0])):
                    from .access import of_another

                    needed.unlisted = of_another(grant)
            raise

    def _check_size(self, request: Request) -> None:
        """Refuse what is over the limits.

        Raises:
            TooLarge: and which of the two it is.
        """
        if len(request.body) > self._options.max_body_bytes:
            from .problems import BodyTooLarge

            raise BodyTooLarge(self._options.max_body_bytes)
        if len(request.path) + len(request.query) > self._suspect_url_chars:
            url = f"{request.path}?{request.query}" if request.query else request.path
            if len(url.encode("utf-8", "surrogatepass")) > self._options.max_url_bytes:
                from .problems import UrlTooLarge

                raise UrlTooLarge(self._options.max_url_bytes)

    def _find(self, request: Request) -> Route:
        """Find the route that *request* is for, which isn't any of the paths to the letter.

        Raises:
            NotFound: there is none.
        """
        route = self._at(request)
        if route is None:
            from .problems import NotFound

            raise NotFound(request.path, self._told)
        return route

    def _at(self, request: Request) -> Route | None:
        """Return the route behind the prefix that is set, or with a trailing slash, if any.

        Nothing else stands for a path: a proxy in front may have rules for each, which must hold.
        """
        path = self._own_path(request)
        api = self._api_of(path)
        if api is not None:
            route = api.route(path)
            # One that has an order of its own, in which it checks tokens, says so.
            if route is not None:
                own = getattr(api, "checks_tokens", False)
                route = self._limited(route) if own else self._guarded(route)
                is_kept = path in getattr(api, "paths", ()) and len(request.path) <= _LONGEST_PATH
                if is_kept:
                    self._routes[request.path] = route
            return route
        if path not in {"", "/"}:
            return self._route(path.removesuffix("/"))
        if request.query:  # the URL of a function is often used bare
            return self._routes["/bucketer"]
        from .service.index import IndexRoute  # seldom looked at

        index = self._guarded(IndexRoute(self.edition, self._options, self.json_headers))
        front = self._options.front
        return index if front is None else front(index)

    def _guarded(self, route: Route) -> Route:
        """Return *route*, which asks first who asks, where keys or tokens are configured."""
        gate = self._options.gate
        if gate is not None and route.role:
            from .access import Guarded

            route = Guarded(route, gate, self._options, self._keys)
        return route if self._options.rates is None else self._limited(route)

    def _limited(self, route: Route) -> Route:
        """Return *route*, which each address may ask so often, where that is configured."""
        rates = self._options.rates
        if rates is None or not (route.role or "POST" in route.methods):
            return route
        from .limited import Limited

        return Limited(route, rates)

    def _own_path(self, request: Request) -> str:
        """Return the path without the prefix that is set."""
        path, prefix = request.path, self._options.path_prefix
        if prefix and f"{path}/".startswith(f"{prefix}/"):
            return path[len(prefix) :]
        return path

    def _api_of(self, path: str) -> Api | None:
        """Return the API below whose prefix *path* is, made when it is first asked for."""
        for prefix, make in self._options.apis:
            if path.startswith(prefix):
                api = self._apis.get(prefix)
                if api is None:
                    api = self._apis[prefix] = make(
                        self.edition, self._options, self.json_headers, self._engine, self._keys
                    )
                return api
        return None

    def _route(self, path: str) -> Route | None:
        """Return the route at *path*, which is made and kept when it is first asked for."""
        if path == "/track" and path not in self._routes:
            from .bucketer.track import TrackRoute

            self._routes[path] = self._guarded(
                TrackRoute(self.edition, self._options, self.json_headers)
            )
        elif path == "/expose" and path not in self._routes:
            from .bucketer.expose import ExposeRoute

            self._routes[path] = self._guarded(ExposeRoute(self._options, self.json_headers))
        elif path == "/openapi.yaml" and path not in self._routes:
            from .service.openapi import OpenapiRoute

            self._routes[path] = OpenapiRoute(self._options, self.json_headers)
        elif path == "/health" and path not in self._routes:
            from .service.health import HealthRoute

            self._routes[path] = HealthRoute(self.edition, self._options, self.json_headers)
        elif path == "/metrics" and path not in self._routes and self._options.metrics is not None:
            from .service.metrics import MetricsRoute

            self._routes[path] = self._guarded(MetricsRoute(self._options))
        elif path == "/tail" and path not in self._routes and self._options.tail is not None:
            from .service.tail import TailRoute

            self._routes[path] = self._guarded(TailRoute(self._options))
        elif self._options.operated is not None and path not in self._routes:
            from .service.operator import route_at

            route = route_at(path, self.edition, self._options, self.json_headers)
            if route is not None:
                self._routes[path] = self._guarded(route)
        return self._routes.get(path)

    def _preflight(self, request: Request, route: Route) -> Response:
        """Answer OPTIONS, as a browser asks before it sends a POST across origins.

        Raises:
            MethodNotAllowed: it is some other method that *route* doesn't take.
        """
        if request.method != "OPTIONS":
            from .problems import MethodNotAllowed

            raise MethodNotAllowed(request.method, request.path, (*route.methods, "OPTIONS"))
        from .cors import preflight_headers

        headers = preflight_headers(request, self._options, route.methods)
        return Response(204, headers, b"", request.request_id)

    def headers_for(self, asked: Mapping[str, str]) -> Headers:
        """Return `json_headers` as whoever asked may read them; *asked* by lower-case name."""
        origin = asked.get("origin", "")
        return self._by_origin.get(origin, (self.json_headers, ()))[0]

    def _tell_origin(self, request: Request, response: Response) -> None:
        """Add what a page of one of several origins needs to read *response*."""
        known = self._by_origin.get(request.headers.get("origin", ""))
        if known is not None:
            whole, added = known
            is_usual = response.headers is self.json_headers
            response.headers = whole if is_usual else response.headers + added


def _without_body(reply: Reply) -> Reply:
    """Answer HEAD: the same, less the body; its length is still told."""
    response = reply.response
    response.length = len(response.body)
    response.body = b""
    return reply
