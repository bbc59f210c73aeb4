"""What an operation of Agent's API is given, and what it answers with."""

from __future__ import annotations

from bucketer.api.http import SDK_KEY, Reply, Response

from .fields import Unreadable, read_fields
from .go_json import document
from .go_query import parse_go_query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions
    from bucketer.core.events import Event
    from bucketer.ports import EditionFacts, Engine

    Headers = tuple[tuple[str, str], ...]

_BAD_BODY = "error parsing request body"
_NO_USER = 'missing "userId" in request payload'


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
    """

    __slots__ = ("_query", "api", "edition", "known", "new_uuid", "now", "request")

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

    @property
    def sdk_key(self) -> str:
        """What the request names its environment by, as it does; it may hold a token."""
        return self.request.headers.get(SDK_KEY, "").strip()

    def values(self, name: str) -> list[str]:
        """Return all values of a parameter of the query."""
        if self._query is None:
            self._query = parse_go_query(self.request.query)
        return self._query.get(name, [])

    def value(self, name: str) -> str:
        """Return the first value of a parameter of the query; "" for none."""
        values = self.values(name)
        return values[0] if values else ""

    def fields(self, shape: dict[str, str]) -> dict[str, Any]:
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

    def fields_of_user(self, shape: dict[str, str]) -> dict[str, Any]:
        """Return the body's fields, with a `userId`.

        Raises:
            Refused: 400, it is none or names nobody.
        """
        found = self.fields(shape)
        if not found["userId"]:
            raise Refused(400, _NO_USER)
        return found

    def reply(
        self,
        value: object,
        events: tuple[Event, ...] = (),
        profile: tuple[str, dict[str, str]] | None = None,
    ) -> Reply:
        """Answer 200 with *value*: see `go_json` for what it may be."""
        body = document(value)
        response = Response(200, self.api.headers, body, self.request.request_id)
        return Reply(response, events, profile)
