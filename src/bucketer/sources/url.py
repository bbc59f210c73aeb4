"""A datafile behind a URL: Optimizely's CDN, or any web server."""

from __future__ import annotations

from bucketer import wire
from bucketer.core.errors import SourceError
from bucketer.ports import Fetched

from .file import MAX_DATAFILE_BYTES
from .unpacking import plain_body

MAX_REDIRECTS = 3
_OK, _NOT_MODIFIED = 200, 304
_UNAUTHORIZED, _FORBIDDEN, _LOG_IN_FIRST = 401, 403, 511
#: What Optimizely's CDN says of a key or a token that it doesn't know, and others do.
_NOT_THERE = frozenset({401, 403, 404, 410})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class UrlSource:
    """A datafile at an ``https://`` or ``http://`` address, asked for conditionally.

    Attributes: as `ports.DatafileSource` has them. `where` is the host alone: the path carries
    the SDK key.
    """

    __slots__ = (
        "_access",
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
        token_name: str = "DATAFILE_ACCESS_TOKEN",  # noqa: S107 -- what it is called
        withheld: str = "",
        max_bytes: int = MAX_DATAFILE_BYTES,
    ) -> None:
        """Keep what is needed; nothing is fetched yet.

        Args:
            url: checked when it is fetched.
            max_age_s: see `ports.DatafileSource`.
            timeout_s: for one fetch, all its redirects included.
            token: of a secure environment, sent as ``Authorization: Bearer``.
            token_name: what whoever sets the token calls it.
            withheld: why there is a token that isn't sent; empty where there is none.
            max_bytes: the largest answer that is read, packed or not.
        """
        self.kind = "url"
        self.label = url
        self.where = _host(url)
        self.max_age_s = max_age_s
        self._timeout_s = timeout_s
        self._token = token
        self._access = f"a secure environment needs {token_name}"
        if token:
            self._access = f"check {token_name}"
        elif withheld:
            self._access = f"{token_name} isn't sent there: {withheld}"
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
            hint = self._hint(answer.status)
            detail = f"{len(answer.body)} bytes{hint and '; '}{hint}"
            failure = SourceError(self.where, f"status {answer.status}", detail)
            failure.missing = answer.status in _NOT_THERE
            raise failure
        raw = plain_body(answer, self.where, self._max_bytes)
        return Fetched(raw, answer.headers.get("etag"), status=answer.status)

    def _hint(self, status: int) -> str:
        """Say what to do about *status*; what is likeliest comes first."""
        if status == _FORBIDDEN:  # what Optimizely's CDN answers to a key that it doesn't know
            return f"first of all, is the SDK key in the URL right? If it is, {self._access}"
        if status == _UNAUTHORIZED:
            return self._access
        return "this network wants a log-in first" if status == _LOG_IN_FIRST else ""

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


def _host(url: str) -> str:
    try:
        return wire.split_url(url).host
    except SourceError:
        return "the datafile URL"  # what is wrong with it is said when it is fetched
