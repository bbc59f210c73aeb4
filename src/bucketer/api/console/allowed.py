"""Who may see the console: who sits at this machine, or who has a key where that is switched on."""

from __future__ import annotations

from .refusal import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_OWN_SITE = frozenset({"same-origin", "none"})


def check_origin(headers: Mapping[str, str]) -> None:
    """Let through what no other page has sent.

    Raises:
        Refused: a page of another origin did.
    """
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    is_own = site is None or site in _OWN_SITE
    if is_own and origin is not None:
        is_own = origin.partition("://")[2].lower() == headers.get("host", "").strip().lower()
    if not is_own:
        message = "The console answers its own page, and programs, but no page of another origin."
        raise Refused(403, "foreign_origin", message)


def check_json(headers: Mapping[str, str]) -> None:
    """Let through a body of JSON, which no form of another page can send.

    Raises:
        Refused: it says that it is something else.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        message = "Send a JSON object, with the header Content-Type: application/json."
        raise Refused(415, "unsupported_media_type", message)


def not_here() -> Refused:
    """What is answered where the console is for this machine alone, and somebody else asks."""
    message = (
        "The console is for whoever sits at this machine, and asks it by the name localhost. "
        "BUCKETER_CONSOLE=on opens it to others, who need a key."
    )
    return Refused(403, "console_is_local", message)


def no_keys() -> Refused:
    """What is answered where it is open to others, and there are no keys."""
    message = (
        "The console asks for a key here, and the service has none: see docs/access.md. "
        "Without, it is open on a loopback address alone."
    )
    return Refused(403, "console_needs_keys", message)
