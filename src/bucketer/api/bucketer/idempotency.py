"""A caller's own name for a request in, the names of its events out: the same for each retry.

Optimizely counts events of one uuid once. The caller's key alone is not that uuid: two users, or
two goals, that come with one key are two events (docs/decisions/0092).
"""

from __future__ import annotations

from json import dumps

from bucketer.core.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.api.http import Request

HEADER = "idempotency-key"
MAX_KEY_CHARS = 256
#: Drawn once, for these names alone (RFC 9562, 5.5).
_NAMESPACE = bytes.fromhex("f4383451f20a4130803c7c1c6e434d00")


def key_of(request: Request) -> str:
    """Return the request's `Idempotency-Key`, or "".

    Raises:
        InvalidRequest: it is too long.
    """
    key = request.headers.get(HEADER, "").strip()
    if len(key) > MAX_KEY_CHARS:
        raise key_too_long("Header 'Idempotency-Key'")
    return key


def key_too_long(what: str) -> InvalidRequest:
    """Return the error for a key that is no name any more."""
    return InvalidRequest(f"{what} has over {MAX_KEY_CHARS} characters; give it fewer.", field="id")


def uuid_of(key: str, *parts: str | None) -> str:
    """Return the uuid (version 5) of the event that *key* and *parts* name together."""
    from hashlib import sha1  # 3 ms of a cold start that few requests need

    name = _NAMESPACE + dumps((key, *parts)).encode("ascii")
    digits = sha1(name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
