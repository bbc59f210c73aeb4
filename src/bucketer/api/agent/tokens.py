"""`/oauth/token`: a client's id and secret in, a token out; and how Agent refuses tokens.

Source: optimizely/agent 471fdcd, pkg/handlers/oauth.go and pkg/middleware/auth.go.
"""

from __future__ import annotations

from bucketer.api.grant import NOBODY
from bucketer.api.http import Reply, Response, WorkNeeded
from bucketer.api.problems import MethodNotAllowed, NotFound, headers_of
from bucketer.core.errors import BucketerError, ClaimsRefused, TokenRefused

from .call import Api, Refused
from .go_json import Fields, document
from .go_query import parse_go_query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions
    from bucketer.api.route import Route
    from bucketer.ports import EditionFacts, Engine

PREFIX, PATH = "/oauth/", "/oauth/token"
_FORM = "application/x-www-form-urlencoded"
_REQUEST, _CLIENT = "invalid_request", "invalid_client"
_WORK = "token"


class _OAuthError(Exception):
    """An answer that isn't 200, in OAuth's shape.

    Source: RFC 6749, 5.2.
    """

    def __init__(self, status: int, error: str, description: str = "") -> None:
        super().__init__(status, error, description)
        self.status, self.error, self.description = status, error, description


class OAuthApi:
    """What stands below `/oauth/`: the one route, which wants no token."""

    checks_tokens = True
    paths = frozenset((PATH,))
    methods = ("POST",)
    role = NOBODY

    def __init__(
        self,
        edition: EditionFacts | None,
        options: ApiOptions,
        headers: tuple[tuple[str, str], ...],
        engine: Engine,
        keys: frozenset[str],
    ) -> None:
        """Issue by what *options* have; the rest is every API's and not used here."""
        del keys
        self._api = Api(edition, options, headers, engine)
        self._route: Route = self
        if options.token_rates is not None:
            from bucketer.api.limited import Limited  # no part of the decision function

            self._route = Limited(self, options.token_rates)

    def route(self, path: str) -> Route | None:
        """Return this one, if it is the path."""
        return self._route if path == PATH else None

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Answer with a token, or in OAuth's words with why there is none.

        Raises:
            WorkNeeded: the secret has to be compared, which takes its time.
            TokensBusy: too many ask at once.
        """
        del new_uuid
        try:
            token, status = self._token(request, now, known), 200
        except _OAuthError as error:
            body = Fields(error=error.error)
            if error.description:
                body["error_description"] = error.description
            status = error.status
        else:
            issuer = self._api.options.issuer
            ttl_s = 0 if issuer is None else int(issuer.ttl_s)
            body = Fields(access_token=token, token_type="bearer", expires_in=ttl_s)  # noqa: S106 -- its kind
        return Reply(Response(status, self._api.headers, document(body), request.request_id))

    def _token(self, request: Request, now: float, known: Known | None) -> str:
        client, secret = _credentials(request)
        issuer = self._api.options.issuer
        token = None
        if issuer is not None:
            if known is None or _WORK not in known.work:
                raise WorkNeeded(_WORK, lambda: issuer.issue(client, secret, now))
            token = known.work[_WORK]
            if isinstance(token, BucketerError):
                raise token
        if not isinstance(token, str):
            raise _OAuthError(401, _CLIENT, "invalid client_id or client_secret")
        return token

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing: the errors tell no more."""
        del request
        return {}

    def refuse(self, request: Request, error: Exception, status: int) -> Response:
        """Answer *error* as Agent would, which knows no 405 here."""
        api = self._api
        if isinstance(error, NotFound | MethodNotAllowed):
            text = b"404 page not found\n"
            return Response(404, api.text_headers, text, request.request_id)
        told = str(error) if isinstance(error, BucketerError) else "internal error"
        headers = api.headers + headers_of(error)
        return Response(status, headers, document(Fields(error=told)), request.request_id)


def _credentials(request: Request) -> tuple[str, str]:
    """Return a client's id and secret.

    Raises:
        _OAuthError: they aren't given as they must be.
    """
    told = request.headers.get("content-type", "").partition(";")[0].strip()
    if told != _FORM:
        why = f"Content-Type header value must be {_FORM}"
        raise _OAuthError(415, _REQUEST, why)
    form = parse_go_query(request.body.decode("utf-8", "surrogateescape"))
    given = {name: values[0] for name, values in form.items()}
    if not given.get("grant_type"):
        raise _OAuthError(400, _REQUEST, "grant_type missing from request body")
    if given["grant_type"] != "client_credentials":
        raise _OAuthError(400, "unsupported_grant_type")
    for name in ("client_id", "client_secret"):
        if not given.get(name):
            raise _OAuthError(401, _CLIENT, f"{name} missing from request body")
    return given["client_id"], given["client_secret"]


def token_refusal(error: BucketerError, status: int) -> Refused:
    """Return how Agent refuses a token, or what keeps us from checking or issuing one."""
    if isinstance(error, ClaimsRefused):
        return Refused(status, error.why)
    if isinstance(error, TokenRefused):
        # No JSON, though it looks like it: so it is there.
        return Refused(status, f'{{"error": "unauthorized, "reason": "{error.why}"}}', text=True)
    return Refused(status, str(error))
