"""Which environment a request is for: by `X-Optimizely-SDK-Key`, or by `sdk_key=` in the query.

A request that names none is for the default one. One that names another than the handler's own is
for the shell to find: `EnvironmentNeeded`.
"""

from __future__ import annotations

from bucketer.core.errors import InvalidRequest

from .http import SDK_KEY, EnvironmentNeeded
from .query import parse_query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .http import Known, Request

#: How it is named in a URL, by whoever can send no header.
PARAMETER = "sdk_key"
#: `KEY`, or `KEY:TOKEN` for a secure environment; a token may be a long one.
MAX_CHARS = 512
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-")


def check_environment(request: Request, keys: frozenset[str], known: Known | None) -> None:
    """Let a request through that is for the environment of *keys*, or names none.

    Raises:
        EnvironmentNeeded: it is for another one, which the shell must find.
        UnknownSdkKey, EnvironmentUnavailable: the shell has looked, and there is none.
        InvalidRequest: it names one in a way that no SDK key is, or two.
    """
    key = key_of(request)
    if not key or key in keys:
        return
    if known is not None and known.refusal is not None:
        raise known.refusal
    raise EnvironmentNeeded(key)


def key_of(request: Request) -> str:
    """Return the SDK key that a request names; empty if it names none.

    Raises:
        InvalidRequest: it can be none, or header and query name two.
    """
    given = request.headers.get(SDK_KEY, "").strip()
    asked = parse_query(request.query, {PARAMETER: PARAMETER}).get(PARAMETER) or ""
    if given and asked and given != asked:
        message = f"The header X-Optimizely-SDK-Key and the parameter '{PARAMETER}' differ."
        raise InvalidRequest(message, field=PARAMETER)
    key = given or asked
    if key and not is_sdk_key(key):
        message = "An SDK key has letters, digits and '+/=_-', and may have ':' and a token behind."
        raise InvalidRequest(message, field=PARAMETER)
    return key


def is_sdk_key(text: str) -> bool:
    """Say whether *text* has the shape of `KEY` or `KEY:TOKEN`."""
    key, colon, token = text.partition(":")
    sound = bool(key) and _PLAIN.issuperset(key) and _PLAIN.issuperset(token)
    return sound and bool(token) == bool(colon) and len(text) <= MAX_CHARS
