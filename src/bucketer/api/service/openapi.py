"""`/openapi.yaml`: what stands at which path, for programs."""

from __future__ import annotations

from bucketer.api.grant import NOBODY
from bucketer.api.http import COMMON_HEADERS, Reply, Response, WorkNeeded
from bucketer.api.problems import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions

PATH = "/openapi.yaml"
_TYPE = ("Content-Type", "application/yaml")


class OpenapiRoute:
    """Gives the document, which the shell reads."""

    methods = ("GET", "HEAD")
    role = NOBODY

    def __init__(self, options: ApiOptions, headers: tuple[tuple[str, str], ...]) -> None:
        """Give it with *headers* of our own answers, but for the type."""
        self._options = options
        rest = (each for each in headers if each[0] != "Content-Type")
        self._headers = (_TYPE, *(rest if headers else COMMON_HEADERS))

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Give the document.

        Raises:
            WorkNeeded: it has to be read first.
            NotFound: it isn't there: a package may do without.
        """
        del now, new_uuid
        read = self._options.read_openapi
        if read is None:
            raise NotFound(PATH, ("/bucketer", "/health"))
        if known is None or PATH not in known.work:
            raise WorkNeeded(PATH, read)
        text = known.work[PATH]
        if not isinstance(text, bytes):
            raise NotFound(PATH, ("/bucketer", "/health"))
        return Reply(Response(200, self._headers, text, request.request_id))

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing."""
        del request
        return {}
