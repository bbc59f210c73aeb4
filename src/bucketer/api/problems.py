"""Errors in, HTTP answers out: the only place that knows which error is which status.

`code` is part of the HTTP API; docs/http-api.md lists each. Messages may be reworded.
"""

from __future__ import annotations

from bucketer.core import errors
from bucketer.core.errors import BucketerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: What a caller is told of an unforeseen error. The details go to the log, under the request id.
UNFORESEEN = (
    "Something went wrong inside the service. Its log has the details under this request's id."
)
#: Seconds that a caller should wait for a first datafile, as `Retry-After`.
RETRY_AFTER_S = "5"

_UNFORESEEN = 500
_UNAVAILABLE = 503


class NotFound(BucketerError):
    """No route has this path."""

    code = "not_found"

    def __init__(self, path: str, routes: Iterable[str]) -> None:
        self.path, self.routes = path, tuple(routes)
        super().__init__(path, self.routes)

    def __str__(self) -> str:
        return f"There is nothing at '{self.path[:100]}'. Try {', '.join(self.routes)}."


class MethodNotAllowed(BucketerError):
    """The route exists, but not for this method."""

    code = "method_not_allowed"

    def __init__(self, method: str, path: str, allowed: Iterable[str]) -> None:
        allowed = tuple(allowed)
        super().__init__(method, path, allowed)  # plain arguments keep it picklable
        self.method, self.path, self.allow = method, path, ", ".join(allowed)

    def __str__(self) -> str:
        return f"{self.path[:100]} doesn't take {self.method[:20]}; it takes {self.allow}."


class TooLarge(BucketerError):
    """Body or URL over the limit of its size."""

    code = "too_large"
    what = "body"
    remedy = "Send less."
    item = ""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        over = f"over the limit of {self.limit_bytes} bytes"
        return f"{self.item}The {self.what} is {over}. {self.remedy}"


class BodyTooLarge(TooLarge):
    """The body is over its limit."""


class UrlTooLarge(TooLarge):
    """Path and query together are over their limit."""

    what = "URL"
    remedy = "Send the attributes with POST, as a JSON object."


class EventTooLarge(TooLarge):
    """A conversion's text is over what each sink of events can take."""

    what = "event"
    remedy = "Send less in its tags and attributes."


class ImpressionTooLarge(EventTooLarge):
    """An impression's text would be; then nothing is decided, so that no decision goes untold."""

    what = "impression"
    remedy = "Send less in the attributes, or track=off to decide without one."


class ExposureTooLarge(TooLarge):
    """The token that exposes a decision would be longer than one may be; so there is none."""

    what = "exposure token"
    remedy = "Send less in the attributes, or a shorter user id."


class ExposureRefused(BucketerError):
    """An exposure token that is none of ours, or no longer good.

    Attributes:
        why: a clause, with nothing of the token in it.
    """

    code = "exposure_refused"

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"The exposure token is refused: {self.why}. Decide again for a new one."


class LocalOnly(BucketerError):
    """What isn't for everybody was asked for from elsewhere."""

    code = "local_only"

    def __init__(self, path: str, setting: str) -> None:
        super().__init__(path, setting)
        self.path, self.setting = path, setting

    def __str__(self) -> str:
        return (
            f"{self.path} answers this machine only, asked by 127.0.0.1 or localhost, and no proxy "
            f"on it; {self.setting} says to whom else."
        )


class StreamRefused(BucketerError):
    """The address of an event stream that is none of ours, or no longer good.

    Attributes:
        why: a clause, with nothing of the address in it.
    """

    code = "stream_refused"

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"The stream's address is refused: {self.why}. Evaluate all flags for a new one."


class RateLimited(BucketerError):
    """An address or a key has asked more often than it may.

    Attributes:
        wait_s: seconds until it may ask again.
    """

    code = "rate_limited"

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s

    @property
    def retry_after(self) -> str:
        """Whole seconds, as `Retry-After` has them: no fewer than there are to wait."""
        return str(max(1, -int(-self.wait_s // 1)))

    def __str__(self) -> str:
        return f"Too many requests. Ask again in {self.retry_after} s."


class TooManyListen(BucketerError):
    """As many as may listen to decisions as they happen."""

    code = "too_many_listen"

    def __str__(self) -> str:
        return "As many as may listen to decisions do so already."


class SegmentsUnavailable(BucketerError):
    """The user's segments were asked for, and could not be had: nothing is decided without."""

    code = "segments_unavailable"

    def __str__(self) -> str:
        return "The user's segments can't be had from ODP (Optimizely Data Platform) now."


#: Status by error class; a class that isn't in here has its parent's.
STATUS: dict[type[BucketerError], int] = {
    BucketerError: _UNFORESEEN,
    errors.InvalidRequest: 400,
    errors.UnknownKey: 404,
    errors.UnknownRevision: 404,
    errors.RevisionUnavailable: _UNAVAILABLE,
    errors.WebhookRefused: 403,
    errors.UnknownSdkKey: 403,
    errors.EnvironmentUnavailable: _UNAVAILABLE,
    errors.TokenRefused: 401,
    errors.AccessDenied: 403,
    errors.KeysUnavailable: _UNAVAILABLE,
    errors.TokensBusy: _UNAVAILABLE,
    SegmentsUnavailable: _UNAVAILABLE,
    LocalOnly: 403,
    TooManyListen: _UNAVAILABLE,
    RateLimited: 429,
    NotFound: 404,
    MethodNotAllowed: 405,
    BodyTooLarge: 413,
    UrlTooLarge: 414,
    EventTooLarge: 413,
    ExposureTooLarge: 413,
    ExposureRefused: 403,
    StreamRefused: 403,
    errors.NoDatafile: _UNAVAILABLE,
    errors.DatafileError: _UNAVAILABLE,
    errors.SourceError: _UNAVAILABLE,
    errors.SettingsError: _UNFORESEEN,
}

#: What is unavailable and says so in its own words; the rest is about the datafile in use.
_TOLD = (
    errors.RevisionUnavailable,
    errors.EnvironmentUnavailable,
    errors.KeysUnavailable,
    errors.TokensBusy,
    SegmentsUnavailable,
    TooManyListen,
)


#: Who asks may not, or not now: what they sent isn't worth reading.
UNREAD = (UrlTooLarge, RateLimited, errors.TokenRefused, errors.AccessDenied)


def status_of(error: Exception) -> int:
    """Return the HTTP status that answers *error*."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return _UNFORESEEN


def describe(error: Exception) -> dict[str, str]:
    """Return code and message as the caller may see them: nothing of the inside."""
    status = status_of(error)
    if status == _UNFORESEEN:
        return {"code": "internal_error", "message": UNFORESEEN}
    if status == _UNAVAILABLE and not isinstance(error, _TOLD):
        return {"code": "no_datafile", "message": str(errors.NoDatafile())}
    return {"code": error.code if isinstance(error, BucketerError) else "", "message": str(error)}


def prediction_failed(message: str) -> dict[str, str]:
    """Return what a decision says that wanted a contextual bandit's answer and didn't get it.

    It goes into an answer with status 200: the caller asked rightly and is to fall back, as for
    any user without a variation. No other status would tell them more.
    """
    return {"code": "prediction_failed", "message": message}


def headers_of(error: Exception) -> tuple[tuple[str, str], ...]:
    """Return the headers that *error* adds to its answer."""
    if isinstance(error, MethodNotAllowed):
        return (("Allow", error.allow),)
    if isinstance(error, errors.TokenRefused):
        return (("WWW-Authenticate", "Bearer"),)
    if isinstance(error, RateLimited):
        return (("Retry-After", error.retry_after),)
    if status_of(error) == _UNAVAILABLE:
        return (("Retry-After", RETRY_AFTER_S),)
    return ()
