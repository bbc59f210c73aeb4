"""Where to connect: an absolute URL, read."""

from __future__ import annotations

from bucketer.core.errors import SourceError


class Address:
    """Where to connect: what `split_url` reads from a URL."""

    __slots__ = ("host", "port", "secure", "target")

    def __init__(self, secure: bool, host: str, port: int, target: str) -> None:
        self.secure, self.host, self.port, self.target = secure, host, port, target

    @property
    def host_header(self) -> str:
        """The `Host` header: with the port where that isn't the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def split_url(url: str) -> Address:
    """Read an absolute ``http://`` or ``https://`` URL; credentials in it are not accepted.

    Raises:
        SourceError: it is no such URL.
    """
    scheme, separator, rest = url.partition("://")
    secure = scheme.lower() == "https"
    if not separator or not (secure or scheme.lower() == "http"):
        raise SourceError("the URL", "must begin with https:// or http://")
    cut = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    authority, target = rest[:cut], rest[cut:].partition("#")[0]
    if not target.startswith("/"):
        target = "/" + target
    host, port_text = authority, ""
    if authority.startswith("["):
        host, _, after = authority[1:].partition("]")
        port_text = after.removeprefix(":")
    elif ":" in authority:
        host, _, port_text = authority.rpartition(":")
    plain = rest.isascii() and rest.isprintable() and " " not in rest
    if not (host and plain) or "@" in authority:
        raise SourceError("the URL", "has no usable host, or white space, or a password in it")
    if port_text and not (port_text.isdecimal() and 0 < int(port_text) < 65_536):  # noqa: PLR2004 -- TCP's
        raise SourceError("the URL", "has a port outside 1 to 65535")
    return Address(secure, host, int(port_text) if port_text else (443 if secure else 80), target)
