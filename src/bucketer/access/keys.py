"""Keys: 256 random bits, told once. What is kept is a hash, on a line that says what it is for.

    HASH:ROLE:ENVIRONMENT                                  # a note
    HASH:evaluate:ENVIRONMENT:https://shop.example|…       # a publishable key, for pages

A fast hash will do: nobody finds 256 random bits by trying, as they would a password.
"""

from __future__ import annotations

import re
from hashlib import sha256

from bucketer.api.grant import EVALUATE, ROLES, Grant, role_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

#: How a key begins, so that people and scanners know one: a secret, and one that pages may show.
SECRET, PUBLISHABLE = "bk_", "bp_"
#: For all environments.
EVERY: Final = "*"
#: What is made of them.
KEY_BYTES: Final = 32
_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(:[0-9]{1,5})?")
_ID_CHARS = 8


class Key:
    """What is kept of a key.

    Attributes:
        digest: SHA-256 of its text, 32 bytes.
        role: EVALUATE, READ or ADMIN.
        environment: the name of the only one that it is for; `EVERY` for all.
        origins: whose pages may show it; empty for a secret.
        note: what somebody wrote beside it.
    """

    __slots__ = ("digest", "environment", "note", "origins", "role")

    def __init__(
        self,
        digest: bytes,
        role: int,
        environment: str,
        origins: tuple[str, ...] = (),
        note: str = "",
    ) -> None:
        """Keep the values."""
        self.digest, self.role, self.environment = digest, role, environment
        self.origins, self.note = origins, note

    @property
    def id(self) -> str:
        """What it is called where it is listed and revoked: the beginning of its hash."""
        return self.digest.hex()[:_ID_CHARS]

    def grant(self) -> Grant:
        """Return what it allows."""
        names = None if self.environment == EVERY else frozenset((self.environment,))
        return Grant(self.role, names, origins=self.origins, name=self.id)

    def line(self) -> str:
        """Return it as `read_key` reads it."""
        parts = [self.digest.hex(), role_name(self.role), self.environment]
        if self.origins:
            parts.append("|".join(self.origins))
        return ":".join(parts) + (f"  # {self.note}" if self.note else "")


def new_key(bits: bytes, *, publishable: bool = False) -> str:
    """Return the text of a key made of 32 random bytes."""
    from base64 import urlsafe_b64encode

    beginning = PUBLISHABLE if publishable else SECRET
    return beginning + urlsafe_b64encode(bits).rstrip(b"=").decode("ascii")


def digest_of(text: str) -> bytes:
    """Return the hash by which a key is looked up; of whatever somebody sent."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def read_key(line: str) -> Key:
    """Read one line.

    Raises:
        ValueError: it is none, and why: a clause, without the hash.
    """
    said, _, note = line.partition("#")
    parts = said.strip().split(":", 3)
    if len(parts) < 3:  # noqa: PLR2004 -- hash, role, environment
        raise ValueError("isn't HASH:ROLE:ENVIRONMENT")
    written, role, environment = parts[:3]
    if not _HASH.fullmatch(written):
        raise ValueError("has a hash that isn't 64 hexadecimal digits in lower case")
    if role not in ROLES:
        raise ValueError(f"has a role other than {', '.join(ROLES)}")
    if environment != EVERY and not _NAME.fullmatch(environment):
        raise ValueError(
            "has an environment that isn't 1 to 64 letters, digits, `_` and `-`, or `*`"
        )
    origins = tuple(parts[3].split("|")) if len(parts) > 3 else ()  # noqa: PLR2004 -- behind those
    if not all(map(_ORIGIN.fullmatch, origins)):
        raise ValueError("has an origin that isn't like https://shop.example, in lower case")
    if origins and ROLES[role] != EVALUATE:
        raise ValueError("is for pages, which may have no role but evaluate")
    return Key(bytes.fromhex(written), ROLES[role], environment, origins, note.strip())


def read_keys(lines: list[str], where: str) -> tuple[Key, ...]:
    """Read all lines that aren't blank or a remark; the same hash twice is one too many.

    Raises:
        ValueError: with *where*, the number of the first line that can't be used, and why.
    """
    found: dict[bytes, Key] = {}
    for number, line in enumerate(lines, 1):
        if not line.partition("#")[0].strip():
            continue
        try:
            key = read_key(line)
        except ValueError as error:
            message = f"{where} {number} {error}"
            raise ValueError(message) from None
        if key.digest in found:
            message = f"{where} {number} has the hash of an earlier one"
            raise ValueError(message)
        found[key.digest] = key
    return tuple(found.values())
