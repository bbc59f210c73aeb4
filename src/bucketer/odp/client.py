"""One question to ODP: in which of these segments is this user?

Source: optimizely-sdk 5.7.0, odp/odp_segment_api_manager.py.
"""

from __future__ import annotations

import json
import threading
from time import monotonic

from bucketer.core.errors import SourceError
from bucketer.core.odp import base_url, headers_of
from bucketer.wire import ExchangeFailed
from bucketer.wire.idle import IdleLines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATH = "/v3/graphql"
QUERY = (
    "query($userId: String, $audiences: [String]) {customer(fs_user_id: $userId) "
    "{audiences(subset: $audiences) {edges {node {name state}}}}}"
)
#: Seconds for one question, all of it. There is no second try.
TIMEOUT_S = 10.0
#: Of an answer. A datafile has some hundred segments, each of which is a hundred bytes of it.
MAX_BYTES = 1024 * 1024
_OK = range(200, 300)
_LONGEST_TOLD = 60


class NoSegments(Exception):
    """ODP gave no usable answer.

    Attributes:
        why: one clause for the log: no URL, nothing about the visitor.
        of_user: ODP answered, and knows no such user: it works, there is nothing to be told.
    """

    def __init__(self, why: str, *, of_user: bool = False) -> None:
        super().__init__(why)
        self.why, self.of_user = why, of_user


class SegmentsClient:
    """Asks ODP. May be shared by threads.

    Attributes:
        requests: how many were sent.
    """

    def __init__(
        self,
        host: str = "",
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Take what it needs.

        Args:
            host: is asked whatever a datafile names; empty for that one, if it is `https://`.
            timeout_s: for each question.
            clock: seconds, by which connections are idle; a `SteadyClock` unless given.
        """
        self._host, self._timeout_s = host, timeout_s
        self._lines = IdleLines(clock)
        self._lock = threading.Lock()
        self.requests = 0

    def ask(
        self,
        host: str,
        public_key: str,
        user_id: str,
        segments: Sequence[str],
        deadline: float | None = None,
    ) -> frozenset[str]:
        """Return those of *segments* that the user is in.

        Args:
            host: as the datafile has it.
            public_key: names the account.
            user_id: the visitor.
            segments: which are of interest.
            deadline: by `time.monotonic`; None for no other bound than the time-out.

        Raises:
            NoSegments: there was no whole, readable answer in time.
        """
        now = monotonic()
        until = now + self._timeout_s if deadline is None else min(deadline, now + self._timeout_s)
        if until <= now:
            raise NoSegments("no time was left to ask")
        try:
            url, headers = base_url(self._host, host) + PATH, headers_of(public_key)
        except ValueError as error:
            raise NoSegments(str(error)) from None
        variables = {"userId": user_id, "audiences": list(segments)}
        body = json.dumps({"query": QUERY, "variables": variables}).encode("ascii")
        with self._lock:
            self.requests += 1
        try:
            line = self._lines.take(url)
        except SourceError as error:
            raise NoSegments(f"the host {error.why}") from None
        try:
            answer = line.ask(
                headers, method="POST", body=body, deadline=until, max_bytes=MAX_BYTES
            )
        except ExchangeFailed as failed:
            line.close()
            raise NoSegments(failed.why) from failed
        self._lines.put_back(url, line)
        if answer.status not in _OK:
            raise NoSegments(f"status {answer.status}")
        return qualified_in(answer.body)

    def close(self) -> None:
        """Let go of the connections."""
        self._lines.close()


def qualified_in(answer: bytes) -> frozenset[str]:
    """Return the names of the segments that *answer* says the user is in.

    Raises:
        NoSegments: it says something else.
    """
    try:
        parsed = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise NoSegments("the answer is not JSON") from error
    errors = parsed.get("errors") if isinstance(parsed, dict) else None
    if errors:
        raise _refused(errors)
    found = parsed
    for name in ("data", "customer", "audiences", "edges"):
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, list):
        raise NoSegments("the answer has no data.customer.audiences.edges")
    nodes = (each.get("node") for each in found if isinstance(each, dict))
    return frozenset(
        each["name"]
        for each in nodes
        if isinstance(each, dict)
        and each.get("state") == "qualified"
        and isinstance(each.get("name"), str)
    )


def _refused(errors: object) -> NoSegments:
    first = errors[0] if isinstance(errors, list) else None
    said = first.get("extensions") if isinstance(first, dict) else None
    code = said.get("code") if isinstance(said, dict) else None
    if code == "INVALID_IDENTIFIER_EXCEPTION":
        return NoSegments("it knows no such user", of_user=True)
    kind = said.get("classification") if isinstance(said, dict) else None
    shown = ascii(kind)[:_LONGEST_TOLD] if isinstance(kind, str) else "no reason"
    return NoSegments(f"it answers with an error: {shown}")
