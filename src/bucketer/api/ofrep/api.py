"""The protocol's two paths, and its errors: always JSON, whatever went wrong.

Clients differ in what they can read (docs/openfeature.md), so every error has a key where one was
asked for, a code of the protocol's, a sentence and an empty `metadata`.
"""

from __future__ import annotations

from bucketer.api.http import Response
from bucketer.api.json_text import to_json
from bucketer.api.problems import describe, headers_of
from bucketer.api.query import unquote_path

from .bulk import BulkRoute
from .context import InvalidContext, TargetingKeyMissing
from .evaluation import Evaluator, FlagNotFound
from .single import SingleRoute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from bucketer.api.http import Request
    from bucketer.api.options import ApiOptions
    from bucketer.api.route import Route
    from bucketer.ports import EditionFacts, Engine

#: What all paths of the protocol begin with.
PREFIX = "/ofrep/"
_FLAGS = "/ofrep/v1/evaluate/flags"
_EVENTS = "/ofrep/v1/events"
#: The protocol's codes by status; anything else is GENERAL.
_CODES = {400: "PARSE_ERROR", 404: "FLAG_NOT_FOUND", 413: "INVALID_CONTEXT"}


#: How much of a key an error repeats.
_MOST_CHARS = 1_000


class OfrepApi:
    """The protocol, for one edition.

    Attributes:
        paths: those of all flags, and of each that has been asked for.
    """

    def __init__(
        self,
        edition: EditionFacts | None,
        options: ApiOptions,
        headers: tuple[tuple[str, str], ...],
        engine: Engine,
        keys: frozenset[str],
    ) -> None:
        """Answer by *edition*; *keys* are every API's and not used here."""
        del keys
        self.paths = {_FLAGS}
        self._headers = headers
        self._evaluator = None if edition is None else Evaluator(edition, options, engine)
        self._flags: Container[str] = () if edition is None else edition.ruleset.flags
        self._options = options
        self._bulk = BulkRoute(self._evaluator, options, headers)

    def route(self, path: str) -> Route | None:
        """Return what stands at *path*: the bulk route, or that of the flag which it names.

        A key is everything behind the slash, so it may have slashes of its own; a path is never
        tidied, so no key leads anywhere else.
        """
        if path == _FLAGS:
            return self._bulk
        if path == _EVENTS and self._options.stream_room is not None:
            from .streams import StreamRoute  # which a server alone has

            return StreamRoute(self._options, self._headers)
        if path.startswith(f"{_FLAGS}/"):
            key = _key_of(path)
            if key in self._flags and key == path[len(_FLAGS) + 1 :]:
                self.paths.add(path)
            return SingleRoute(key, self._evaluator, self._options, self._headers)
        return None

    def refuse(self, request: Request, error: Exception, status: int) -> Response:
        """Answer *error* as clients can read it."""
        described = describe(error)
        code = _CODES.get(status, "GENERAL")
        if isinstance(error, TargetingKeyMissing):
            code = "TARGETING_KEY_MISSING"
        elif isinstance(error, InvalidContext):
            code = "INVALID_CONTEXT"
        _, found, _ = request.path.partition(f"{_FLAGS}/")
        key = (found and _key_of(request.path)) or ""
        if not found and status == 404 and not isinstance(error, FlagNotFound):  # noqa: PLR2004
            code = "GENERAL"
        body = {
            "key": key[:_MOST_CHARS],
            "errorCode": code,
            "errorDetails": described["message"],
            "metadata": {},
        }
        headers = self._headers + headers_of(error)
        text = to_json(body).encode("ascii")
        return Response(status, headers, text, request.request_id)


def _key_of(path: str) -> str | None:
    """Return the key in a path: all behind the flags' slash; None for what isn't UTF-8."""
    return unquote_path(path.partition(f"{_FLAGS}/")[2])
