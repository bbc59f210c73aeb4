"""``/track``: goals that users reached in, conversions out.

``POST`` takes ``{"event", "user", "attributes", "tags"}`` or a list of them, all or nothing;
``GET /track?ev=&u=&a=&tags=`` is for pages and mails that can only load a picture's address.
"""

from __future__ import annotations

from bucketer.core.errors import InvalidRequest, NoDatafile, UnknownEvent
from bucketer.core.events import MAX_VISITOR_BYTES, Event, track, visitor_json
from bucketer.core.user import User

from .answer import to_json
from .attributes import check_attributes, parse_attributes
from .body import parse_json, parse_object
from .http import Reply, Response
from .problems import EventTooLarge
from .query import given_twice, parse_query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import EditionFacts

    from .http import ApiOptions, Known, Request

#: The most events that one body may list.
MAX_EVENTS = 1_000

#: Query name → the same in a body.
_NAMES = {"ev": "event", "u": "user", "a": "attributes", "tags": "tags"}
_EXAMPLE = '{"event": "…", "user": "…", "attributes": {…}, "tags": {…}}'


class TrackRoute:
    """The route, for one edition.

    Attributes:
        methods: what it takes.
    """

    methods = ("GET", "POST")

    def __init__(
        self,
        edition: EditionFacts | None,
        options: ApiOptions,
        headers: tuple[tuple[str, str], ...],
    ) -> None:
        """Answer by *edition* (None: by 503), each answer with *headers*."""
        self._edition = edition
        self._options = options
        self._headers = headers

    def answer(
        self,
        request: Request,
        now: float,
        new_uuid: Callable[[], str],
        known: Known | None,  # noqa: ARG002 -- a conversion needs nothing fetched
    ) -> Reply:
        """Take one conversion or a list of them.

        Args:
            request: GET or POST.
            now: epoch seconds; the time of all of them.
            new_uuid: makes the name of each event.
            known: not needed.

        Raises:
            BucketerError: to be answered as `problems` says. Then none was taken.
        """
        found = self._read(request)
        edition = self._edition
        if edition is None:
            raise NoDatafile
        now_ms = round(now * 1000)
        goals = found if isinstance(found, list) else [found]
        events: list[Event] = []
        for number, goal in enumerate(goals, start=1):
            try:
                event = _event(goal, edition.ruleset, request.ip, now_ms, new_uuid())
            except (InvalidRequest, UnknownEvent, EventTooLarge) as error:
                if found is goal:
                    raise
                raise _of_item(error, f"Event {number} of {len(goals)}: ") from None
            events.append(event)
        taken = [{"event": _key(goal), "user": event.user.id} for goal, event in zip(goals, events)]  # noqa: B905 -- made together
        body: object = {"events": taken} if found is goals else taken[0]
        response = Response(200, self._headers, to_json(body).encode("ascii"), request.request_id)
        return Reply(response, tuple(events))

    def understood(self, request: Request) -> dict[str, object]:
        """Return what an error's body carries: event and user, where there is one of each."""
        try:
            found = self._read(request)
        except InvalidRequest:
            return {}
        if isinstance(found, list):
            return {}
        user = found.get("user") or request.ip
        named = {"event": found.get("event"), "user": user}
        return {name: each for name, each in named.items() if _is_text(each)}

    def _read(self, request: Request) -> dict[str, Any] | list[dict[str, Any]]:
        """The goals as the caller tells them, with the names of a body."""
        if request.method == "GET":
            given = parse_query(request.query, _NAMES)
            goal: dict[str, Any] = {_NAMES[name]: value for name, value in given.items()}
            if goal.get("attributes"):
                goal["attributes"] = parse_attributes(goal["attributes"])
            if goal.get("tags"):
                goal["tags"] = self._parse_tags(goal["tags"])
            return goal
        if request.body.lstrip()[:1] != b"[":
            return parse_object(request.body, self._options.max_json_depth)
        repeated: dict[int, tuple[object, str]] = {}

        def remember_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            built = dict(pairs)
            if len(built) < len(pairs):
                names = [name for name, _ in pairs]
                twice = next(name for name in built if names.count(name) > 1)
                repeated[id(built)] = built, twice  # held, so that nothing else gets its id
            return built

        goals = parse_json(request.body, self._options.max_json_depth, remember_twice)
        if not 0 < len(goals) <= MAX_EVENTS:
            message = f"The list has {len(goals)} events; it must have 1 to {MAX_EVENTS}."
            raise InvalidRequest(message, field="body")
        for number, each in enumerate(goals, start=1):
            if not isinstance(each, dict):
                message = (
                    f"Event {number} of {len(goals)}: it must be an object such as {_EXAMPLE}."
                )
                raise InvalidRequest(message, field="body")
            if id(each) in repeated:
                error = given_twice(repeated[id(each)][1])
                raise _of_item(error, f"Event {number} of {len(goals)}: ")
        return goals  # type: ignore[no-any-return]

    def _parse_tags(self, text: str) -> dict[str, Any]:
        """Tags in a query: one JSON object, of any depth, or `key:value` items as in `a`."""
        try:
            if text.lstrip().startswith("{"):
                return parse_object(text.encode(), self._options.max_json_depth)
            return parse_attributes(text)
        except InvalidRequest as error:
            said = str(error).replace("Bad attributes in 'a' at", "bad tags at", 1)
            message = f"Parameter 'tags': {said.replace('The body is', 'it is', 1)}"
            raise InvalidRequest(message, field="tags", position=error.position) from None


def _event(goal: dict[str, Any], ruleset: Ruleset, ip: str, now_ms: int, uuid: str) -> Event:
    """Make the event of one goal, which can be sent: what can't be is refused here.

    Raises:
        InvalidRequest, UnknownEvent, EventTooLarge: it can't.
    """
    user = _user(goal, ip)
    conversion = track(ruleset, _key(goal), user, _tags(goal))
    event = Event(conversion, user, ruleset, now_ms, uuid)
    if len(visitor_json(event)) > MAX_VISITOR_BYTES:
        raise EventTooLarge(MAX_VISITOR_BYTES)
    return event


def _of_item(
    error: InvalidRequest | UnknownEvent | EventTooLarge, item: str
) -> InvalidRequest | UnknownEvent | EventTooLarge:
    """Return the same error, which says in which item of the list it is."""
    if isinstance(error, InvalidRequest):
        return InvalidRequest(f"{item}{error}", field=error.field)
    error.item = item
    return error


def _key(goal: dict[str, Any]) -> str:
    key = goal.get("event")
    if key and isinstance(key, str):
        return key
    message = "'event' (an event's key; `ev` in a query) must be a string that is not empty."
    raise InvalidRequest(message, field="event")


def _user(goal: dict[str, Any], ip: str) -> User:
    user_id = goal.get("user")
    if user_id is None or user_id == "":
        user_id = ip
    if not isinstance(user_id, str):
        raise InvalidRequest("'user' must be a string.", field="user")
    if not user_id:
        message = (
            "'user' (the user's id; `u` in a query) is missing, and their address isn't known."
        )
        raise InvalidRequest(message, field="user")
    attributes = goal.get("attributes")
    if attributes is None or attributes == "":
        attributes = {}
    if not isinstance(attributes, dict):
        message = '\'attributes\' must be a JSON object, such as {"tier": "platinum"}.'
        raise InvalidRequest(message, field="attributes")
    check_attributes(attributes, "attributes")
    return User(user_id, attributes)


def _tags(goal: dict[str, Any]) -> dict[str, object] | None:
    tags = goal.get("tags")
    if tags is None or tags == "":
        return None
    if isinstance(tags, dict):
        return tags
    message = "'tags' must be a JSON object, such as {\"revenue\": 4200}."
    raise InvalidRequest(message, field="tags")


def _is_text(value: object) -> bool:
    """Whether an answer may carry it: a string without lone surrogates."""
    try:
        return isinstance(value, str) and bool(value.encode())
    except UnicodeEncodeError:
        return False
