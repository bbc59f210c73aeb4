"""What whoever asks may do: one small value, made once for each key or token.

**To know which role a request has**: ``grant_of(request).role >= READ``. A route says the role that
it takes at all, as `role`; only what depends on more than the path asks here.
"""

from __future__ import annotations

from .http import BY_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Final

    from .http import Request

#: Roles by their names: each includes those before it.
NOBODY, EVALUATE, READ, ADMIN = range(4)
ROLES: Final = {"evaluate": EVALUATE, "read": READ, "admin": ADMIN}
_NAMES = {role: name for name, role in ROLES.items()}


class Grant:
    """What a key or token allows. Shared by all requests that show it; never changed.

    Attributes:
        role: EVALUATE, READ or ADMIN.
        environments: the names of those that it is for; None where `sdk_keys` alone count, and
            where that is None too it is for all.
        sdk_keys: SDK keys of others that it is for, as a token has them.
        origins: whose pages may use it; empty where it isn't for pages.
        name: tells it from others, and tells nothing of the key: 8 hexadecimal digits.
        until: when it must be looked at anew, in epoch seconds.
        everywhere: it is for all environments.
        chosen: the only environment that it is for, as `EnvironmentNeeded` takes it; "" where
            it isn't for one alone.
    """

    __slots__ = (
        "chosen",
        "environments",
        "everywhere",
        "name",
        "origins",
        "role",
        "sdk_keys",
        "until",
    )

    def __init__(
        self,
        role: int,
        environments: frozenset[str] | None = None,
        sdk_keys: frozenset[str] | None = None,
        *,
        origins: tuple[str, ...] = (),
        name: str = "",
        until: float = float("inf"),
    ) -> None:
        """Keep the values."""
        self.role, self.environments, self.sdk_keys = role, environments, sdk_keys
        self.everywhere = environments is None and sdk_keys is None
        self.origins, self.name, self.until = origins, name, until
        names, keys = environments or (), sdk_keys or ()
        self.chosen = ""
        if len(names) + len(keys) == 1:
            self.chosen = f"{BY_NAME}{next(iter(names))}" if names else next(iter(keys))

    def covers(self, environment: str, keys: Collection[str]) -> bool:
        """Say whether it is for the environment of that name, which requests call *keys*."""
        if self.environments is None:
            return self.sdk_keys is None or not self.sdk_keys.isdisjoint(keys)
        if environment in self.environments:
            return True
        return self.sdk_keys is not None and not self.sdk_keys.isdisjoint(keys)


#: What everybody may where access is open: all but what only operators ask.
OPEN: Final = Grant(READ)


def grant_of(request: Request) -> Grant:
    """Return what *request* may do."""
    return getattr(request, "grant", OPEN)


def role_name(role: int) -> str:
    """Return what a role is called."""
    return _NAMES.get(role, "none")
