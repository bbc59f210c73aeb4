"""One question to the prediction service: the request, its one retry, and what counts as an answer.

Source: optimizely-sdk 5.7.0, cmab/cmab_client.py.
"""

from __future__ import annotations

import json
import threading
import time

from bucketer.core.errors import SourceError
from bucketer.wire import ExchangeFailed
from bucketer.wire.idle import IdleLines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENDPOINT = "https://prediction.cmab.optimizely.com/predict/"
#: Seconds for one attempt, all of it. (The SDK bounds connecting and each read by as much.)
TIMEOUT_S = 10.0
RETRY_AFTER_S = 0.1
ATTEMPTS = 2
#: Of an answer: it has one id.
MAX_BYTES = 256 * 1024


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
        endpoint: str = ENDPOINT,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Take what it needs.

        Args:
            endpoint: the rule's id takes the place of `{}` in it, or goes behind it.
            timeout_s: for each attempt.
            sleep: waits before the second.
            clock: seconds, by which connections are idle; a `SteadyClock` unless given.
        """
        self._endpoint = endpoint if "{}" in endpoint else endpoint.rstrip("/") + "/{}"
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._lines = IdleLines(clock)
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
        self._lines.close()

    def _ask_once(self, url: str, body: bytes, deadline: float | None) -> str:
        timeout_s = self._timeout_s
        if deadline is not None:
            timeout_s = min(timeout_s, deadline - time.monotonic())
        if timeout_s <= 0:
            raise NoPrediction("no time was left to ask")
        try:
            line = self._lines.take(url)
        except SourceError as error:
            raise NoPrediction(f"the endpoint {error.why}") from None
        with self._lock:
            self.requests += 1
        try:
            answer = line.ask(
                {"Content-Type": "application/json"},
                method="POST",
                body=body,
                deadline=time.monotonic() + timeout_s,
                max_bytes=MAX_BYTES,
            )
        except ExchangeFailed as failed:
            line.close()
            raise NoPrediction(failed.why) from failed
        self._lines.put_back(url, line)
        if not 200 <= answer.status < 300:  # noqa: PLR2004 -- HTTP's
            raise NoPrediction(f"status {answer.status}")
        return variation_id_in(answer.body)


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
