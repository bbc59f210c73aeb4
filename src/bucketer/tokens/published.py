"""The keys that an issuer of tokens publishes (a JWKS): fetched when first needed, kept fresh."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

from jwt import PyJWK, PyJWTError

from bucketer.api.http import KeysNeeded
from bucketer.core.errors import KeysUnavailable, SourceError, TokenRefused

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("bucketer.access")

#: The largest document that is read, and the most keys of one.
MAX_BYTES, MAX_KEYS = 256 * 1024, 100
#: After a failure, so long nobody asks again; keys that are there go on being used.
PAUSE_S = 5.0
#: By the kind of a key that doesn't name its algorithm. Secrets aren't published: `oct` is none.
_ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512", "ES256K"),
    "OKP": ("EdDSA",),
}


class PublishedKeys:
    """A JWKS. May be shared by threads; `find` never waits."""

    def __init__(
        self, fetch: Callable[[], bytes], max_age_s: float, clock: Callable[[], float]
    ) -> None:
        """Fetch by *fetch*, which may raise SourceError, again after *max_age_s* by *clock*."""
        self._fetch, self._max_age_s, self._clock = fetch, max_age_s, clock
        self._keys: dict[str, tuple[Any, tuple[str, ...]]] | None = None
        self._due_at = 0.0
        self._failure = ""
        self._fetching = threading.Lock()

    def find(self, key_id: str) -> tuple[Any, tuple[str, ...]]:
        """Return a key, and the algorithms that it is for.

        Raises:
            TokenRefused: there is none of that name.
            KeysNeeded: the keys are to be fetched; one request gets it, others the old keys.
            KeysUnavailable: they could not be, a moment ago.
        """
        due = self._clock() >= self._due_at
        if self._keys is None:
            if not due:
                raise KeysUnavailable(self._failure)
            raise KeysNeeded("keys", self.refresh)
        if due and not self._fetching.locked():
            raise KeysNeeded("keys", self.refresh)
        found = self._keys.get(key_id)
        if found is None:
            raise TokenRefused("unable to find key")
        return found

    def refresh(self) -> None:
        """Fetch the keys, unless another thread has just done so. Raises nothing.

        The log says once why they can't be had.
        """
        if self._keys is not None and self._fetching.locked():
            return
        with self._fetching:
            if self._clock() < self._due_at:
                return
            failure, age_s = "", PAUSE_S
            try:
                self._keys = read_keys(self._fetch())
                age_s = self._max_age_s
            except SourceError as error:
                failure = error.gist
            except ValueError as error:
                failure = str(error)
            if failure not in ("", self._failure):
                _log.warning("access: keys of tokens: %s; those from before stay", failure)
            self._failure = failure
            self._due_at = self._clock() + age_s


def read_keys(raw: bytes) -> dict[str, tuple[Any, tuple[str, ...]]]:
    """Return the usable keys of a document, by their ids.

    Raises:
        ValueError: it is no JWKS.
    """
    if len(raw) > MAX_BYTES:
        message = f"the JWKS has more than {MAX_BYTES} bytes"
        raise ValueError(message)
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        message = "what is published there is no JWKS"
        raise ValueError(message)  # noqa: TRY004 -- it is about the text
    found = {}
    for each in listed[:MAX_KEYS]:
        key = _usable(each)
        if key is not None:
            found[each["kid"]] = key
    return found


def _usable(document: object) -> tuple[Any, tuple[str, ...]] | None:
    """Return a key and its algorithms; None for what can't check a signature."""
    if not isinstance(document, dict) or not isinstance(document.get("kid"), str):
        return None
    algorithms = _ALGORITHMS.get(str(document.get("kty")))
    if algorithms is None or document.get("use", "sig") != "sig":
        return None
    try:
        key = PyJWK.from_dict(document)
    except (PyJWTError, ValueError, TypeError, AttributeError, KeyError):
        return None
    named = document.get("alg")
    if named is not None:
        algorithms = (named,) if named in algorithms else ()
    return (key.key, algorithms) if algorithms else None
