"""Who may see the console: who sits at this machine, or who has a key where that is switched on.

Any page that a person visits may make their browser send requests to this machine, and name it as
it likes (DNS rebinding). So the host that a request names counts, and where it says it comes from.
"""

from __future__ import annotations

from .refusal import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bucketer.api.http import Request

#: Who sets one of these stands in front of us, so that the peer isn't who asks.
_FORWARDED = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
)
_OWN_SITE = frozenset({"same-origin", "none"})


def is_local(request: Request) -> bool:
    """Whether a request was made on this machine, to this machine, with nobody in between."""
    if not is_loopback_address(request.ip):
        return False
    if any(name in request.headers for name in _FORWARDED):
        return False
    return is_loopback_name(host_of(request.headers.get("host", "")))


def is_loopback_address(address: str) -> bool:
    """Whether *address*, in its plain spelling, is this machine's to itself."""
    return address == "::1" or (address.startswith("127.") and address.count(".") == 3)  # noqa: PLR2004 -- dots


def is_loopback_name(host: str) -> bool:
    """Whether *host*, without a port, can't be anything but this machine: in no zone of the DNS."""
    host = host.lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    plain = host.removeprefix("[").removesuffix("]")
    return is_loopback_address(plain) and not plain.strip("0123456789.:")


def host_of(written: str) -> str:
    """A `Host` header without its port."""
    host, colon, port = written.strip().rpartition(":")
    return host if colon and (port.isdigit() or not port) and not host.endswith(":") else written


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
