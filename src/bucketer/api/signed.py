"""Texts that we sign, to know them again: nobody else can make one, and none is good for ever.

    1798761600.WyJ1MSJd.sYz…     when it ends (epoch seconds), what it says, and the signature

What it says can be read by whoever holds it; only changing it is impossible. Source: RFC 2104 and
RFC 4648, 5.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hmac import compare_digest, digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: What is signed for one end is no good for another.
EXPOSURE, NAME, STREAM = b"exposure", b"name", b"stream"
#: No text of ours is longer.
MAX_CHARS = 4 * 1024
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
_PARTS = 3


class NotOurs(Exception):
    """A text that can't be believed.

    Attributes:
        why: a clause, with nothing of the text in it.
        malformed: it isn't even the shape of one.
    """

    def __init__(self, why: str, *, malformed: bool = False) -> None:
        """Keep the values."""
        super().__init__(why)
        self.why, self.malformed = why, malformed


def sign(secret: bytes, purpose: bytes, payload: bytes, expires_s: int) -> str:
    """Return *payload* as a text that `opened` believes until *expires_s*, in epoch seconds."""
    text = f"{expires_s}.{_encoded(payload)}"
    return f"{text}.{_encoded(_mac(secret, purpose, text))}"


def opened(secrets: Sequence[bytes], purpose: bytes, text: str, now: float) -> bytes:
    """Return what *text* says.

    Args:
        secrets: it may be signed by any of them.
        purpose: what it must have been signed for.
        text: from outside.
        now: epoch seconds.

    Raises:
        NotOurs: it was never signed by us for that, or no longer holds.
    """
    if len(text) > MAX_CHARS:
        raise NotOurs(f"it has over {MAX_CHARS} characters", malformed=True)
    if not _PLAIN.issuperset(text) or text.count(".") != _PARTS - 1:
        raise NotOurs("it has not the form of one", malformed=True)
    signed, _, given = text.rpartition(".")
    macs = [_encoded(_mac(secret, purpose, signed)) for secret in secrets]
    if not any(compare_digest(each, given) for each in macs):
        raise NotOurs("it was not signed here, or has been changed")
    expires, _, payload = signed.partition(".")
    if now >= int(expires):
        raise NotOurs("it has expired")
    return urlsafe_b64decode(payload + "=" * (-len(payload) % 4))


def uuid_by(secret: bytes, content: bytes) -> str:
    """Return a uuid (version 8) that only *content* changes, and that nobody else can foresee."""
    digits = _mac(secret, NAME, content.decode("ascii")).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def _mac(secret: bytes, purpose: bytes, text: str) -> bytes:
    return digest(secret, b"bucketer 1 %b\0%b" % (purpose, text.encode("ascii")), "sha256")


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
