"""What crosses the line between a door and the API: plain values, no protocol, no I/O.

A door turns its protocol into a `Request`, the handler turns that into a `Reply`, and the
door turns `Reply.response` back into its protocol. Nothing in here imports anything, so a
door pays only for the classes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from bucketer.core.errors import BucketerError
    from bucketer.core.events import Event
    from bucketer.core.user import Prediction
    from bucketer.ports import EditionFacts


#: What every answer says of itself: it is for once, and what it claims to be.
COMMON_HEADERS = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
#: Of every answer with a body; `Handler.json_headers` has those for other origins beside them.
JSON_HEADERS = (("Content-Type", "application/json"), *COMMON_HEADERS)
#: What pages of other origins may read of an answer's head.
EXPOSED_HEADERS = "X-Request-Id, ETag, Retry-After"
#: The header that names an environment by its SDK key.
SDK_KEY = "x-optimizely-sdk-key"
#: Said where impressions are sent or not: neither, a token is given that sends them afterwards.
LATER = "later"
#: The longest request id that is taken over from a caller.
MAX_REQUEST_ID_CHARS = 128
_REQUEST_ID_CHARS = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:=+/@"
)


def is_sane_request_id(token: str) -> bool:
    """Say whether *token* may be echoed and logged: 1 to 128 plain characters, no white space."""
    return 0 < len(token) <= MAX_REQUEST_ID_CHARS and _REQUEST_ID_CHARS.issuperset(token)


class Request:
    """One request, the same whichever door it came through.

    Attributes:
        method: upper case, as received: ``GET``.
        path: percent-encoded, with its leading slash, without the query.
        query: what follows the ``?``, still percent-encoded. Bytes outside ASCII that a
            client sent raw are decoded as UTF-8 with ``surrogateescape``.
        headers: lower-case names; one value each (of several: joined by ``", "``).
        body: empty when there is none.
        ip: the visitor's address as the door may trust it; empty when not known.
        request_id: the caller's when `is_sane_request_id`, else made by the door.
        parsed: what `body.parsed_body` made of the body, once it was asked for.
        grant: what whoever asks may do; not set where access is open. `grant.grant_of` reads it.
    """

    __slots__ = (
        "body",
        "grant",
        "headers",
        "ip",
        "method",
        "parsed",
        "path",
        "query",
        "request_id",
    )

    grant: Any

    def __init__(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        ip: str = "",
        request_id: str = "",
    ) -> None:
        """Keep the values as they are; nothing is checked here."""
        self.method = method
        self.path = path
        self.query = query
        self.headers = {} if headers is None else headers
        self.body = body
        self.ip = ip
        self.request_id = request_id
        self.parsed: Any = None


class OneMore(tuple[tuple[str, str], ...]):
    """Headers of an answer, of which the last has a value that few other answers have."""

    __slots__ = ()


class Response:
    """One answer.

    Attributes:
        status: 200 and so on.
        headers: names and values, **without** ``X-Request-Id`` and ``Content-Length``. Answers
            of one kind share one tuple object, so that a door may keep its rendering of it by
            identity (``response.headers is handler.json_headers``).
        body: empty for HEAD and 204.
        request_id: to be sent as ``X-Request-Id``; `all_headers` adds it.
        length: what ``Content-Length`` says where that isn't ``len(body)`` (an answer to HEAD).
    """

    __slots__ = ("body", "headers", "length", "request_id", "status")

    def __init__(
        self,
        status: int,
        headers: tuple[tuple[str, str], ...],
        body: bytes,
        request_id: str = "",
        length: int | None = None,
    ) -> None:
        """Keep the values as they are."""
        self.status = status
        self.headers = headers
        self.body = body
        self.request_id = request_id
        self.length = length

    def all_headers(self) -> tuple[tuple[str, str], ...]:
        """Return `headers` and the request id: what every door sends."""
        return (*self.headers, ("X-Request-Id", self.request_id))


class Reply:
    """An answer and what it obliges the shell to do.

    Attributes:
        response: what the caller gets.
        events: impressions and conversions to be delivered, in order.
        profile: ``(user id, {experiment id: variation id})``, the whole map to be saved, or None.
        failure: an unforeseen error, answered with a 500, for the shell to log under the
            request id; the caller never sees it.
    """

    __slots__ = ("events", "failure", "profile", "response")

    def __init__(
        self,
        response: Response,
        events: tuple[Event, ...] = (),
        profile: tuple[str, dict[str, str]] | None = None,
        failure: Exception | None = None,
    ) -> None:
        """Keep the values as they are."""
        self.response = response
        self.events = events
        self.profile = profile
        self.failure = failure


class Known:
    """What the shell has fetched for a request that could not be answered without it.

    Attributes:
        profile: the user's stored variations, experiment id to variation id; ``{}`` for none;
            None when it was not asked for.
        predictions: CMAB predictions by rule id; a value of None says that fetching failed.
        edition: the archived edition that was asked for; None when none was, or it isn't there.
        failure: why the archive could not be asked for it, or None.
        asked: what had to be fetched by other means has been: a revision, a webhook passed on.
        segments: those that the user is in; None where they could not be had.
        segments_asked: they have been asked for.
        overrides: the user's, by experiment key; None when they were not asked for.
        previous: the variation that the override given had before; "" for none.
        environment_asked: the environment that the request names has been looked for.
        refusal: why it isn't there, or None.
        work: what each `WorkNeeded` gave, by its name.
        answered: of `RequestsNeeded`, each answer (None where all before were too much already),
            and the epoch seconds when it was begun and done; None when none was needed.
        datafile: the JSON text of the edition that was asked for, or None when none was.
    """

    __slots__ = (
        "answered",
        "asked",
        "datafile",
        "edition",
        "environment_asked",
        "failure",
        "overrides",
        "predictions",
        "previous",
        "profile",
        "refusal",
        "segments",
        "segments_asked",
        "work",
    )

    def __init__(
        self,
        profile: Mapping[str, str] | None = None,
        predictions: Mapping[str, Prediction | None] | None = None,
        edition: EditionFacts | None = None,
        *,
        asked: bool = False,
    ) -> None:
        """Keep the values as they are."""
        self.profile = profile
        self.predictions = predictions
        self.edition = edition
        self.failure: Exception | None = None
        self.asked = asked
        self.segments: tuple[str, ...] | None = None
        self.segments_asked = False
        self.overrides: Mapping[str, str] | None = None
        self.previous = ""
        self.environment_asked = False
        self.refusal: Exception | None = None
        self.work: dict[str, object] = {}
        self.answered: list[tuple[Response | None, float, float]] | None = None
        self.datafile: bytes | None = None


class Needed(Exception):
    """The handler can't answer alone: the shell must do what the subclass says, and call again."""


#: Stands before the name of an environment where an SDK key could stand.
BY_NAME = "@"


class EnvironmentNeeded(Needed):
    """Find the environment of `key`, and call its handler; or this one again with `refusal`.

    Attributes:
        key: an SDK key, `KEY` or `KEY:TOKEN`, of which the shape has been checked; or the name
            of an environment behind `BY_NAME`, which no SDK key has in it.
        unlisted: why it isn't to be opened where nobody listed it; None where it may.
    """

    unlisted: BucketerError | None = None

    def __init__(self, key: str) -> None:
        """Name the environment as the request did."""
        super().__init__(key)
        self.key = key


class WorkNeeded(Needed):
    """Do `work`, which takes its time, and call again with what it gave, or raised, in `known`.

    Attributes:
        name: what it gave stands below, in `Known.work`.
        work: may wait, and may be done in another thread.
    """

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        """Take the work, and what to call it."""
        super().__init__(name)
        self.name, self.work = name, work


class KeysNeeded(WorkNeeded):
    """Fetch the keys that tokens are checked with, from somebody who may take long to answer."""


class RequestsNeeded(Needed):
    """Answer `requests`, each as if it had come alone, in order; call again with `answered`."""

    def __init__(self, requests: list[Request]) -> None:
        """Take what is to be answered."""
        super().__init__(len(requests))
        self.requests = requests


class RevisionNeeded(Needed):
    """Fetch the archived edition of `revision`, and call again with it, or with `asked`."""

    def __init__(self, revision: str) -> None:
        """Name the revision, which is plain enough for a path."""
        super().__init__(revision)
        self.revision = revision


class DatafileNeeded(Needed):
    """Unpack the datafile of `edition`, and call again with it, where that holds up nobody."""

    def __init__(self, edition: EditionFacts) -> None:
        """Name the edition, which is the handler's."""
        super().__init__()
        self.edition = edition


class DatafileAnnounced(Needed):
    """A genuine webhook says that there is a newer datafile; pass it on, and call again.

    Attributes:
        body: the webhook's, as it was signed.
        environments: the names of those that it concerns; the default one's is empty.
    """

    def __init__(self, body: bytes, environments: tuple[str, ...] = ("",)) -> None:
        """Take the body, and whom it concerns."""
        super().__init__(body, environments)
        self.body, self.environments = body, environments


class ProfileNeeded(Needed):
    """The handler needs the stored profile of `user_id`; look it up and call again with it."""

    def __init__(self, user_id: str) -> None:
        """Name the user."""
        super().__init__(user_id)
        self.user_id = user_id


def one_value_each(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Join header *pairs* into one value per lower-case name, in the order they came."""
    joined: dict[str, str] = {}
    several: dict[str, list[str]] = {}
    for name, value in pairs:
        lower = name.lower()
        if lower in joined:
            several.setdefault(lower, [joined[lower]]).append(value)
        else:
            joined[lower] = value
    for name, values in several.items():
        joined[name] = ", ".join(values)
    return joined
