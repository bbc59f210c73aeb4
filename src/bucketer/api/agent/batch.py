"""``POST /v1/batch``: several operations in one request, answered one by one in their order.

Each is a request of its own: it needs its SDK key, its type of body, its token. Nothing is
inherited but the visitor's address.

Source: optimizely/agent 471fdcd, pkg/middleware/batch.go.
"""

from __future__ import annotations

import json
import re

from bucketer.api.grant import NOBODY
from bucketer.api.http import Reply, Request, RequestsNeeded, Response, is_sane_request_id
from bucketer.api.query import quote

from .fields import OBJECT, OBJECTS, TEXT, TEXT_MAP, Shape, Unreadable, objects, read_fields
from .go_json import Fields, NoJson, document, go_json
from .go_query import parses
from .go_time import NEVER, go_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bucketer.api.http import Known

    from .call import Api

_SHAPE = Shape(operations=OBJECTS)
_OPERATION = Shape(
    method=TEXT,
    url=TEXT,
    operationID=TEXT,
    body=OBJECT,
    params=TEXT_MAP,
    headers=TEXT_MAP,
)
_UNREADABLE = b'{"error": "cannot decode the operation body"}\n'
_TOO_MANY = '{"error": "too many operations, exceeding %d operations"}\n'
_PREFIX, _ENDING = "/v1/", "/batch"
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
#: A path, or an absolute URL whose host is no matter; nothing in it that no URL has.
_URL = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://(?:\[[0-9A-Fa-f:.]*\]|[^\x00-\x20\x7f/?#\[\]]*)(?=[/?#]|$))?"
    r"(?P<path>(?![A-Za-z0-9+.-]*:)[^\x00-\x1f\x7f?#]*)(?:\?(?P<query>[^\x00-\x1f\x7f#]*))?(?:#[^\x00-\x1f\x7f]*)?"
)
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def is_batch(path: str) -> bool:
    """Say whether *path* is one that a batch may come to."""
    return path.lower().endswith(_ENDING)


class BatchRoute:
    """Answers batches; neither an SDK key nor a token is asked of the batch itself."""

    methods = ("POST",)
    role = NOBODY

    def __init__(self, api: Api) -> None:
        """Answer for whichever environments the operations name."""
        self._api = api

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Answer all operations, each with its own status.

        Raises:
            RequestsNeeded: the shell must have them answered first.
        """
        try:
            operations = self._read(request)
        except Unreadable:
            return self._text(request, 400, _UNREADABLE)
        most = self._api.options.batch_max
        if len(operations) > most:
            return self._text(request, 422, (_TOO_MANY % most).encode())
        asked = [_request(each, request, new_uuid) for each in operations]
        wanted = [each for each in asked if isinstance(each, Request)]
        answered = known.answered if known is not None else None
        if wanted and answered is None:
            raise RequestsNeeded(wanted)
        answers = iter(answered or ())
        items, ended = [], None
        for operation, each in zip(operations, asked, strict=True):
            response, since, until = (
                _not_asked(each, now) if isinstance(each, int) else next(answers)
            )
            status = each if isinstance(each, int) else response.status if response else 413
            items.append(_item(operation, status, response, since, until))
            ended = until or ended or now
        told = Fields(
            startedAt=go_time(now),
            endedAt=NEVER if ended is None else go_time(ended),
            errorCount=sum(each["status"] != 200 for each in items),  # noqa: PLR2004
            response=items,
        )
        body = document(told)
        return Reply(Response(200, self._api.headers, body, request.request_id))

    def _read(self, request: Request) -> list[dict[str, Any]]:
        if not request.body.strip():
            raise Unreadable
        depth = self._api.options.max_json_depth
        fields = read_fields(request.body, depth, _SHAPE)
        return objects(fields["operations"], _OPERATION)

    def _text(self, request: Request, status: int, text: bytes) -> Reply:
        return Reply(Response(status, self._api.text_headers, text, request.request_id))

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing: Agent's errors tell no more."""
        del request
        return {}


def _request(
    operation: dict[str, Any], batch: Request, new_uuid: Callable[[], str]
) -> Request | int:
    """Return the request that an operation is, or the status of one that is none."""
    method = operation["method"] or "GET"
    try:
        body = go_json(operation["body"]).encode() if operation["body"] is not None else b"null"
    except NoJson:
        return 400
    url = _URL.fullmatch(operation["url"])
    if not _TOKEN.issuperset(method) or url is None:
        return 400
    headers = {name.lower(): value for name, value in (operation["headers"] or {}).items()}
    path = url["path"]
    if not path.startswith(_PREFIX):
        return 404
    if is_batch(path):  # one in another is found nowhere
        path = _PREFIX
    query = url["query"].split("&") if url["query"] else []
    if params := operation["params"]:  # it is put together anew, of what can be read of it
        query = [pair for pair in query if parses(pair)]
        query += [
            f"{quote(name, _UNRESERVED)}={quote(value, _UNRESERVED)}"
            for name, value in params.items()
        ]
    request_id = headers.get("x-request-id", "")
    if not is_sane_request_id(request_id):
        request_id = new_uuid()
    return Request(method, path, "&".join(query), headers, body, batch.ip, request_id)


def _not_asked(status: int, now: float) -> tuple[Response | None, float, float | None]:
    """Return what became of an operation that is none: Agent says of a bad one no end."""
    return None, now, None if status == 400 else now  # noqa: PLR2004


def _item(
    operation: dict[str, Any],
    status: int,
    response: Response | None,
    since: float,
    until: float | None,
) -> Fields:
    """Return what is told of one operation."""
    body, is_json = _body_of(response)
    return Fields(
        status=status,
        requestID=response.request_id if response is not None and is_json else "",
        operationID=operation["operationID"],
        method=operation["method"],
        url=operation["url"],
        body=body,
        startedAt=go_time(since),
        endedAt=NEVER if until is None else go_time(until),
    )


def _body_of(response: Response | None) -> tuple[object, bool]:
    """Return what an answer says, decoded; None where it is no JSON."""
    if response is None or not response.body:
        return None, False
    try:
        return json.loads(response.body), True
    except ValueError:
        return None, False
