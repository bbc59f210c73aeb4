"""Visitors in, one POST out, and a verdict on what is to become of them."""

from __future__ import annotations

from bucketer.core.envelope import ODP
from bucketer.core.errors import SourceError
from bucketer.core.events import ENDPOINTS, payload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bucketer.core.envelope import Batch

    from .post import Poster

#: Delivered; to be tried again; never to be delivered as it is.
SENT, LATER, NEVER = "sent", "later", "never"

#: Statuses below 500 after which the same request may succeed later.
_TRY_AGAIN = frozenset({408, 429})
#: Refusals that may be the fault of one visitor, or of there being too many.
DIVISIBLE = frozenset({400, 413, 422})
#: Nobody can ask us to wait longer than this.
_LONGEST_WAIT_S = 3_600.0
#: Of a `Retry-After` in seconds. Python's own idea of a number has `inf` and `1e400` as well.
_NUMBER = frozenset("0123456789.")
_HEADERS = {"Content-Type": "application/json", "User-Agent": "bucketer"}


class NotSendable(Exception):
    """Nothing is sent to where these events should go; the message says why."""


class Verdict:
    """What came of one attempt.

    Attributes:
        kind: `SENT`, `LATER` or `NEVER`.
        status: the answer's, or 0 if none came.
        why: one clause for logs and the dead-letter store.
        wait_s: seconds that the collector asked us to wait (`Retry-After`), or None.
        was_made: False when there was no time to ask the collector.
    """

    __slots__ = ("kind", "status", "wait_s", "was_made", "why")

    def __init__(
        self, kind: str, status: int, why: str, wait_s: float | None, *, was_made: bool = True
    ) -> None:
        self.kind = kind
        self.status = status
        self.why = why
        self.wait_s = wait_s
        self.was_made = was_made


class Outcome:
    """What became of visitors, each of which is in exactly one place: sent, dead, or waiting.

    Attributes:
        sent: how many were delivered.
        dead: those that were refused for good, with the verdict.
        settled: how many, from the first on, are sent or dead: nobody need look at them again.
        later: why the others have to wait, or None when none has to.
        put_off: how many were in the attempt that was put off. Whoever comes back with more is
            refused the same halves again, and with a rate limit may never get beyond them.
        taken: one of those that were sent, the last; None if none was.
    """

    __slots__ = ("dead", "later", "put_off", "sent", "settled", "taken")

    def __init__(self) -> None:
        self.sent = 0
        self.dead: list[tuple[Sequence[str], Verdict]] = []
        self.settled = 0
        self.later: Verdict | None = None
        self.put_off = 0
        self.taken: str | None = None


def deliver(
    send: Callable[[Batch, Sequence[str]], Verdict], batch: Batch, visitors: Sequence[str]
) -> Outcome:
    """Send *visitors*; when the collector refuses them, find out which of them are at fault.

    One visitor's fault must not cost the others: what is refused is halved to the end, until the
    guilty are alone. It goes from the first to the last, so what is settled is always the
    beginning.
    """
    outcome = Outcome()
    waiting: list[Sequence[str]] = [visitors]
    while waiting:
        part = waiting.pop()
        verdict = send(batch, part)
        if verdict.kind == LATER:
            outcome.later, outcome.put_off = verdict, len(part)
            break
        if verdict.kind == SENT:
            outcome.sent += len(part)
            outcome.settled += len(part)
            outcome.taken = part[-1]
        elif len(part) <= 1 or verdict.status not in DIVISIBLE:
            outcome.dead.append((part, verdict))
            outcome.settled += len(part)
        else:
            middle = len(part) // 2
            waiting += [part[middle:], part[:middle]]
    return outcome


class Delivery:
    """Sends to the region's endpoint, or to *endpoint* whatever the region. For one thread.

    Args:
        endpoint: a URL that replaces Optimizely's, or "" for theirs.
        odp_host: replaces the host of ODP that a datafile names, or "".
        ca_file: a PEM file of trusted roots in place of the system's, or None.
    """

    def __init__(
        self, endpoint: str = "", ca_file: str | None = None, *, odp_host: str = ""
    ) -> None:
        self._endpoint, self._odp_host = endpoint, odp_host
        self._ca_file = ca_file
        self._posters: dict[str, Poster] = {}

    def send(self, batch: Batch, visitors: Sequence[str], timeout_s: float) -> Verdict:
        """Try once, for at most *timeout_s* seconds. Never raises for what the network does.

        Events whose common part can't be sent are refused; a person has to look at them.
        """
        from bucketer.wire import ExchangeFailed

        from .post import Poster  # after the first answer, in Lambda

        headers = _HEADERS
        try:
            if batch.region == ODP:
                url, headers, body = self._to_odp(batch, visitors)
            else:
                url = self._endpoint or ENDPOINTS[batch.region]
                body = payload(batch, visitors)
        except NotSendable as error:
            return Verdict(NEVER, 0, str(error), None)
        except (KeyError, TypeError, ValueError):  # of a file or a message that somebody changed
            return Verdict(NEVER, 0, "what they have in common is damaged", None)
        try:
            poster = self._posters.get(url)
            if poster is None:
                poster = self._posters[url] = Poster(url, self._ca_file)
            answer = poster.post(body, headers, timeout_s)
        except ExchangeFailed as failure:
            return Verdict(LATER, 0, failure.why, None)
        except SourceError as error:  # a setting that can't be asked: somebody will mend it
            return Verdict(LATER, 0, f"the endpoint is no URL: it {error.why}", None)
        said = answer.headers
        return judge(answer.status, said.get("retry-after"), answer.body, date=said.get("date"))

    def _to_odp(self, batch: Batch, events: Sequence[str]) -> tuple[str, dict[str, str], bytes]:
        """Return URL, headers and body for ODP.

        Raises:
            NotSendable: the datafile's account can't be asked.
            KeyError, TypeError, ValueError: the batch is damaged.
        """
        from bucketer.core.odp import account_in, base_url, headers_of, payload_of

        host, key = account_in(batch)
        try:
            url = base_url(self._odp_host, host) + "/v3/events"
            return url, headers_of(key), payload_of(events)
        except ValueError as error:
            raise NotSendable(str(error)) from None

    def abort(self) -> None:
        """Cut short an attempt that another thread is making."""
        for poster in list(self._posters.values()):
            poster.abort()

    def close(self) -> None:
        """Let go of the connections."""
        for poster in self._posters.values():
            poster.close()


def judge(
    status: int, retry_after: str | None, body: bytes = b"", *, date: str | None = None
) -> Verdict:
    """What an answer means: any 2xx delivers; 408, 429, 5xx and redirects may pass; 4xx stays.

    A redirect is not followed: the address is a setting, and somebody should see that it is wrong
    without events being lost for it.
    """
    if 200 <= status < 300:  # noqa: PLR2004
        return Verdict(SENT, status, "", None)
    said = body[:200].decode("ascii", "replace").strip()
    why = f"status {status}" + (f": {said}" if said else "")
    if 400 <= status < 500 and status not in _TRY_AGAIN:  # noqa: PLR2004
        return Verdict(NEVER, status, why, None)
    return Verdict(LATER, status, why, _seconds(retry_after, date))


def _seconds(retry_after: str | None, date: str | None = None) -> float | None:
    """`Retry-After` in seconds, above 0 and at most an hour, from its number or its date.

    A date is compared with that of the answer, where it has one: our clock may be wrong.

    None if it is absent, unreadable, 0 or past: then the pace is ours, which never is "at once".
    """
    if retry_after is None:
        return None
    if _NUMBER.issuperset(retry_after.strip()) and retry_after.strip().count(".") <= 1:
        wait_s = float(f"0{retry_after.strip()}")
    else:
        from email.utils import parsedate_to_datetime  # rare, and dear at cold start
        from time import time

        try:
            until = parsedate_to_datetime(retry_after).timestamp()
            wait_s = until - (parsedate_to_datetime(date).timestamp() if date else time())
        except (ValueError, OverflowError, TypeError, IndexError):
            return None
    return min(wait_s, _LONGEST_WAIT_S) if wait_s > 0 else None  # NaN is not above 0, either
