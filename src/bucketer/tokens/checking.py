"""A JWT in, its claims out, if it is genuine and good now.

By secrets, the last that was tried says why a token is refused, as with Agent.

Source: optimizely/agent 471fdcd, pkg/middleware/auth.go; golang-jwt 4.5.2, parser.go.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jwt import InvalidAlgorithmError, PyJWTError
from jwt.algorithms import HMACAlgorithm
from jwt.api_jws import PyJWS

from bucketer.core.errors import TokenRefused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .published import PublishedKeys

_HMAC = ("HS256", "HS384", "HS512")
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
#: A token of ours has 200 characters; what a head may hold is bounded by the door.
_MAX_CHARS = 16 * 1024


class _AnyLength(HMACAlgorithm):  # type: ignore[misc]  # the library is an extra, not seen by mypy
    """HMAC with whatever secret is configured: Agent takes short ones, and PyJWT would warn."""

    def check_key_length(self, _key: object) -> None:
        """Say nothing."""


JWS = PyJWS()
for _name, _hash in zip(
    _HMAC, (HMACAlgorithm.SHA256, HMACAlgorithm.SHA384, HMACAlgorithm.SHA512), strict=True
):
    JWS.unregister_algorithm(_name)
    JWS.register_algorithm(_name, _AnyLength(_hash))


class SecretChecker:
    """Checks tokens by secrets that we share with whoever signs them: HMAC, constant-time."""

    def __init__(self, secrets: Sequence[bytes], issuer: str = "", audience: str = "") -> None:
        """Take any of *secrets*, in the order in which they are tried.

        *issuer* and *audience* are what a token must say, where they aren't empty.
        """
        self._secrets = tuple(secrets)
        self._issuer, self._audience = issuer, audience

    def claims(self, token: str, now: float) -> Mapping[str, Any]:
        """Return the claims of *token*.

        Raises:
            TokenRefused: it isn't genuine, or isn't good at *now*, in epoch seconds.
        """
        _check_shape(token)
        refused = TokenRefused("invalid token")
        for secret in self._secrets:
            try:
                claims = _in_time(_verified(token, secret, _HMAC), now)
            except TokenRefused as error:
                refused = error
            else:
                return _for_us(claims, self._issuer, self._audience)
        raise refused


class PublishedChecker:
    """Checks tokens by a JWKS, whose keys say by which algorithms."""

    def __init__(self, keys: PublishedKeys, issuer: str = "", audience: str = "") -> None:
        """Take the keys as they are kept; *issuer* and *audience* as `SecretChecker` does."""
        self._keys = keys
        self._issuer, self._audience = issuer, audience

    def claims(self, token: str, now: float) -> Mapping[str, Any]:
        """Return the claims of *token*.

        Raises:
            TokenRefused: it isn't genuine, or isn't good at *now*, in epoch seconds.
            WorkNeeded: the keys have to be fetched first.
            KeysUnavailable: they can't be had.
        """
        _check_shape(token)
        key_id = _header(token).get("kid")
        if not isinstance(key_id, str):
            raise TokenRefused("expecting JWT header to have string kid")
        key, algorithms = self._keys.find(key_id)
        claims = _in_time(_verified(token, key, algorithms), now)
        return _for_us(claims, self._issuer, self._audience)


def _check_shape(token: str) -> None:
    """Refuse what is no token at all, in the words of the library that Agent uses."""
    if not token:
        raise TokenRefused("empty token")
    if len(token) > _MAX_CHARS:
        raise TokenRefused("token is too long")
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 -- RFC 7515, 3.1
        raise TokenRefused("token contains an invalid number of segments")
    head = parts[0]
    wrong = next((at for at, each in enumerate(head) if each not in _ALPHABET), None)
    if wrong is None and len(head) % 4 == 1:
        wrong = len(head) - 1
    if wrong is not None:
        raise TokenRefused(f"illegal base64 data at input byte {wrong}")


def _header(token: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = JWS.get_unverified_header(token)
    except PyJWTError:
        raise TokenRefused("token is malformed") from None
    return found


def _verified(token: str, key: object, algorithms: Sequence[str]) -> dict[str, Any]:
    """Return the payload of *token*, if *key* has signed it."""
    try:
        payload = JWS.decode(token, key, algorithms=list(algorithms))
    except InvalidAlgorithmError:
        raise TokenRefused("unexpected signing method") from None
    except PyJWTError as error:
        is_malformed = type(error).__name__ == "DecodeError"
        why = "token is malformed" if is_malformed else "signature is invalid"
        raise TokenRefused(why) from None
    except (ValueError, TypeError):  # a key of another kind than the algorithm's
        raise TokenRefused("signature is invalid") from None
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise TokenRefused("token is malformed")
    return claims


def _in_time(claims: dict[str, Any], now: float) -> dict[str, Any]:
    """Let claims through that are good at *now*; `exp` is missed by `api.access`."""
    expires = _time(claims, "exp")
    if "exp" in claims and (expires is None or (expires and now >= expires)):
        raise TokenRefused("Token is expired")
    for name, told in (("iat", "Token used before issued"), ("nbf", "Token is not valid yet")):
        since = _time(claims, name)
        if name in claims and (since is None or now < since):
            raise TokenRefused(told)
    return claims


def _for_us(claims: dict[str, Any], issuer: str, audience: str) -> dict[str, Any]:
    """Let claims through of the *issuer* and for the *audience*, where those are set."""
    if issuer and claims.get("iss") != issuer:
        raise TokenRefused("token is by another issuer")
    told = claims.get("aud")
    if audience and audience not in (told if isinstance(told, list) else [told]):
        raise TokenRefused("token is for another audience")
    return claims


def _time(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if value == value else None  # noqa: PLR0124 -- not NaN, which Python's JSON has
