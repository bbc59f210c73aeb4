"""A client's id and secret in, a JWT for its SDK keys out.

Source: optimizely/agent 471fdcd, pkg/jwtauth/jwtauth.go and pkg/handlers/oauth.go.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
from typing import TYPE_CHECKING

import bcrypt

from bucketer.core.errors import TokensBusy

from .checking import JWS

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What bcrypt takes; a secret of Agent's has 32 bytes.
_MAX_SECRET_BYTES = 72
#: A comparison takes a quarter of a second of one core: so many at once, so many that wait.
AT_ONCE, WAITING = 2, 8
#: Compared with where a client isn't known, so that the time tells nobody who is: of no secret.
_NOBODY_S = b"$2b$12$AaQQ4KXtyYNCEyTERzoGueeBmFJNme6VTaI5QlRIo2dQMtdqt.2a2"


class Issuer:
    """Issues tokens. May be shared by threads.

    Attributes:
        ttl_s: how long a token is good.
    """

    def __init__(
        self,
        clients: Sequence[tuple[str, bytes, tuple[str, ...]]],
        secret: bytes,
        ttl_s: float,
        issuer: str = "",
        audience: str = "",
    ) -> None:
        """Sign by *secret*, for *clients*: id, bcrypt hash, SDK keys.

        *issuer* and *audience* are what a token here must say, where they aren't empty.
        """
        self._clients = {client: (hashed, keys) for client, hashed, keys in clients}
        self._secret = secret
        self._about = {"iss": issuer or "Optimizely"} | ({"aud": audience} if audience else {})
        self.ttl_s = ttl_s
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._places = threading.BoundedSemaphore(AT_ONCE + WAITING)

    def issue(self, client: str, secret: str, now: float) -> str | None:
        """Return a token for *client*, or None if that isn't its *secret*. Takes its time.

        It is good from *now*, in epoch seconds.

        Raises:
            TokensBusy: too many ask at once.
        """
        whole = secret.replace("\n", "").replace("\r", "")  # a file's end, which Agent passes over
        try:
            given = base64.b64decode(whole, validate=True)
        except (binascii.Error, ValueError):
            return None
        if not 0 < len(given) <= _MAX_SECRET_BYTES:
            return None
        hashed, keys = self._clients.get(client, (_NOBODY_S, ()))
        if not self._places.acquire(blocking=False):
            raise TokensBusy
        try:
            with self._free:
                is_right = bcrypt.checkpw(given, hashed)
        except ValueError:  # a hash whose cost bcrypt doesn't take
            is_right = False
        finally:
            self._places.release()
        if not is_right or not keys:
            return None
        expires = int(now + self.ttl_s)
        claims = {**self._about, "sdk_keys": list(keys), "exp": expires}
        token: str = JWS.encode(json.dumps(claims).encode(), self._secret, algorithm="HS256")
        return token
