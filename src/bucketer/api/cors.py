"""What browsers are told about pages of other origins, beyond what every answer has.

Source: the Fetch standard, "CORS protocol". With ``*`` an answer is for any page, and for none that
asks with cookies; a named origin may do that too. What is told then depends on who asks, which
caches have to know: ``Vary``.
"""

from __future__ import annotations

from .http import COMMON_HEADERS, EXPOSED_HEADERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .http import Request
    from .options import ApiOptions

    Headers = tuple[tuple[str, str], ...]

ANY = ("*",)
_EXPOSED = ("Access-Control-Expose-Headers", EXPOSED_HEADERS)
_VARY = ("Vary", "Origin")
#: Seconds that a browser may keep what a preflight was told; it has a limit of its own.
_MAX_AGE_S = "86400"
#: No origin is longer; what is isn't repeated.
_MAX_ORIGIN_CHARS = 255


def for_everybody(origins: tuple[str, ...]) -> Headers:
    """Return what every answer has, whoever asks: all there is to say unless *origins* are many."""
    if not origins:
        return ()
    if origins == ANY:
        return (("Access-Control-Allow-Origin", "*"), _EXPOSED)
    return (*for_origin(origins[0]), _VARY) if len(origins) == 1 else (_VARY,)


def for_origin(origin: str) -> Headers:
    """Return what an answer to a page of *origin*, which is named, has beside that."""
    return (
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        _EXPOSED,
    )


def preflight_headers(request: Request, options: ApiOptions, methods: Iterable[str]) -> Headers:
    """Return the headers of the answer to OPTIONS, as a browser asks before it sends.

    A beacon is always sent with cookies, so ``*`` would forbid each that needs a preflight (one
    of ``application/json``). Where any page may ask, a POST is therefore allowed to the origin
    that asks. Its answer still says ``*``, which no page that sent cookies can read.
    """
    allowed = ", ".join((*methods, "OPTIONS"))
    headers: list[tuple[str, str]] = [("Allow", allowed), *COMMON_HEADERS]
    if not options.allow_origins:
        return tuple(headers)
    origin = request.headers.get("origin", "")
    asks_to_post = request.headers.get("access-control-request-method") == "POST"
    if options.allow_origins == ANY and asks_to_post and _can_be_repeated(origin):
        headers += (*for_origin(origin), _VARY)
    else:
        headers += for_everybody(options.allow_origins)
        if len(options.allow_origins) > 1 and origin not in options.allow_origins:
            return tuple(headers)
    headers += (
        ("Access-Control-Allow-Methods", allowed),
        ("Access-Control-Allow-Headers", options.allow_headers),
        ("Access-Control-Max-Age", _MAX_AGE_S),
    )
    return tuple(headers)


def _can_be_repeated(origin: str) -> bool:
    plain = origin.isascii() and origin.isprintable() and " " not in origin
    return 0 < len(origin) <= _MAX_ORIGIN_CHARS and plain
