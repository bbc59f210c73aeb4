"""The second Lambda function: messages of the queue in, events to Optimizely out.

Triggered by an SQS event source with `ReportBatchItemFailures`; the queue has a dead-letter queue.

    delivered                → the message is done
    may pass (429, 5xx, …)   → named in `batchItemFailures`: SQS shows it again after its visibility
                               time-out, and moves it to the dead-letter queue after the last try
    refused for good         → the visitors at fault are logged whole; the message goes on failing,
                               so that it ends in the dead-letter queue where a person can see it
    not one of ours          → likewise

Handler: `bucketer.doors.sqs.handler`.
"""

from __future__ import annotations

import logging
import os
from time import monotonic

from bucketer.settings import read_settings
from bucketer.sinks.delivery import LATER, Delivery, Verdict, deliver
from bucketer.sinks.sqs import from_message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from bucketer.core.envelope import Batch
    from bucketer.sinks.sender import Courier

_log = logging.getLogger("bucketer.sqs")

#: Kept free before the function's own time-out, for the answer to SQS.
_SPARE_S = 1.0
_LONGEST_ATTEMPT_S = 10.0
_LEAST_S = 0.2


def make_handler(
    courier: Courier, max_events: int
) -> Callable[[Mapping[str, Any], object], dict[str, Any]]:
    """Return the function that Lambda calls with a batch of messages.

    Args:
        courier: delivers.
        max_events: of one payload; messages of one batch travel together.
    """

    def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
        """Deliver all messages; answer with those that SQS should show again."""
        remaining_ms = getattr(context, "get_remaining_time_in_millis", lambda: 30_000)()
        run = _Run(courier, max_events, monotonic() + remaining_ms / 1000 - _SPARE_S)
        failed = run.deliver_all(event.get("Records", []))
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}

    return handler


class _Run:
    """One invocation."""

    def __init__(self, courier: Courier, max_events: int, deadline: float) -> None:
        self._courier = courier
        self._max_events = max_events
        self._deadline = deadline
        #: What the collector said when it asked us to come back; the rest is not even tried.
        self._stopped = ""

    def deliver_all(self, records: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the ids of messages that are not done, in order."""
        failed: dict[str, None] = {}
        for batch, group in self._grouped(records, failed).items():
            while group:
                part = _head(group, self._max_events)
                try:
                    tried = self._deliver(batch, part, failed)
                except Exception:  # noqa: BLE001 -- one batch must not cost the others
                    _log.exception("%d messages met something unforeseen", len(part))
                    tried = False
                if not tried:
                    failed.update(dict.fromkeys(message_id for message_id, _ in part))
        return [each["messageId"] for each in records if each["messageId"] in failed]

    def _grouped(
        self, records: Sequence[Mapping[str, Any]], failed: dict[str, None]
    ) -> dict[Batch, list[tuple[str, list[str]]]]:
        """Messages by batch: only those of one batch may travel together."""
        groups: dict[Batch, list[tuple[str, list[str]]]] = {}
        for record in records:
            try:
                batch, visitors = from_message(record["body"])
            except ValueError as error:
                _log.error("message %s: %s: %s", record["messageId"], error, record["body"])
                failed[record["messageId"]] = None
                continue
            groups.setdefault(batch, []).append((record["messageId"], visitors))
        return groups

    def _deliver(
        self, batch: Batch, part: list[tuple[str, list[str]]], failed: dict[str, None]
    ) -> bool:
        """Deliver some messages of one batch, if there is time; False when there is none."""
        if self._stopped or self._deadline - monotonic() < _LEAST_S:
            return False
        outcome = deliver(self._attempt, batch, [each for _, many in part for each in many])
        for visitors, verdict in outcome.dead:
            guilty = set(visitors)
            for message_id, many in part:
                for each in guilty.intersection(many):
                    failed[message_id] = None
                    line = f"{batch.head}{each}]}}"
                    _log.error("message %s: refused (%s): %s", message_id, verdict.why, line)
        if outcome.later is not None:
            self._stopped = outcome.later.why
            end = 0
            waiting = [name for name, many in part if (end := end + len(many)) > outcome.settled]
            failed.update(dict.fromkeys(waiting))
            _log.warning("%d messages wait: %s", len(waiting), self._stopped)
        return True

    def _attempt(self, batch: Batch, visitors: Sequence[str]) -> Verdict:
        left = self._deadline - monotonic()
        if left < _LEAST_S:  # in the middle of a division
            return Verdict(LATER, 0, "the time of this invocation is over", None)
        return self._courier.send(batch, visitors, min(left, _LONGEST_ATTEMPT_S))


def _head(group: list[tuple[str, list[str]]], max_events: int) -> list[tuple[str, list[str]]]:
    """Take messages off the front of *group* until a payload is full; at least one."""
    part = [group.pop(0)]
    size = len(part[0][1])
    while group and size + len(group[0][1]) <= max_events:
        size += len(group[0][1])
        part.append(group.pop(0))
    return part


_handler: Callable[[Mapping[str, Any], object], dict[str, Any]] | None = None


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """What Lambda calls. Made on the first call, so that importing this module reads nothing."""
    global _handler  # noqa: PLW0603 -- the execution environment outlives the call
    if _handler is None:
        settings = read_settings(os.environ)
        _handler = make_handler(Delivery(settings.events_endpoint), settings.events_batch)
    return _handler(event, context)
