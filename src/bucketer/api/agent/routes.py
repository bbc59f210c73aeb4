"""Which operation of Agent's API stands where, and what all of them check first.

**To add an operation**: write a module beside this one with

    def answer(call: Call) -> Reply: ...

and a line for its path in `OPERATIONS`. It is imported when the first request comes for it. `Call`
gives the query (`call.values`, `call.value`) and the body (`call.fields(SHAPE)`) as Go reads them,
the edition and what else there is; `call.reply(value)` answers 200, and raising
`Refused(status, message)` answers anything else. What must be fetched first is a `Needed` to be
raised (`bucketer.api.http`), after which the same call comes again with it in `call.known`.

Checked before an operation is asked, in Agent's order: the SDK key, path and method, (what may be
asked with a token is `authorization`, where that is configured,) the type of the body.
"""

from __future__ import annotations

from importlib import import_module

from bucketer.api.access import admit
from bucketer.api.environment import key_of
from bucketer.api.grant import ADMIN, EVALUATE, READ
from bucketer.api.http import SDK_KEY, Reply, Response
from bucketer.api.problems import (
    UNFORESEEN,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    TooLarge,
    headers_of,
    status_of,
)
from bucketer.core.errors import (
    AccessDenied,
    EnvironmentsBusy,
    EnvironmentUnavailable,
    InvalidRequest,
    KeysUnavailable,
    NoDatafile,
    TokenRefused,
    UnknownSdkKey,
)

from .call import Api, Call, Refused
from .go_json import Fields, NoJson, document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions
    from bucketer.api.route import Route
    from bucketer.ports import EditionFacts, Engine

#: Path → method, module, and who may ask it where keys or tokens are configured.
OPERATIONS = {
    "/v1/config": ("GET", "config", READ),
    "/v1/datafile": ("GET", "datafile", READ),
    "/v1/activate": ("POST", "activate", EVALUATE),
    "/v1/decide": ("POST", "decide", EVALUATE),
    "/v1/notifications/event-stream": ("GET", "event_stream", READ),
    "/v1/track": ("POST", "track", EVALUATE),
    "/v1/override": ("POST", "override", ADMIN),
    "/v1/lookup": ("POST", "lookup", READ),
    "/v1/save": ("POST", "save", ADMIN),
    "/v1/reset": ("POST", "reset", ADMIN),
    "/v1/send-odp-event": ("POST", "send_odp_event", EVALUATE),
}

_JSON = "application/json"
_NO_KEY = "missing required X-Optimizely-SDK-Key header"
_BAD_KEY = "sdkKey failed validation"
_UNKNOWN_KEY = (
    "unable to fetch fresh datafile (consider rechecking SDK key), status code: 403 Forbidden"
)
#: Agent names the key here, and a token behind it.
_NO_CLIENT = "failed to instantiate Optimizely for SDK Key"
_NOT_FOUND = "404 page not found"
_UNFORESEEN, _UNAVAILABLE = 500, 503


class AgentApi:
    """Everything below `/v1/`, for one edition."""

    checks_tokens = True
    paths = frozenset(OPERATIONS)

    def __init__(
        self,
        edition: EditionFacts | None,
        options: ApiOptions,
        headers: tuple[tuple[str, str], ...],
        engine: Engine,
        keys: frozenset[str],
    ) -> None:
        """Answer by *edition* (None: by 500) as *engine* decides."""
        del keys
        self._api = Api(edition, options, headers, engine)

    def route(self, path: str) -> Route | None:
        """Return the operation at *path*, which is imported when the first edition is asked."""
        if path.lower().endswith("/batch"):
            from .batch import BatchRoute

            return BatchRoute(self._api)
        if path not in OPERATIONS:
            return None
        method, module, role = OPERATIONS[path]
        answer = import_module(f"{__package__}.{module}").answer
        return AgentRoute(self._api, method, answer, role)

    def refuse(self, request: Request, error: Exception, status: int) -> Response:
        """Answer *error* as Agent would."""
        refused = _as_agent(error, status)
        if isinstance(error, MethodNotAllowed) and error.path.lower().endswith("/batch"):
            refused = Refused(404, _NOT_FOUND, text=True)
        if isinstance(error, UnknownSdkKey) and "-" in request.headers.get(SDK_KEY, ""):
            refused = Refused(400, _BAD_KEY)  # which is no SDK key to Agent; to us it can be
        if isinstance(error, NotFound | MethodNotAllowed):
            try:
                check_key(request)  # which Agent looks at before path and method
            except Refused as earlier:
                refused = earlier
        response = refusal(self._api, request, refused)
        if refused.status == _UNAVAILABLE:
            response.headers += headers_of(error)  # when to try again
        if refused.status == 405 and isinstance(error, MethodNotAllowed):  # noqa: PLR2004
            response.headers += (("Allow", error.allow.removesuffix(", OPTIONS")),)
        elif isinstance(error, TokenRefused | RateLimited):
            response.headers += headers_of(error)
        return response


class AgentRoute:
    """One operation.

    Attributes:
        methods: the one that it takes.
        role: who may ask it.
    """

    def __init__(self, api: Api, method: str, answer: Callable[[Call], Reply], role: int) -> None:
        """Answer by *answer*, and only to *method*, and to those who have *role*."""
        self.methods, self.role = (method,), role
        self._api, self._answer = api, answer
        self._takes_body = method == "POST"

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Check what all operations want, then let this one answer.

        Raises:
            Needed, PredictionNeeded: the shell must fetch something first.
            NoDatafile: there is none.
        """
        api = self._api
        try:
            check_key(request)
            if api.edition is None:
                raise NoDatafile
            if (gate := api.options.gate) is not None:
                keys = (key_of(request),)
                admit(request, gate, self.role, api.options.environment_id, keys, now, known)
            if self._takes_body and request.body and request.headers.get("content-type") != _JSON:
                check_type(request)
            return self._answer(Call(api, api.edition, request, now, new_uuid, known))
        except Refused as refused:
            return Reply(refusal(api, request, refused))
        except NoJson as error:  # a variable of the datafile is one
            why = f"json: unsupported value: {error.word}"
            return Reply(refusal(api, request, Refused(_UNFORESEEN, why, text=True)))

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing: Agent's errors tell no more."""
        del request
        return {}


def check_key(request: Request) -> None:
    """Refuse what names no environment.

    Raises:
        Refused: 400.
    """
    if not request.headers.get(SDK_KEY, "").strip() and "sdk_key=" not in request.query:
        raise Refused(400, _NO_KEY)


def check_type(request: Request) -> None:
    """Refuse a body that doesn't say that it is JSON.

    Raises:
        Refused: 415, without a body.
    """
    told = request.headers.get("content-type", "").lower().partition(";")[0]
    if told.strip() != _JSON:
        raise Refused(415)


def refusal(api: Api, request: Request, refused: Refused) -> Response:
    """Return the answer that *refused* asks for."""
    if not refused.message:
        headers, body = api.bare_headers, b""
    elif refused.text:
        headers, body = api.text_headers, f"{refused.message}\n".encode()
    else:
        headers, body = api.headers, document(Fields(error=refused.message))
    return Response(refused.status, headers, body, request.request_id)


def _as_agent(error: Exception, status: int) -> Refused:  # noqa: PLR0911 -- a line for each kind
    """Put an error of the project into Agent's words."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, TokenRefused | KeysUnavailable):
        from .tokens import token_refusal

        return token_refusal(error, status)
    if isinstance(error, NotFound):
        return Refused(404, _NOT_FOUND, text=True)
    if isinstance(error, MethodNotAllowed):
        return Refused(405)
    if isinstance(error, UnknownSdkKey):
        return Refused(403, _UNKNOWN_KEY)
    if isinstance(error, InvalidRequest) and error.field == "sdk_key":
        return Refused(400, _BAD_KEY)
    if isinstance(error, InvalidRequest | TooLarge | AccessDenied | RateLimited | EnvironmentsBusy):
        return Refused(status, str(error))
    if isinstance(error, EnvironmentUnavailable | NoDatafile) or status_of(error) != _UNFORESEEN:
        return Refused(_UNFORESEEN, _NO_CLIENT)
    return Refused(_UNFORESEEN, UNFORESEEN)
