"""``POST /expose``: what was decided a while ago has been seen; the impression is sent now.

    {"token": "…"}      {"tokens": ["…", "…"]}      or the bare tokens with white space between

A page sends them as it leaves (`navigator.sendBeacon`) and can't be told that one was bad, so a bad
one costs only itself: the others are taken, and the answer says what was wrong (ADR 0145). The
tokens are the leave to send them: nothing else is asked for, and no datafile is needed.
"""

from __future__ import annotations

from bucketer.api.body import as_parameters, parse_json
from bucketer.api.exposure import events_in
from bucketer.api.grant import NOBODY
from bucketer.api.http import Reply, Response
from bucketer.api.json_text import to_json
from bucketer.api.problems import ExposureRefused, describe, status_of
from bucketer.core.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bucketer.api.body import Repeated
    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions
    from bucketer.core.events import Event

#: The most tokens that one body may have.
MAX_TOKENS = 1_000
_EXAMPLE = '{"token": "…"} or {"tokens": ["…", "…"]}, or the bare tokens'


class ExposeRoute:
    """The route, the same for every edition.

    Attributes:
        methods: what it takes.
    """

    methods = ("POST",)
    role = NOBODY  # its tokens are the leave, and `sendBeacon` sends no headers

    def __init__(self, options: ApiOptions, headers: tuple[tuple[str, str], ...]) -> None:
        """Check by what *options* say, each answer with *headers*."""
        self._options, self._headers = options, headers

    def answer(
        self,
        request: Request,
        now: float,
        new_uuid: Callable[[], str],  # noqa: ARG002 -- the tokens have the names
        known: Known | None,  # noqa: ARG002 -- nothing is fetched
    ) -> Reply:
        """Send the impressions of all tokens that are good, each once.

        Raises:
            InvalidRequest: there is no token in the body, or there are too many.
        """
        tokens = _tokens_of(request, self._options.max_json_depth)
        events: dict[str, Event] = {}
        trouble: InvalidRequest | ExposureRefused | None = None
        number = 0
        for number, token in enumerate(tokens, start=1):
            try:
                events.update((each.uuid, each) for each in events_in(token, self._options, now))
            except (InvalidRequest, ExposureRefused) as error:
                trouble = trouble or _of_item(error, number, len(tokens))
        body: dict[str, object] = {"exposed": len(events)}
        status = 200
        if trouble is not None:
            status = status_of(trouble)
            body["error"] = describe(trouble)
        text = to_json(body).encode("ascii")
        return Reply(
            Response(status, self._headers, text, request.request_id), tuple(events.values())
        )

    def understood(self, request: Request) -> dict[str, object]:
        """Return what an error's body carries: nothing was taken."""
        del request
        return {"exposed": 0}


def _tokens_of(request: Request, max_depth: int) -> list[str]:
    """Return the tokens of a body, as it gives them."""
    body = request.body.strip()
    if body[:1] in {b"{", b"[", b'"'}:
        tokens = _of_json(*parse_json(body, max_depth))
    else:
        tokens = _of_text(body)
    if not 0 < len(tokens) <= MAX_TOKENS:
        message = f"The body has {len(tokens)} tokens; it must have 1 to {MAX_TOKENS}: {_EXAMPLE}."
        raise InvalidRequest(message, field="token")
    return tokens


def _of_json(parsed: Any, repeated: Repeated) -> list[str]:
    if isinstance(parsed, dict):
        given = as_parameters(parsed, repeated)
        found = [given[name] for name in ("token", "tokens") if given.get(name) is not None]
        parsed = found[0] if len(found) == 1 else None
    tokens = parsed if isinstance(parsed, list) else [parsed]
    if any(not isinstance(each, str) for each in tokens):
        raise InvalidRequest(f"The body must be {_EXAMPLE}.", field="token")
    return tokens


def _of_text(body: bytes) -> list[str]:
    """Read bare tokens, or a form of them (`token=…&token=…`)."""
    text = body.decode("ascii", "replace")
    pieces = text.split(None, MAX_TOKENS) if "=" not in text else text.split("&", MAX_TOKENS)
    return [each.removeprefix("token=") for each in pieces]


def _of_item(
    error: InvalidRequest | ExposureRefused, number: int, total: int
) -> InvalidRequest | ExposureRefused:
    """Return the same error, which says in which token it is."""
    if total == 1:
        return error
    if isinstance(error, InvalidRequest):
        return InvalidRequest(f"Token {number} of {total}: {error}", field=error.field)
    return ExposureRefused(f"number {number} of {total}: {error.why}")
