"""Lambda's metrics: one line of JSON for each answer, which CloudWatch makes numbers of.

Written behind the answer, where there is an extension, and after the work that is done there: what
became of its events, and of a refresh, is in it. No library: importing AWS's takes 153 ms.

Source: AWS, "Specification: Embedded metric format".
"""

from __future__ import annotations

import json
import logging
import sys
from time import perf_counter, time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final

    from bucketer.ports import DatafileSource, EditionFacts

_log = logging.getLogger("bucketer.metrics")

NAMESPACE: Final = "Bucketer"
#: Name → unit, as CloudWatch has them. Each costs by the month, so there are few.
METRICS: Final = {
    "Requests": "Count",
    "ServerErrors": "Count",
    "Duration": "Milliseconds",
    "DatafileReady": "Count",
    "DatafileAge": "Seconds",
    "EventsAccepted": "Count",
    "EventsSent": "Count",
    "EventsRefused": "Count",
    "EventsDead": "Count",
}
_EVENTS: Final = {
    "accepted": "EventsAccepted",
    "sent": "EventsSent",
    "refused": "EventsRefused",
    "dead": "EventsDead",
}
_SERVER_ERROR: Final = 500


class Meter:
    """Measures what a handler answers, and writes the lines.

    Args:
        runtime: whose datafile and events are told of.
        environ: for the function's name and version.
        write: takes a line; standard output's own unless given.
    """

    def __init__(
        self,
        runtime: Any,
        environ: Mapping[str, str],
        write: Callable[[str], object] | None = None,
    ) -> None:
        self._runtime = runtime
        self._write = write or _print
        self._properties = {
            "FunctionName": environ.get("AWS_LAMBDA_FUNCTION_NAME", "bucketer"),
            "FunctionVersion": environ.get("AWS_LAMBDA_FUNCTION_VERSION", ""),
        }
        self._answers: list[tuple[int, float]] = []
        self._told: dict[str, int] = {}

    def metered(
        self,
        handler: Callable[[object, object], dict[str, Any]],
        answered: Callable[[], object] | None,
    ) -> Callable[[object, object], dict[str, Any]]:
        """Return *handler*, measured; *answered* is called after each of its answers.

        Without it nothing runs behind the answer, and the line is written before.
        """
        after = answered or self.tell

        def lambda_handler(event: object, context: object) -> dict[str, Any]:
            """Answer one invocation. Never raises."""
            began = perf_counter()
            result = handler(event, context)
            self._answers.append((result["statusCode"], (perf_counter() - began) * 1000))
            after()
            return result

        return lambda_handler

    def tell(self) -> None:
        """Write a line for each answer since the last time. Never raises: there is an answer."""
        answers, self._answers = self._answers, []
        try:
            for status, duration_ms in answers:
                self._write(self._line(status, duration_ms))
        except Exception:  # noqa: BLE001 -- it would end the thread that Lambda waits for
            _log.exception("metrics could not be written")

    def _line(self, status: int, duration_ms: float) -> str:
        found: dict[str, float] = {
            "Requests": 1,
            "ServerErrors": int(status >= _SERVER_ERROR),
            "Duration": round(duration_ms, 3),
            **self._datafile(),
            **self._events(),
        }
        metrics = [{"Name": name, "Unit": METRICS[name]} for name in found]
        about = {
            "Timestamp": round(time() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [["FunctionName"]],
                    "Metrics": metrics,
                }
            ],
        }
        line = {"_aws": about, **self._properties, "Status": status, **found}
        edition = self._runtime.edition
        if edition is not None:
            line["Revision"] = edition.ruleset.revision
        return json.dumps(line, separators=(",", ":"))

    def _datafile(self) -> dict[str, float]:
        """Tell of the default environment's datafile; its age where a source can be asked."""
        default = self._runtime.default
        edition: EditionFacts | None = default.edition
        found: dict[str, float] = {"DatafileReady": int(edition is not None)}
        sources: list[DatafileSource] = default.sources
        asked = any(source.max_age_s > 0 for source in sources)
        if edition is not None and edition.checked_at is not None and asked:
            found["DatafileAge"] = round(max(0.0, time() - edition.checked_at), 3)
        return found

    def _events(self) -> dict[str, float]:
        """Tell what has become of events, ODP's too, since the last line, if there were any."""
        outboxes = (self._runtime.outbox, self._runtime.odp_events)
        counters = [each for one in outboxes if (each := getattr(one, "counters", None))]
        found: dict[str, float] = {}
        if not counters:  # none yet, or they are off
            return found
        for name, shown in _EVENTS.items():
            now = sum(getattr(each, name) for each in counters)
            found[shown] = now - self._told.get(name, 0)
            self._told[name] = now
        return found


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
