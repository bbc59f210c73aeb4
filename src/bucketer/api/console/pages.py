"""The page's files: at `/` for browsers, and below `/console/`; each with its etag, and packed.

They hold nothing of anybody's, so they ask for no key. What the page may do stands in `_POLICY`:
nothing from another host, no script but ours, and no other page may frame it.
"""

from __future__ import annotations

from bucketer.api.grant import NOBODY
from bucketer.api.http import COMMON_HEADERS, Reply, Response, WorkNeeded
from bucketer.api.local import is_local
from bucketer.api.problems import NotFound

from .allowed import not_here
from .refusal import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bucketer.api.http import Known, Request
    from bucketer.api.route import Route

    from .parts import ConsoleParts, File

#: What all of the console's paths begin with.
PREFIX = "/console"
#: What `/` answers.
INDEX = "index.html"
_FILES = "console files"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = (
    ("Cache-Control", "no-cache"),
    ("Content-Security-Policy", _POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
_VARY = ("Vary", "Accept, Accept-Encoding")


class FileRoute:
    """One file of the page.

    Attributes:
        methods: what it takes.
    """

    methods = ("GET", "HEAD")
    role = NOBODY

    def __init__(self, parts: ConsoleParts, name: str) -> None:
        """Give the file of that path below `web/`."""
        self._parts, self._name = parts, name

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Give it, or say that the browser has it already.

        Raises:
            WorkNeeded: the files have to be read first.
            NotFound: there is no such file.
        """
        del now, new_uuid
        parts = self._parts
        if not parts.takes_keys and not (parts.is_open and is_local(request)):
            refused = not_here()
            return Reply(refusal(request, refused, refused.status))
        if known is None or _FILES not in known.work:
            raise WorkNeeded(_FILES, parts.files)
        files: Mapping[str, File] = known.work[_FILES]  # type: ignore[assignment]  # as `files` gives them
        file = files.get(self._name)
        if file is None:
            raise NotFound(request.path, ("/",))
        return Reply(_answer(request, file))

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing."""
        del request
        return {}


def _answer(request: Request, file: File) -> Response:
    headers: tuple[tuple[str, str], ...]
    headers = (("Content-Type", file.kind), ("ETag", file.etag), _VARY, *_HEADERS)
    if is_same(request.headers.get("if-none-match", ""), file.etag):
        return Response(304, headers, b"", request.request_id)
    if file.packed and takes_gzip(request.headers.get("accept-encoding", "")):
        headers = (("Content-Encoding", "gzip"), *headers)
        return Response(200, headers, file.packed, request.request_id)
    return Response(200, headers, file.body, request.request_id)


def is_same(asked: str, etag: str) -> bool:
    """Whether `If-None-Match` names *etag*, whether weakly or not."""
    return any(each.strip().removeprefix("W/") in {etag, "*"} for each in asked.split(","))


def takes_gzip(accepted: str) -> bool:
    """Whether `Accept-Encoding` lists gzip, and doesn't refuse it."""
    for each in accepted.lower().split(","):
        name, _, weight = each.replace(" ", "").partition(";")
        if name == "gzip":
            return weight.removeprefix("q=").rstrip("0") not in {"0.", "0", ""} or not weight
    return False


class _Elsewhere:
    """Sends a browser to the page, whose address ends with a slash."""

    methods = ("GET", "HEAD")
    role = NOBODY

    def __init__(self, where: str) -> None:
        self._where = where

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        del now, new_uuid, known
        headers = (("Location", self._where), *COMMON_HEADERS)
        return Reply(Response(302, headers, b"", request.request_id))

    def understood(self, request: Request) -> dict[str, object]:
        del request
        return {}


class FrontRoute:
    """`/`: the page for a browser, the index for a program.

    Attributes:
        methods: of the index, which asks for a key itself.
    """

    role = NOBODY

    def __init__(self, parts: ConsoleParts, prefix: str, index: Route) -> None:
        """Answer by *index* whoever doesn't ask for HTML; *prefix* may stand before each path."""
        self.methods = index.methods
        self._parts, self._prefix, self._index = parts, prefix, index

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Answer as the request's `Accept` says. Who may not see the page gets the index."""
        parts = self._parts
        may = parts.takes_keys or (parts.is_open and is_local(request))
        if "text/html" not in request.headers.get("accept", "").lower() or not may:
            reply = self._index.answer(request, now, new_uuid, known)
            reply.response.headers = (*reply.response.headers, ("Vary", "Accept"))
            return reply
        route: Route = FileRoute(parts, INDEX)
        if not request.path.endswith("/"):
            route = _Elsewhere(f"{self._prefix}/")
        return route.answer(request, now, new_uuid, known)

    def understood(self, request: Request) -> dict[str, object]:
        """Return what the index does."""
        return self._index.understood(request)


def page_route(parts: ConsoleParts, prefix: str, path: str) -> Route | None:
    """Return what stands at *path*, which begins with `/console`, beside the JSON routes."""
    if path in {PREFIX, f"{PREFIX}/"}:
        return _Elsewhere(f"{prefix}/")
    if not path.startswith(f"{PREFIX}/") or path == f"{PREFIX}/{INDEX}":
        return None
    return FileRoute(parts, path[len(PREFIX) + 1 :])
