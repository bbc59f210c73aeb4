"""One question to the prediction service: the request, its one retry, and what counts as an answer.

Source: optimizely-sdk 5.7.0, cmab/cmab_client.py.
"""

from __future__ import annotations

import json
import threading
import time

from bucketer.clock import SteadyClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    class Line(Protocol):
        """A connection to one URL, kept open where the other side allows it. For one thread."""

        def post(self, body: bytes, timeout_s: float) -> tuple[int, bytes]:
            """Send JSON; return status and body.

            Raises:
                NoPrediction: there was no whole answer in time.
            """
            ...

        def close(self) -> None:
            """Let go."""
            ...


ENDPOINT = "https://prediction.cmab.optimizely.com/predict/"
#: Seconds for one attempt, all of it. (The SDK bounds connecting and each read by as much.)
TIMEOUT_S = 10.0
RETRY_AFTER_S = 0.1
ATTEMPTS = 2
#: Open connections that wait for their next use; and how long (seconds) one may have waited: a
#: balancer drops idle ones after a minute or so, and not all of them say it.
MAX_IDLE = 16
MAX_IDLE_S = 30.0


class NoPrediction(Exception):
    """The service gave no usable answer.

    Attributes:
        why: one clause for the log: no URL, nothing about the visitor.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class PredictionClient:
    """Asks the service. May be shared by threads.

    Attributes:
        requests: how many were sent, retries included.
    """

    def __init__(
        self,
        connect: Callable[[str], Line],
        endpoint: str = ENDPOINT,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Take what it needs.

        Args:
            connect: makes a `Line` to a URL.
            endpoint: the rule's id takes the place of `{}` in it, or goes behind it.
            timeout_s: for each attempt.
            sleep: waits before the second.
            clock: seconds, by which connections are idle; a `SteadyClock` unless given.
        """
        self._connect = connect
        self._endpoint = endpoint if "{}" in endpoint else endpoint.rstrip("/") + "/{}"
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._clock = SteadyClock() if clock is None else clock
        self._idle: list[tuple[str, Line, float]] = []
        self._lock = threading.Lock()
        self.requests = 0

    def ask(
        self,
        rule_id: str,
        user_id: str,
        attributes: Mapping[str, object],
        cmab_uuid: str,
        deadline: float | None = None,
    ) -> str:
        """Return the id of the variation that the bandit chooses.

        Whatever fails is tried once more, as the SDK does, a refusal too.

        Args:
            rule_id: the bandit's.
            user_id: the visitor.
            attributes: by attribute id.
            cmab_uuid: the name that this prediction will have.
            deadline: by `time.monotonic`; None for no other bound than the time-outs.

        Raises:
            NoPrediction: after the last attempt.
        """
        url = self._endpoint.replace("{}", _quoted(rule_id))
        body = request_body(rule_id, user_id, attributes, cmab_uuid)
        for _ in range(ATTEMPTS - 1):
            try:
                return self._ask_once(url, body, deadline)
            except NoPrediction:
                if deadline is not None and time.monotonic() + RETRY_AFTER_S >= deadline:
                    raise
            self._sleep(RETRY_AFTER_S)
        return self._ask_once(url, body, deadline)

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, line, _ in idle:
            line.close()

    def _ask_once(self, url: str, body: bytes, deadline: float | None) -> str:
        timeout_s = self._timeout_s
        if deadline is not None:
            timeout_s = min(timeout_s, deadline - time.monotonic())
        if timeout_s <= 0:
            raise NoPrediction("no time was left to ask")
        line = self._take(url)
        with self._lock:
            self.requests += 1
        try:
            status, answer = line.post(body, timeout_s)
        except NoPrediction:
            line.close()
            raise
        self._put_back(url, line)
        if not 200 <= status < 300:  # noqa: PLR2004 -- HTTP's
            raise NoPrediction(f"status {status}")
        return variation_id_in(answer)

    def _take(self, url: str) -> Line:
        """Return the connection used last, or a new one; close those that waited too long."""
        oldest = self._clock() - MAX_IDLE_S
        with self._lock:
            stale = [each for each in self._idle if each[2] < oldest]
            self._idle = [each for each in self._idle if each[2] >= oldest]
            at = next((i for i in reversed(range(len(self._idle))) if self._idle[i][0] == url), -1)
            found = self._idle.pop(at)[1] if at >= 0 else None
        for _, line, _ in stale:
            line.close()
        return self._connect(url) if found is None else found

    def _put_back(self, url: str, line: Line) -> None:
        with self._lock:
            self._idle.append((url, line, self._clock()))
            surplus = self._idle.pop(0)[1] if len(self._idle) > MAX_IDLE else None
        if surplus is not None:
            surplus.close()


def request_body(
    rule_id: str, user_id: str, attributes: Mapping[str, object], cmab_uuid: str
) -> bytes:
    """Return the question, byte for byte the SDK's.

    Raises:
        NoPrediction: an attribute has no JSON form; only a caller of the core could do that.
    """
    instance = {
        "visitorId": user_id,
        "experimentId": rule_id,
        "attributes": [
            {"id": id_, "value": value, "type": "custom_attribute"}
            for id_, value in attributes.items()
        ],
        "cmabUUID": cmab_uuid,
    }
    try:
        return json.dumps({"instances": [instance]}).encode()
    except (TypeError, ValueError) as error:
        raise NoPrediction("an attribute's value can't be written as JSON") from error


def variation_id_in(answer: bytes) -> str:
    """Return `predictions[0].variation_id` as text, whatever its JSON type.

    Raises:
        NoPrediction: the answer has another shape.
    """
    try:
        parsed = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise NoPrediction("the answer is not JSON") from error
    predictions = parsed.get("predictions") if isinstance(parsed, dict) else None
    first = predictions[0] if isinstance(predictions, list) and predictions else None
    if not isinstance(first, dict) or "variation_id" not in first:
        raise NoPrediction("the answer has no predictions[0].variation_id")
    return str(first["variation_id"])


def _quoted(rule_id: str) -> str:
    """Return the id as a part of a path. Optimizely's are digits; a datafile may hold anything."""
    if rule_id.isascii() and rule_id.isalnum():
        return rule_id
    from urllib.parse import quote  # 3 ms at a cold start

    return quote(rule_id, safe="", errors="replace")
