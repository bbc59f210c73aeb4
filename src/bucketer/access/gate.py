"""A request in, what it may do out.

A key is found by its hash in a dictionary. So each guess that has the shape of a header costs the
same, one hash and a look that finds nothing, whatever it has in common with a key: what a
comparison could tell by its time is about the hash, which nobody can steer. What was genuine is
remembered by its text: a dictionary compares texts only where 64 bits of their hashes are equal,
with a secret of the process in them, so that tells nothing either (docs/decisions/0151).
"""

from __future__ import annotations

import threading

from bucketer.api.access import (
    PARAMETER,
    grant_of_claims,
    key_in_query,
    no_credentials,
    origin_of,
    token_of,
)
from bucketer.api.http import WorkNeeded
from bucketer.core.errors import AccessDenied, InvalidRequest, TokenRefused

from .keys import SECRET, digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bucketer.api.access import Rates
    from bucketer.api.grant import Grant
    from bucketer.api.http import Request
    from bucketer.ports import TokenChecker

    from .ring import Ring

#: The file of keys is looked at so often: a key that is revoked is good for no longer.
LOOK_EVERY_S = 5.0
#: A token that was genuine is checked anew after so long: the key that signed it may be gone.
REMEMBERED_S = 300.0
#: Of all headers that were genuine, what may be remembered; and what one costs beyond its text.
MAX_BYTES, COST_BYTES = 4 * 1024 * 1024, 1_000
#: What a token's claims may come to in memory, for each of its characters.
_CLAIMS = 32


class Gate:
    """Knows who may do what. Shared by threads; never waits.

    Attributes:
        rates: how often each key may ask; None for as often as it likes.
    """

    rates: Rates | None = None

    def __init__(self, ring: Ring, checker: TokenChecker | None, usual: int) -> None:
        """Take the keys of *ring*, and tokens that *checker* knows, with the role *usual*."""
        self._ring, self._checker, self._usual = ring, checker, usual
        #: By the whole header, with what it costs: what was genuine, in its order.
        self._known: dict[str, tuple[Grant, float, int]] = {}
        self._grants: Mapping[bytes, Grant] = ring.grants
        self._known_bytes = 0
        self._remembering = threading.Lock()
        #: Within these epoch seconds nobody looks at the file. So a clock that is set changes
        #: nothing for longer than that.
        self._since, self._until = float("-inf"), float("-inf" if ring.path else "inf")

    def grant(self, request: Request, now: float) -> Grant:
        """Return what whoever sent *request* may do at *now*, epoch seconds.

        Raises:
            TokenRefused: there is no key or token, or it isn't genuine, or no longer good.
            AccessDenied: it may not be used from there.
            WorkNeeded: the file of keys is to be looked at, or published keys to be fetched.
            KeysUnavailable: those can't be had.
        """
        if not self._since <= now < self._until:
            self._since, self._until = now, now + LOOK_EVERY_S
            raise WorkNeeded("access", self._ring.look)
        headers = request.headers
        shown = headers.get("authorization") or headers.get("x-api-key")
        if shown is None:
            return self._unshown(request, now)
        known = self._known.get(shown)
        if known is not None and known[1] > now and self._grants is self._ring.grants:
            return known[0]
        return self._find(request, token_of(headers), now, shown)

    def chosen(self, headers: Mapping[str, str]) -> str:
        """Return the environment that a header's key chooses, if it is remembered; else "".

        As `EnvironmentNeeded` takes it. Nothing is checked: who may ask is `grant`'s to say.
        """
        known = self._known.get(headers.get("authorization") or headers.get("x-api-key") or "")
        return "" if known is None else known[0].chosen

    def _find(self, request: Request, token: str, now: float, shown: str) -> Grant:
        """Look up a key, or check a token; remember it where *shown* is all that it came in."""
        grants = self._ring.grants
        grant = grants.get(digest_of(token))
        cost = COST_BYTES + 4 * len(shown)
        if grant is None:
            grant = self._checked(token, now)
            cost += len(token) * _CLAIMS
        if grant.origins:
            _check_origin(grant, request)
        elif token and shown.endswith(token):
            self._remember(shown, grant, cost, grants)
        return grant

    def _checked(self, token: str, now: float) -> Grant:
        checker = self._checker
        if checker is None:
            raise TokenRefused("it isn't known") if token else no_credentials()
        claims = checker.claims(token, now)
        grant = grant_of_claims(claims, now, self._usual, now + REMEMBERED_S)
        subject = claims.get("sub")
        # The next token of the same subject is the same caller's.
        text = f"{claims.get('iss')} {subject}" if isinstance(subject, str) else token
        grant.name = digest_of(text).hex()[:16]
        return grant

    def _unshown(self, request: Request, now: float) -> Grant:
        """Find the key of a page in the URL, or a token in a header that few use."""
        token = token_of(request.headers)
        if token:
            return self._checked(token, now)
        try:
            key = key_in_query(request)
        except InvalidRequest:
            key = ""
        if not key:
            return self._checked("", now)
        if key.startswith(SECRET):
            told = (
                f"a secret key stood in the URL, which logs keep; revoke it, and send `{PARAMETER}`"
            )
            raise TokenRefused(f"{told} only with a publishable one")
        grant = self._ring.grants.get(digest_of(key))
        if grant is None or not grant.origins:
            raise TokenRefused("it isn't known")
        _check_origin(grant, request)
        return grant

    def _remember(self, shown: str, grant: Grant, cost: int, grants: Mapping[bytes, Grant]) -> None:
        """Keep what was genuine while *grants* counted; what was kept longest gives way."""
        with self._remembering:
            known = self._known
            if self._grants is not grants:
                known.clear()
                self._known_bytes = 0
                self._grants = grants
            before = known.pop(shown, None)
            self._known_bytes += cost - (before[2] if before else 0)
            known[shown] = (grant, grant.until, cost)
            while self._known_bytes > MAX_BYTES:
                self._known_bytes -= known.pop(next(iter(known)))[2]


def _check_origin(grant: Grant, request: Request) -> None:
    """Refuse a page that the key isn't for.

    Raises:
        AccessDenied: it is another, or nobody tells.
    """
    if origin_of(request.headers) not in grant.origins:
        raise AccessDenied("This key is for pages of other origins than the one that asks.")
