"""A datafile behind a URL: Optimizely's CDN, or any web server."""

from __future__ import annotations

from bucketer import wire
from bucketer.core.errors import SourceError
from bucketer.ports import Fetched

from .file import MAX_DATAFILE_BYTES

MAX_REDIRECTS = 3
_OK, _NOT_MODIFIED = 200, 304
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class UrlSource:
    """A datafile at an ``https://`` or ``http://`` address, asked for conditionally.

    Attributes: as `ports.DatafileSource` has them. `where` is the host alone: the path carries
    the SDK key.
    """

    __slots__ = (
        "_hint",
        "_max_bytes",
        "_timeout_s",
        "_token",
        "kind",
        "label",
        "max_age_s",
        "where",
    )

    def __init__(
        self,
        url: str,
        max_age_s: float,
        *,
        timeout_s: float = 5.0,
        token: str | None = None,
        withheld: bool = False,
        max_bytes: int = MAX_DATAFILE_BYTES,
    ) -> None:
        """Keep what is needed; nothing is fetched yet.

        Args:
            url: checked when it is fetched.
            max_age_s: see `ports.DatafileSource`.
            timeout_s: for one fetch, all its redirects included.
            token: of a secure environment, sent as ``Authorization: Bearer``.
            withheld: there is a token, which is for another host.
            max_bytes: the largest answer that is read, packed or not.
        """
        self.kind = "url"
        self.label = url
        self.where = _host(url)
        self.max_age_s = max_age_s
        self._timeout_s = timeout_s
        self._token = token
        self._hint = "does it need DATAFILE_ACCESS_TOKEN?"
        if token:
            self._hint = "check DATAFILE_ACCESS_TOKEN"
        elif withheld:
            self._hint = (
                "DATAFILE_ACCESS_TOKEN isn't sent there: it is for the host of DATAFILE_URL"
            )
        self._max_bytes = max_bytes

    def fetch(self, mark: str | None) -> Fetched | None:
        """Ask the server.

        Raises:
            SourceError: no usable answer; the status says why where there is one.
        """
        headers = {
            "User-Agent": "bucketer",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        if mark:
            headers["If-None-Match"] = mark
        answer = self._follow(headers)
        if answer.status == _NOT_MODIFIED and mark:
            return None
        if answer.status != _OK:
            hint = f"; {self._hint}" if answer.status in {401, 403} else ""
            detail = f"{len(answer.body)} bytes{hint}"
            raise SourceError(self.where, f"status {answer.status}", detail)
        raw = _plain_body(answer, self.where, self._max_bytes)
        return Fetched(raw, answer.headers.get("etag"), status=answer.status)

    def _follow(self, headers: dict[str, str]) -> wire.Answer:
        """Ask, and go where a redirect points: a few times, and never from https to http."""
        from time import monotonic

        deadline = monotonic() + self._timeout_s
        first = address = wire.split_url(self.label)
        for _ in range(MAX_REDIRECTS + 1):
            sent = dict(headers)
            if self._token and _is_same_host(first, address):
                sent["Authorization"] = f"Bearer {self._token}"  # never to another host
            answer = wire.exchange(
                address,
                sent,
                timeout_s=self._timeout_s,
                max_bytes=self._max_bytes,
                deadline=deadline,
            )
            if answer.status not in _REDIRECTS:
                return answer
            address = _next_address(address, answer, self.where)
        raise SourceError(self.where, f"more than {MAX_REDIRECTS} redirects")


def _is_same_host(first: wire.Address, address: wire.Address) -> bool:
    """Say whether a redirect has stayed with the host; http's default port may become https's."""
    if address.host.lower() != first.host.lower():
        return False
    upgraded = address.secure and not first.secure and (first.port, address.port) == (80, 443)
    return address.port == first.port or upgraded


def _next_address(address: wire.Address, answer: wire.Answer, where: str) -> wire.Address:
    """Return where a redirect points, seen from *address*."""
    from urllib.parse import urljoin  # only few are redirected

    location = answer.headers.get("location")
    if not location:
        raise SourceError(where, "a redirect without a Location", f"status {answer.status}")
    scheme = "https" if address.secure else "http"
    try:
        target = urljoin(f"{scheme}://{address.host_header}{address.target}", location)
        found = wire.split_url(target)
    except (ValueError, SourceError) as error:
        why = "a redirect to what is no https:// or http:// URL"
        raise SourceError(where, why, f"status {answer.status}") from error
    if address.secure and not found.secure:
        raise SourceError(where, "a redirect from https to http", f"status {answer.status}")
    return found


def _plain_body(answer: wire.Answer, where: str, max_bytes: int) -> bytes:
    encoding = answer.headers.get("content-encoding", "identity").lower()
    came = f"status {answer.status}, {len(answer.body)} bytes"
    if encoding == "identity":
        return answer.body
    if encoding != "gzip":
        raise SourceError(where, f"an answer in the encoding '{encoding[:20]}'", came)
    import zlib

    unpack = zlib.decompressobj(wbits=31)  # 31: gzip's frame
    try:
        raw = unpack.decompress(answer.body, max_bytes + 1)
    except zlib.error as error:
        raise SourceError(where, "an answer whose gzip is damaged", came) from error
    if len(raw) > max_bytes:
        raise SourceError(where, f"an answer of more than {max_bytes} bytes unpacked", came)
    if not unpack.eof:
        raise SourceError(where, "an answer whose gzip ends too soon", came)
    return raw


def _host(url: str) -> str:
    try:
        return wire.split_url(url).host
    except SourceError:
        return "the datafile URL"  # what is wrong with it is said when it is fetched
