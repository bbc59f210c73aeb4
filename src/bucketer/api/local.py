"""Who sits at this machine: asked by what is for nobody else, unless somebody has a key.

Any page that a person visits may make their browser send requests to this machine, and name it as
it likes (DNS rebinding). So the host that a request names counts, and where it says it comes from.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .http import Request

#: Who sets one of these stands in front of us, so that the peer isn't who asks.
_FORWARDED = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
)


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
