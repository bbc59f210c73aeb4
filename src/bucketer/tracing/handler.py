"""The handler of requests, with a span around each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.api.http import Needed
from bucketer.api.routes import Handler
from bucketer.core.bandit import PredictionNeeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Reply, Request
    from bucketer.api.options import ApiOptions
    from bucketer.ports import EditionFacts, Engine

    from .spans import Traces


class TracedHandler(Handler):
    """Answers as `Handler` does, and tells of it.

    A request that waits for something is handled several times, by several threads: its span goes
    on until there is a reply.
    """

    def __init__(
        self,
        edition: EditionFacts | None,
        options: ApiOptions,
        engine: Engine,
        keys: frozenset[str],
        *,
        traces: Traces,
        environment: str,
    ) -> None:
        """Tell *traces* of each request, as one of the *environment* of that name."""
        super().__init__(edition, options, traces.noted(engine), keys)
        self._traces, self._environment = traces, environment

    def handle(
        self,
        request: Request,
        now: float,
        new_uuid: Callable[[], str],
        known: Known | None = None,
    ) -> Reply:
        """See `Handler.handle`."""
        span = self._traces.begin(request)
        try:
            reply = super().handle(request, now, new_uuid, known)
        except (PredictionNeeded, Needed):
            self._traces.put_off(request, span)
            raise
        self._traces.end(span, reply, self._environment)
        return reply
