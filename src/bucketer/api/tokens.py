"""Whether a request's token lets it ask what it asks: the same for every API.

Source: optimizely/agent 471fdcd, pkg/middleware/auth.go: headers, claims, order.
"""

from __future__ import annotations

from bucketer.core.errors import ClaimsRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from bucketer.ports import TokenChecker

    from .http import Known, Reply, Request
    from .route import Route

_SCHEMES = frozenset({"bearer", "jwt"})
_NO_KEYS = "invalid claims: sdk_keys not found, or have the wrong type"
_OTHER_KEYS = (
    "SDK key given in X-Optimizely-Sdk-Key header was not found in the SDK keys in this token's"
    " claims"
)


def token_of(headers: Mapping[str, str]) -> str:
    """Return the token that a request shows; "" for none. *headers* by lower-case name.

    `Authorization` wins over `Jwt`, that over `Auth`; of several of one name, the first counts.
    """
    value = headers.get("authorization")
    if value is not None:
        value = value.partition(",")[0].strip()
        scheme, _, rest = value.partition(" ")
        return rest.strip() if rest or scheme.lower() in _SCHEMES else value
    value = headers.get("jwt", headers.get("auth", ""))
    return value.partition(",")[0].strip()


def check_token(request: Request, checker: TokenChecker, keys: Collection[str], now: float) -> None:
    """Let a request through whose token is for one of *keys*.

    Args:
        request: as it came.
        checker: knows which tokens are genuine.
        keys: what names the request's environment: any of them will do.
        now: epoch seconds.

    Raises:
        TokenRefused: there is none, or it isn't genuine, or no longer good.
        ClaimsRefused: it is for something else.
        WorkNeeded, KeysUnavailable: see `tokens.checking`.
    """
    claims = checker.claims(token_of(request.headers), now)
    expires = claims.get("exp")
    if not isinstance(expires, (int, float)) or not expires > now:
        raise ClaimsRefused("token expired")
    allowed = claims.get("sdk_keys")
    if not isinstance(allowed, list):
        raise ClaimsRefused(_NO_KEYS)
    if not any(isinstance(each, str) and each in keys for each in allowed):
        raise ClaimsRefused(_OTHER_KEYS)


class Guarded:
    """A route that asks for a token first.

    Attributes:
        methods: of the route.
    """

    def __init__(self, route: Route, checker: TokenChecker, keys: Collection[str]) -> None:
        """Let through what has a token for one of *keys*."""
        self.methods = route.methods
        self._route, self._checker, self._keys = route, checker, keys

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Answer as the route does.

        Raises:
            Exception: of `check_token`, or the route's own.
        """
        check_token(request, self._checker, self._keys, now)
        return self._route.answer(request, now, new_uuid, known)

    def understood(self, request: Request) -> dict[str, object]:
        """Return what an error's body carries; nothing of who asked without leave."""
        return self._route.understood(request)
