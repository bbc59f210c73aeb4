"""``GET /tail``: decisions as they happen, as server-sent events, for whoever operates it."""

from __future__ import annotations

from bucketer.api.grant import ADMIN, grant_of
from bucketer.api.http import COMMON_HEADERS, Reply
from bucketer.api.local import is_local
from bucketer.api.problems import LocalOnly, TooManyListen
from bucketer.api.query import parse_query
from bucketer.api.streams import Stream, Telling
from bucketer.api.wanted import Wanted
from bucketer.core.decision import EXPERIMENT, FEATURE_TEST, HOLDOUT, ROLLOUT
from bucketer.core.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions

PATH = "/tail"
#: The kind of notice that each decision is.
DECISION = "decision"
#: Decisions of a second that one listener is told unless it says so; and the most that it may say.
USUAL, MOST = 20, 1_000
#: Why a decision came out as it did, as `core.decision.reason_of` tells it.
REASONS = (EXPERIMENT, FEATURE_TEST, ROLLOUT, HOLDOUT, "none", "error")
_NAMES = ("environment", "flag", "user", "variation", "reason", "per_second")
#: Beside what all answers have. Without the last one, nginx keeps back what there is.
_HEADERS = (("Content-Type", "text/event-stream"), *COMMON_HEADERS, ("X-Accel-Buffering", "no"))


class TailRoute:
    """The route; it tells of all environments that the key is for, whichever is asked.

    Its answers have no CORS headers: no page may read them.
    """

    methods = ("GET",)
    role = ADMIN

    def __init__(self, options: ApiOptions) -> None:
        """Stream what `options.tail` finds."""
        self._options = options

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Begin a stream.

        Raises:
            LocalOnly: it isn't told to whoever asks from there.
            InvalidRequest: a parameter is no such thing.
            TooManyListen: there are as many as may be.
        """
        del now, new_uuid, known
        grant = grant_of(request)
        if not (grant.role >= ADMIN or is_local(request)):
            raise LocalOnly(PATH, "a key with the role admin")
        given = parse_query(request.query, {name: name for name in _NAMES})
        per_second = str(given.pop("per_second", None) or USUAL)
        is_number = per_second.isascii() and per_second.isdecimal()
        rate = int(per_second) if is_number and len(per_second) <= len(str(MOST)) else 0
        if not 0 < rate <= MOST:
            raise InvalidRequest(f"per_second is a whole number up to {MOST}.", field="per_second")
        if (given.get("reason") or REASONS[0]) not in REASONS:
            raise InvalidRequest(f"reason is one of {', '.join(REASONS)}.", field="reason")
        wanted = Wanted(**{name: text or "" for name, text in given.items()}, per_second=rate)
        assert self._options.tail is not None  # noqa: S101 -- `Handler` asks first
        topic, opening = self._options.tail(wanted, None if grant.everywhere else grant.covers)
        if not topic:
            raise TooManyListen
        stream = Stream(_HEADERS, request.request_id, topic, (DECISION,))
        stream.opening = opening
        return Telling(stream)

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing."""
        del request
        return {}
