"""What an operation of Agent's API is given, and what it answers with."""

from __future__ import annotations

from bucketer.api.http import SDK_KEY, ProfileNeeded, Reply, Response
from bucketer.api.problems import EventTooLarge
from bucketer.core.events import MAX_VISITOR_BYTES, Event, largest_of
from bucketer.core.user import User

from .fields import Unreadable, read_fields
from .go_json import go_json
from .go_query import parse_go_query, parses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions
    from bucketer.api.streams import Notice
    from bucketer.core.conversions import Conversion
    from bucketer.core.decision import Impression
    from bucketer.ports import EditionFacts, Engine

    from .fields import Shape

    Headers = tuple[tuple[str, str], ...]

#: Of what a body of fewer bytes brings no event can come that is too large.
_LONG_BODY = 4 * 1024
_BAD_BODY = "error parsing request body"
_NO_USER = 'missing "userId" in request payload'
_NO_SEGMENTS = "failed to fetch qualified segments"


class Refused(Exception):
    """An answer that isn't 200. Raise it anywhere in an operation.

    Attributes:
        status: of the answer.
        message: what `error` says; with *text* the whole of a plain text; "" for no body.
        text: the body is plain text.
    """

    def __init__(self, status: int, message: str = "", *, text: bool = False) -> None:
        """Keep the values."""
        super().__init__(status, message)
        self.status, self.message, self.text = status, message, text


class Api:
    """What all operations of one edition share.

    Attributes:
        edition: what they answer by.
        options: of the HTTP API.
        engine: what decides.
        headers: of an answer with JSON.
        text_headers: of a plain text.
        bare_headers: of an answer without a body.
        kept: what operations keep as long as the edition serves, by their names; bounded by them.
    """

    def __init__(
        self,
        edition: EditionFacts | None,
        options: ApiOptions,
        headers: Headers,
        engine: Engine,
    ) -> None:
        """Take *headers* of our own JSON answers for Agent's, but for the type."""
        self.edition, self.options, self.engine = edition, options, engine
        rest = tuple(each for each in headers if each[0] != "Content-Type")
        self.headers: Headers = (("Content-Type", "application/json; charset=utf-8"), *rest)
        self.text_headers: Headers = (("Content-Type", "text/plain; charset=utf-8"), *rest)
        self.bare_headers: Headers = rest
        self.kept: dict[str, Any] = {}


class Call:
    """One request to one operation.

    Attributes:
        api: what all of the edition share.
        edition: what is answered by; never None.
        request: as it came.
        now: epoch seconds.
        new_uuid: makes the name of an event; called once for each.
        known: what the shell has fetched for this request, if anything.
        notices: what is to be told to those who listen; see `listens`.
    """

    __slots__ = ("_query", "api", "edition", "known", "new_uuid", "notices", "now", "request")

    def __init__(
        self,
        api: Api,
        edition: EditionFacts,
        request: Request,
        now: float,
        new_uuid: Callable[[], str],
        known: Known | None,
    ) -> None:
        """Keep the values."""
        self.api, self.edition, self.request = api, edition, request
        self.now, self.new_uuid, self.known = now, new_uuid, known
        self._query: dict[str, list[str]] | None = None
        self.notices: list[Notice] = []

    @property
    def sdk_key(self) -> str:
        """What the request names its environment by, as it does; it may hold a token."""
        return self.request.headers.get(SDK_KEY, "").strip()

    @property
    def topic(self) -> str:
        """What those listen to who want to be told of this call; empty if nobody does."""
        listened = self.api.options.listened
        if not listened:
            return ""
        topic = self.sdk_key.partition(":")[0]
        return topic if topic in listened else ""

    def query(self) -> dict[str, list[str]]:
        """Return all values of the query's parameters, by their names."""
        query = self._query
        if query is None:
            query = self._query = parse_go_query(self.request.query)
        return query

    def values(self, name: str) -> list[str]:
        """Return all values of a parameter of the query."""
        return self.query().get(name, [])

    def value(self, name: str) -> str:
        """Return the first value of a parameter of the query; "" for none."""
        values = self.values(name)
        return values[0] if values else ""

    def form_values(self, name: str) -> list[str]:
        """The same where Agent takes none at all from a query that has a broken pair."""
        return self.query().get(name, []) if parses(self.request.query) else []

    def fields(self, shape: Shape) -> dict[str, Any]:
        """Return the body's fields; see `fields.read_fields`.

        Raises:
            Refused: 400, it is none.
        """
        found: dict[str, Any] | None = self.request.parsed
        if found is None:
            try:
                depth = self.api.options.max_json_depth
                found = read_fields(self.request.body, depth, shape)
            except Unreadable:
                raise Refused(400, _BAD_BODY) from None
            self.request.parsed = found  # the request may be answered anew
        return found

    def fields_of_user(self, shape: Shape) -> dict[str, Any]:
        """Return the body's fields, with a `userId`.

        Raises:
            Refused: 400, it is none or names nobody.
        """
        found = self.fields(shape)
        if not found["userId"]:
            raise Refused(400, _NO_USER)
        return found

    def user(
        self,
        user_id: str,
        attributes: dict[str, object],
        *,
        segments: Collection[str] | None = None,
        forced_decisions: Mapping[tuple[str, str | None], str] | None = None,
        with_profile: bool = True,
    ) -> User:
        """Put together what is known of a visitor who is to be decided for.

        Raises:
            ProfileNeeded, OverridesNeeded: they are in use, and the user's must be looked up first.
        """
        known = self.known
        with_profile = with_profile and self.api.options.profiles
        if with_profile and (known is None or known.profile is None):
            raise ProfileNeeded(user_id)
        overrides = self.overrides(user_id)
        predictions = None if known is None else known.predictions
        if not (with_profile or overrides or predictions or segments or forced_decisions):
            return User(user_id, attributes)
        return User(
            user_id,
            attributes,
            segments=segments,
            forced_decisions=forced_decisions,
            forced_variations=overrides,
            profile=known.profile if with_profile and known is not None else None,
            predictions=predictions,
        )

    def overrides(self, user_id: str) -> Mapping[str, str] | None:
        """Return the user's overrides: experiment key → variation key; None for none.

        Raises:
            OverridesNeeded: the shell must look them up first.
        """
        options = self.api.options
        store, known = options.overrides, self.known
        if store is None:
            return None
        if store.is_quick:
            return store.of(options.environment_id, user_id) or None
        if known is None or known.overrides is None:
            from bucketer.api.needs import OverridesNeeded

            raise OverridesNeeded(options.environment_id, user_id)
        return known.overrides or None

    def segments(self, user_id: str, options: list[str]) -> Collection[str]:
        """Return the segments that ODP counts the user to.

        Raises:
            Refused: 500, they can't be had.
            SegmentsNeeded: the shell must fetch them first.
        """
        odp, known = self.edition.ruleset.odp, self.known
        if odp is None or not self.api.options.odp:
            raise Refused(500, _NO_SEGMENTS)
        if known is None or not known.segments_asked:
            from bucketer.api.needs import SegmentsNeeded

            ignore_cache, reset = "IGNORE_CACHE" in options, "RESET_CACHE" in options
            raise SegmentsNeeded(odp, user_id, ignore_cache=ignore_cache, reset=reset)
        if known.segments is None:
            raise Refused(500, _NO_SEGMENTS)
        return known.segments

    def events(
        self, impressions: Collection[Impression | Conversion], user: User
    ) -> tuple[Event, ...]:
        """Return the events that are to be sent: none where events are off.

        Raises:
            Refused: 413, one of them is more than can be sent.
        """
        if not impressions or not self.api.options.makes_events:
            return ()
        now_ms, ruleset, new_uuid = round(self.now * 1000), self.edition.ruleset, self.new_uuid
        made = tuple([Event(each, user, ruleset, now_ms, new_uuid()) for each in impressions])
        if len(self.request.body) > _LONG_BODY:
            self._check_size(made)
        return made

    def _check_size(self, events: tuple[Event, ...]) -> None:
        if largest_of(events) > MAX_VISITOR_BYTES:
            raise Refused(413, str(EventTooLarge(MAX_VISITOR_BYTES)))

    def reply(
        self,
        value: object,
        events: tuple[Event, ...] = (),
        profile: tuple[str, dict[str, str]] | None = None,
    ) -> Reply:
        """Answer 200 with *value*: see `go_json` for what it may be."""
        return self.reply_text(go_json(value), events, profile)

    def reply_text(
        self,
        text: str,
        events: tuple[Event, ...],
        profile: tuple[str, dict[str, str]] | None,
    ) -> Reply:
        """Answer 200 with what is JSON already, as Go writes it."""
        body = f"{text}\n".encode()
        response = Response(200, self.api.headers, body, self.request.request_id)
        if self.notices:
            from bucketer.api.streams import Telling

            return Telling(response, events, profile, tuple(self.notices))
        return Reply(response, events, profile)
