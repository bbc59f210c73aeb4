"""Whether who asks may ask it: the same for every API, each in its own words.

A route says in `role` what it takes. Where keys or tokens are configured, `Handler` puts `Guarded`
in front of it; where access is open nothing stands there.

Source: optimizely/agent 471fdcd, pkg/middleware/auth.go: headers, claims, order.
"""

from __future__ import annotations

from bucketer.core.errors import AccessDenied, ClaimsRefused, TokenRefused

from .grant import ADMIN, NOBODY, ROLES, Grant, role_name
from .http import SDK_KEY, EnvironmentNeeded
from .problems import RateLimited
from .query import parse_query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Protocol

    from bucketer.core.errors import BucketerError

    from .http import Known, Reply, Request
    from .route import Route

    class Gate(Protocol):
        """Knows who may do what. Shared by threads; never waits.

        Attributes:
            rates: how often each key may ask; None for as often as it likes.
        """

        rates: Rates | None

        def grant(self, request: Request, now: float) -> Grant:
            """Return what whoever sent *request* may do at *now*, epoch seconds.

            Raises:
                TokenRefused: there is no key or token, or it isn't genuine, or no longer good.
                AccessDenied: it may not be used from there.
                WorkNeeded: what it is checked by has to be read or fetched first.
                KeysUnavailable: that isn't possible now.
            """
            ...

        def chosen(self, headers: Mapping[str, str]) -> str:
            """Return the only environment that *headers*' key is for; "" where that isn't clear.

            As `EnvironmentNeeded` takes it. A guess that saves time, and no check.
            """
            ...

    class Rates(Protocol):
        """Knows how often each has asked of late. Shared by threads; never waits."""

        def of_address(self, address: str, now: float) -> float:
            """Count one for a visitor's *address*; return 0, or the seconds until it may ask."""
            ...

        def of_key(self, name: str, now: float) -> float:
            """Count one for the key of that *name*; return 0, or the seconds until it may ask."""
            ...

    class Asked(Protocol):
        """Which environment it is about: `options.ApiOptions` has it."""

        environment_id: str


#: How a page names its publishable key in a URL.
PARAMETER = "api_key"
_SCHEMES = frozenset({"bearer", "jwt"})
_NO_KEYS = "invalid claims: sdk_keys not found, or have the wrong type"
_NO_ROLE = "invalid claims: none of its roles is evaluate, read or admin"
_OTHER_KEYS = (
    "SDK key given in X-Optimizely-Sdk-Key header was not found in the SDK keys in this token's"
    " claims"
)
_OTHER_ENVIRONMENT = "This key is for another environment than the one that is asked."
#: How roles stand among the words of `scope`, which are for many services.
_SCOPE = "bucketer:"


def token_of(headers: Mapping[str, str]) -> str:
    """Return the key or token that a request shows; "" for none. *headers* by lower-case name.

    `Authorization` wins over `X-API-Key`, that over `Jwt` and `Auth`; of several of one name, the
    first counts. What `Authorization` has for somebody else (`Basic`) is passed over where there is
    an `X-API-Key`.
    """
    value, key = headers.get("authorization"), headers.get("x-api-key")
    if value is not None:
        value = value.partition(",")[0].strip()
        scheme, _, rest = value.partition(" ")
        if key is None or scheme.lower() in _SCHEMES:
            return rest.strip() if rest or scheme.lower() in _SCHEMES else value
    if key is None:
        key = headers.get("jwt", headers.get("auth", ""))
    return key.partition(",")[0].strip()


def key_in_query(request: Request) -> str:
    """Return the publishable key that the URL names; "" for none."""
    if f"{PARAMETER}=" not in request.query:
        return ""
    return parse_query(request.query, {PARAMETER: PARAMETER}).get(PARAMETER, "")


def origin_of(headers: Mapping[str, str]) -> str:
    """Return the origin of the page that asks, in lower case; "" where nobody tells.

    A page's own origin is not told to itself by `Origin` with GET; `Referer` begins with it.
    """
    origin = headers.get("origin", "")
    if not origin:
        scheme, found, rest = headers.get("referer", "").partition("://")
        origin = f"{scheme}://{rest.partition('/')[0]}" if found else ""
    return origin.lower()


def grant_of_claims(claims: Mapping[str, object], now: float, usual: int, until: float) -> Grant:
    """Return what the claims of a genuine token allow.

    Args:
        claims: `exp`; `sdk_keys` or `environments`, lists of text; `role`, a text, or `roles`, a
            list of them, or `scope` with `bucketer:ROLE` among its words. `admin: true`, as Agent
            has it, is the role admin, and by itself for all environments.
        now: epoch seconds.
        usual: the role where none is said.
        until: the grant is to be looked at anew no later than this.

    Raises:
        ClaimsRefused: it has expired or is for nothing here.
    """
    expires = claims.get("exp")
    if not isinstance(expires, (int, float)) or not expires > now:
        raise ClaimsRefused("token expired")
    keys, names = claims.get("sdk_keys"), claims.get("environments")
    role = _role_of(claims, usual)
    environments = None
    sdk_keys: frozenset[str] | None = frozenset()
    if isinstance(names, list) and all(isinstance(each, str) for each in names):
        environments = frozenset(names)
    if isinstance(keys, list):
        sdk_keys = frozenset(each for each in keys if isinstance(each, str))
    elif environments is None:
        if claims.get("admin") is not True or "sdk_keys" in claims:
            raise ClaimsRefused(_NO_KEYS)
        sdk_keys = None
    if environments is not None and "*" in environments:
        environments = sdk_keys = None
    return Grant(role, environments, sdk_keys, until=min(float(expires), until))


def _role_of(claims: Mapping[str, object], usual: int) -> int:
    said: list[object] = []
    for name in ("role", "roles"):
        if name in claims:
            value = claims[name]
            said += value if isinstance(value, list) else [value]
    scope = claims.get("scope")
    words = scope.split() if isinstance(scope, str) else ()
    said += [word.removeprefix(_SCOPE) for word in words if word.startswith(_SCOPE)]
    if claims.get("admin") is True:
        return ADMIN
    if not said and "roles" not in claims and "role" not in claims:
        return usual
    role = max((ROLES.get(each, NOBODY) for each in said if isinstance(each, str)), default=NOBODY)
    if role == NOBODY:
        raise ClaimsRefused(_NO_ROLE)
    return role


def admit(
    request: Request,
    gate: Gate,
    role: int,
    environment_id: str,
    keys: Collection[str],
    now: float,
    known: Known | None,
) -> None:
    """Let a request through that may do what takes *role*, and note what it may in `grant`.

    Args:
        request: as it came.
        gate: knows who may do what.
        role: what the route takes.
        environment_id: of the environment that is to answer.
        keys: what names it: any of them will do.
        now: epoch seconds.
        known: what the shell has fetched.

    Raises:
        TokenRefused, ClaimsRefused: it shows nothing that is genuine and for this environment.
        AccessDenied: it may not do that.
        RateLimited: its key has asked too often.
        EnvironmentNeeded: it names no environment, and its key is for one, which is another.
        WorkNeeded, KeysUnavailable: see `Gate`.
    """
    check(request, gate.grant(request, now), gate, role, environment_id, keys, now, known)


def check(
    request: Request,
    grant: Grant,
    gate: Gate,
    role: int,
    environment_id: str,
    keys: Collection[str],
    now: float,
    known: Known | None,
) -> None:
    """Let a request through that may do by *grant* what takes *role*; the rest as `admit`.

    Raises:
        BucketerError, EnvironmentNeeded: see `admit`.
    """
    if grant.role < role:
        needed, has = role_name(role), role_name(grant.role)
        raise AccessDenied(f"This takes a key with the role {needed}; this one has {has}.")
    request.grant = grant
    if grant.covers(environment_id, keys):
        # A publishable key is every visitor's: one of them must not use it up for the others.
        if gate.rates is not None and known is None and not grant.origins:
            wait_s = gate.rates.of_key(grant.name, now)
            if wait_s:
                raise RateLimited(wait_s)
        return
    chosen, names_one = grant.chosen, SDK_KEY in request.headers or "sdk_key=" in request.query
    if chosen and not names_one:
        if known is None or not known.environment_asked:
            raise EnvironmentNeeded(chosen)
        if known.refusal is not None and grant.environments:
            raise known.refusal
    raise of_another(grant)


def of_another(grant: Grant) -> BucketerError:
    """Return the error of who asks an environment that *grant* isn't for."""
    return AccessDenied(_OTHER_ENVIRONMENT) if grant.environments else ClaimsRefused(_OTHER_KEYS)


class Guarded:
    """A route that lets nobody in who may not ask it.

    Attributes:
        methods, role: of the route.
    """

    def __init__(self, route: Route, gate: Gate, options: Asked, keys: Collection[str]) -> None:
        """Let through who may do what *route* takes, in the environment of *options* and *keys*."""
        self.methods, self.role = route.methods, route.role
        self._route, self._gate, self._options, self._keys = route, gate, options, keys

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Answer as the route does.

        Raises:
            Exception: of `admit`, or the route's own.
        """
        gate = self._gate
        grant = gate.grant(request, now)
        environment_id = self._options.environment_id
        if (
            grant.role >= self.role
            and gate.rates is None
            and (grant.everywhere or grant.covers(environment_id, self._keys))
        ):
            request.grant = grant  # nearly always
        else:
            check(request, grant, gate, self.role, environment_id, self._keys, now, known)
        return self._route.answer(request, now, new_uuid, known)

    def understood(self, request: Request) -> dict[str, object]:
        """Return what an error's body carries; nothing of who asked without leave."""
        return self._route.understood(request)


def closed(why: str) -> AccessDenied:
    """Return the error of what only admins may, where nobody can be told from anybody."""
    told = "so everybody would be an admin. Configure keys (docs/access.md)"
    return AccessDenied(f"{why} takes the role admin. Access is open, {told}.")


def no_credentials() -> TokenRefused:
    """Return the error of a request that shows nothing."""
    return TokenRefused("none was sent")
