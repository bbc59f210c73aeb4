"""``/track``: goals that users reached in, conversions out.

``POST`` takes ``{"event", "user", "attributes", "tags"}`` or a list of them, all or nothing;
``GET /track?ev=&u=&a=&tags=`` is for pages and mails that can only load a picture's address.
"""

from __future__ import annotations

from bucketer.api.body import as_parameters
from bucketer.api.grant import EVALUATE
from bucketer.api.http import Reply, Response
from bucketer.api.json_text import to_json
from bucketer.api.problems import EventTooLarge
from bucketer.api.query import OF_TRACK, parse_query
from bucketer.core.conversions import not_counted, track
from bucketer.core.errors import InvalidRequest, NoDatafile, UnknownEvent
from bucketer.core.events import MAX_VISITOR_BYTES, Event, visitor_json
from bucketer.core.user import User

from .attributes import parse_attributes
from .body import parse_tags, parsed_body
from .idempotency import HEADER, MAX_KEY_CHARS, key_of, key_too_long, uuid_of
from .names import add_query, check_user, check_user_of_query, fields_of, understood_of
from .times import parse_timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from bucketer.api.body import Repeated
    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions
    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import EditionFacts

#: The most events that one body may list.
MAX_EVENTS = 1_000

#: Those that an error tells.
_NAMED = {name: key for name, key in OF_TRACK.items() if key in {"ev", "u"}}
#: What belongs into the tags, and is often written beside them.
_OF_TAGS = {"revenue": "revenue", "value": "value"}
_EXAMPLE = '{"event": "…", "user": "…", "attributes": {…}, "tags": {…}}'


class TrackRoute:
    """The route, for one edition.

    Attributes:
        methods: what it takes.
    """

    methods = ("GET", "POST")
    role = EVALUATE

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
        key = key_of(request) if HEADER in request.headers else ""
        goals = found if isinstance(found, list) else [found]
        events: list[Event] = []
        for number, goal in enumerate(goals, start=1):
            try:
                name = _name(goal, key, number if found is goals else 0)
                event = _event(goal, edition.ruleset, request.ip, now_ms, new_uuid, name)
            except (InvalidRequest, UnknownEvent, EventTooLarge) as error:
                if found is goal:
                    raise
                raise _of_item(error, number, len(goals)) from None
            events.append(event)
        taken = [_taken(goal, event) for goal, event in zip(goals, events)]  # noqa: B905 -- made together
        body: object = {"events": taken} if found is goals else taken[0]
        response = Response(200, self._headers, to_json(body).encode("ascii"), request.request_id)
        return Reply(response, tuple(events))

    def understood(self, request: Request) -> dict[str, object]:
        """Return what an error's body carries: event and user, where there is one of each."""
        fields: dict[str, Any] = {}
        try:
            if request.method == "GET":
                fields.update(parse_query(request.query, OF_TRACK))
            else:
                parsed = parsed_body(request, self._options.max_json_depth)
                fields = understood_of(as_parameters(*parsed), OF_TRACK)
                add_query(fields, parse_query(request.query, _NAMED))
            if not fields.get("u") and "u" not in fields:
                check_user_of_query(request.query, OF_TRACK)
                fields["u"] = request.ip
        except InvalidRequest:
            if request.method == "GET" or not fields:
                return {}
        named = {"event": fields.get("ev"), "user": fields.get("u")}
        return {name: each for name, each in named.items() if each and _is_text(each)}

    def _read(self, request: Request) -> dict[str, Any] | list[dict[str, Any]]:
        """The goals as the caller tells them, by the names that `OF_TRACK` gives."""
        query = request.query
        given: dict[str, Any] = {}
        if query:
            given.update(parse_query(query, OF_TRACK))
            _note_beside(given, parse_query(query, _OF_TAGS))
        if given.get("a"):
            given["a"] = parse_attributes(given["a"])
        if given.get("tags"):
            given["tags"] = parse_tags(given["tags"], self._options.max_json_depth)
        if request.method == "GET":
            if not given.get("u"):
                check_user_of_query(query, OF_TRACK)
            return given
        parsed, repeated = parsed_body(request, self._options.max_json_depth)
        if not isinstance(parsed, list):
            body = as_parameters(parsed, repeated)
            fields = fields_of(body, OF_TRACK)
            add_query(fields, given)
            _note_beside(fields, body)
            check_user(body, OF_TRACK, named="u" in fields)
            if "u" not in fields:
                check_user_of_query(query, OF_TRACK)
            return fields
        if given:
            message = "Beside a list of events the query names nothing; say it in each of them."
            raise InvalidRequest(message, field="body")
        return _read_list(parsed, repeated)


def _read_list(parsed: list[Any], repeated: Repeated) -> list[dict[str, Any]]:
    total = len(parsed)
    if not 0 < total <= MAX_EVENTS:
        message = f"The list has {total} events; it must have 1 to {MAX_EVENTS}."
        raise InvalidRequest(message, field="body")
    goals = []
    for number, each in enumerate(parsed, start=1):
        if not isinstance(each, dict):
            message = f"Event {number} of {total}: it must be an object such as {_EXAMPLE}."
            raise InvalidRequest(message, field="body")
        try:
            body = as_parameters(each, repeated)
            fields = fields_of(body, OF_TRACK)
            _note_beside(fields, body)
            check_user(body, OF_TRACK, named="u" in fields)
        except InvalidRequest as error:
            raise _of_item(error, number, total) from None
        goals.append(fields)
    return goals


def _event(
    goal: dict[str, Any],
    ruleset: Ruleset,
    ip: str,
    now_ms: int,
    new_uuid: Callable[[], str],
    name: tuple[str, ...],
) -> Event:
    """Make the event of one goal, which can be sent: what can't be is refused here.

    Raises:
        InvalidRequest, UnknownEvent, EventTooLarge: it can't.
    """
    key = goal.get("ev")
    if not key:
        message = "Parameter 'event' (an event's key; 'ev' for short) is missing."
        raise InvalidRequest(message, field="event")
    user_id = goal.get("u") or ip
    if not user_id:
        message = "Parameter 'user' (the user's id) is missing, and their address isn't known."
        raise InvalidRequest(message, field="user")
    user = User(user_id, goal.get("a") or {})
    tags = goal.get("tags")
    conversion = track(ruleset, key, user, None if tags == "" else tags)
    timestamp_ms = parse_timestamp(goal.get("timestamp") or "", now_ms)
    uuid = uuid_of(*name, ruleset.account_id, key, user_id) if name else new_uuid()
    event = Event(conversion, user, ruleset, timestamp_ms, uuid)
    if len(visitor_json(event)) > MAX_VISITOR_BYTES:
        raise EventTooLarge(MAX_VISITOR_BYTES)
    return event


def _name(goal: dict[str, Any], key: str, number: int) -> tuple[str, ...]:
    """Return the caller's name for one event, in one part or two; in none where there is none.

    Args:
        goal: the event, whose `id` comes first.
        key: the request's; of a list each event has its own by its *number*.
        number: its place in a list, from 1; 0 when it is alone.

    Raises:
        InvalidRequest: an `id` that is too long, that the key contradicts, or of nobody: many
            mean the user's by it.
    """
    given: str = goal.get("id") or ""
    if len(given) > MAX_KEY_CHARS:
        raise key_too_long("Parameter 'id'")
    if given and not goal.get("u"):
        message = "Parameter 'id' is the event's; name its user beside it, by 'user'."
        raise InvalidRequest(message, field="id")
    if given and key and not number and given != key:
        message = "Parameter 'id' and the header 'Idempotency-Key' differ; give one of them."
        raise InvalidRequest(message, field="id")
    if given or not key:
        return (given,) if given else ()
    # In two parts, so that no `id` can be what a place in a list is called.
    return (key, str(number)) if number else (key,)


def _taken(goal: dict[str, Any], event: Event) -> dict[str, object]:
    """What the answer says of one event."""
    taken: dict[str, object] = {"event": goal["ev"], "user": event.user.id}
    tags = goal.get("tags")
    warnings = [
        f"'{name}' stands beside 'tags' and is ignored: {name} counts as a tag, "
        f'"tags": {{"{name}": ...}}.'
        for name in goal.get("beside", ())
    ]
    if tags:
        warnings += not_counted(tags)
    if warnings:
        taken["warnings"] = warnings
    return taken


def _note_beside(goal: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Remember for the answer what is *given* beside the tags and counts nowhere."""
    beside = [name for name in _OF_TAGS if given.get(name) is not None]
    if beside:
        goal["beside"] = beside


def _of_item(
    error: InvalidRequest | UnknownEvent | EventTooLarge, number: int, total: int
) -> InvalidRequest | UnknownEvent | EventTooLarge:
    """Return the same error, which says in which item of the list it is."""
    item = f"Event {number} of {total}: "
    if isinstance(error, InvalidRequest):
        return InvalidRequest(f"{item}{error}", field=error.field)
    error.item = item
    return error


def _is_text(value: object) -> bool:
    """Whether an answer may carry it: a string without lone surrogates."""
    try:
        return isinstance(value, str) and bool(value.encode())
    except UnicodeEncodeError:
        return False
