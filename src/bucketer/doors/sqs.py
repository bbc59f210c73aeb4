"""The second Lambda function: messages of the queue in, events to Optimizely out.

Triggered by an SQS event source with `ReportBatchItemFailures`; the queue has a dead-letter queue.

    delivered                → the message is done
    may pass (429, 5xx, …)   → named in `batchItemFailures`: SQS shows it again after its visibility
                               time-out, and moves it to the dead-letter queue after the last try
    … and doesn't            → what has come back travels alone, so that one message at fault takes
                               no others along into the dead-letter queue
    refused for good         → the visitors at fault are logged whole; the message goes on failing,
                               so that it ends in the dead-letter queue where a person can see it
    not one of ours          → likewise

Handler: `bucketer.doors.sqs.handler`.
"""

from __future__ import annotations

import logging
import os
import random
from time import monotonic

from bucketer.settings import read_settings
from bucketer.sinks.delivery import LATER, Delivery, Verdict, deliver
from bucketer.sinks.sqs import from_message
from bucketer.sinks.suspects import Suspects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from bucketer.core.envelope import Batch
    from bucketer.sinks.sender import Transport

_log = logging.getLogger("bucketer.sqs")

#: Kept free before the function's own time-out, for the answer to SQS.
_SPARE_S = 1.0
_LONGEST_ATTEMPT_S = 10.0
_LEAST_S = 0.2
#: After so many messages that had come back failed alone and none was taken, the collector is down.
_LONELY_FAILURES = 5


def make_handler(
    transport: Transport, max_events: int
) -> Callable[[Mapping[str, Any], object], dict[str, Any]]:
    """Return the function that Lambda calls with a batch of messages.

    Args:
        transport: delivers.
        max_events: of one payload; messages of one batch travel together.
    """

    def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
        """Deliver all messages; answer with those that SQS should show again."""
        remaining_ms = getattr(context, "get_remaining_time_in_millis", lambda: 30_000)()
        run = _Run(transport, max_events, monotonic() + remaining_ms / 1000 - _SPARE_S)
        failed = run.deliver_all(event.get("Records", []))
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}

    return handler


class _Run:
    """One invocation."""

    def __init__(self, transport: Transport, max_events: int, deadline: float) -> None:
        self._transport = transport
        self._max_events = max_events
        self._deadline = deadline
        #: What the collector said when it asked us to come back; the rest is not even tried.
        self._stopped = ""
        self._lonely = 0
        #: An event that the collector has taken.
        self._control: tuple[Batch, str] | None = None

    def deliver_all(self, records: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the ids of messages that are not done, in order."""
        failed: dict[str, None] = {}
        groups = list(self._grouped(records, failed).items())
        random.shuffle(groups)  # so that the same ones don't fail in front of others each time
        groups.sort(key=lambda item: not item[0][1])
        for (batch, alone), group in groups:
            while group:
                part = _head(group, self._max_events)
                try:
                    tried = self._deliver(batch, part, failed, alone=bool(alone))
                except Exception:  # noqa: BLE001 -- one batch must not cost the others
                    _log.exception("%d messages met something unforeseen", len(part))
                    tried = False
                if not tried:
                    failed.update(dict.fromkeys(message_id for message_id, _ in part))
        return [each["messageId"] for each in records if each["messageId"] in failed]

    def _grouped(
        self, records: Sequence[Mapping[str, Any]], failed: dict[str, None]
    ) -> dict[tuple[Batch, str], list[tuple[str, list[str]]]]:
        """Messages that may travel together: of one batch, and not tried yet.

        Each that has come back is a group of its own, under its id.
        """
        groups: dict[tuple[Batch, str], list[tuple[str, list[str]]]] = {}
        for record in records:
            try:
                batch, visitors = from_message(record["body"])
            except ValueError as error:
                _log.error("message %s: %s: %s", record["messageId"], error, record["body"])
                failed[record["messageId"]] = None
                continue
            alone = record["messageId"] if _has_come_back(record) else ""
            groups.setdefault((batch, alone), []).append((record["messageId"], visitors))
        return groups

    def _deliver(
        self,
        batch: Batch,
        part: list[tuple[str, list[str]]],
        failed: dict[str, None],
        *,
        alone: bool,
    ) -> bool:
        """Deliver some messages of one batch, if there is time; False when there is none."""
        if self._stopped or self._deadline - monotonic() < _LEAST_S:
            return False
        outcome = deliver(self._attempt, batch, [each for _, many in part for each in many])
        if outcome.taken is not None:
            self._control = batch, outcome.taken
            self._lonely = 0
        for visitors, verdict in outcome.dead:
            guilty = set(visitors)
            for message_id, many in part:
                for each in guilty.intersection(many):
                    failed[message_id] = None
                    line = f"{batch.head}{each}]}}"
                    _log.error("message %s: refused (%s): %s", message_id, verdict.why, line)
        if outcome.later is not None:
            self._lonely += 1
            patient = alone and outcome.later.was_made and not outcome.later.wait_s
            if not patient or self._lonely >= _LONELY_FAILURES:
                self._stopped = outcome.later.why
            end = 0
            waiting = [name for name, many in part if (end := end + len(many)) > outcome.settled]
            failed.update(dict.fromkeys(waiting))
            _log.warning("%d messages wait: %s", len(waiting), outcome.later.why)
            if patient and self._control is not None:
                self._divide(batch, *part[0])
        return True

    def _divide(self, batch: Batch, message_id: str, visitors: list[str]) -> None:
        """Deliver of a message that doesn't get through, though others do, what does.

        It goes on failing as a whole: the queue counts, and keeps it for a person in the end.
        """
        if self._control is None or self._control[0].region != batch.region:
            return
        found = Suspects(self._attempt, self._control).ask(batch, visitors)
        if found.down is None:
            for index in found.left:
                line = f"{batch.head}{visitors[index]}]}}"
                _log.error("message %s: others get through, but not: %s", message_id, line)

    def _attempt(self, batch: Batch, visitors: Sequence[str]) -> Verdict:
        left = self._deadline - monotonic()
        if left < _LEAST_S:  # in the middle of a division
            return Verdict(LATER, 0, "the time of this invocation is over", None, was_made=False)
        return self._transport.send(batch, visitors, min(left, _LONGEST_ATTEMPT_S))


def _has_come_back(record: Mapping[str, Any]) -> bool:
    """Whether the message was shown before, which it was only if it could not be delivered."""
    try:
        return int(record["attributes"]["ApproximateReceiveCount"]) > 1
    except (KeyError, TypeError, ValueError):  # of a test, or of a trigger that doesn't say
        return False


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
        delivery = Delivery(settings.events_endpoint, odp_host=settings.odp_host)
        _handler = make_handler(delivery, settings.events_batch)
    return _handler(event, context)
