"""One span for each request, with an event `feature_flag.evaluation` for each of its decisions.

Source: OpenTelemetry, "Semantic conventions" 1.44: HTTP server spans; feature flag evaluations.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from bucketer.core.decision import ROLLOUT
from bucketer.metrics.routes import OTHER, route_of

from .parents import parent_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from opentelemetry._logs import Logger
    from opentelemetry.trace import Span, Tracer

    from bucketer.api.http import Reply, Request
    from bucketer.core.decision import Decision
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import User
    from bucketer.ports import Engine

#: Requests that wait for something, each with its span; the oldest is let go beyond that.
MOST_WAITING = 10_000
#: Decisions of one request that are told; a span bears as many events.
MOST_DECISIONS = 128
_PROVIDER = "Optimizely"
_METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"})
_NO_OPTIONS: frozenset[str] = frozenset()
_SERVER_ERROR = 500


class Traces:
    """What traces are told by, for all handlers of a process. Any thread may call.

    Args:
        tracer, logger: OpenTelemetry's, which take spans and events.
        prefix: may stand before each path.
        with_users: tell of whom each decision is.
        close, flush: end, and send what waits.
    """

    def __init__(
        self,
        tracer: Tracer,
        logger: Logger,
        *,
        prefix: str = "",
        with_users: bool = False,
        close: Callable[[], None],
        flush: Callable[[], None],
    ) -> None:
        self._tracer, self._logger, self._prefix = tracer, logger, prefix
        self._with_users = with_users
        self.close, self.flush = close, flush
        self._waiting: OrderedDict[Request, Span] = OrderedDict()
        self._lock = threading.Lock()
        self._made = threading.local()

    def begin(self, request: Request) -> Span:
        """Return the span of *request*, begun now or when it first came; decisions are noted."""
        self._made.decisions = []
        with self._lock:
            span = self._waiting.pop(request, None)
        if span is not None:
            return span
        method = request.method if request.method in _METHODS else "_OTHER"
        route = route_of(request.path, self._prefix)
        attributes = {
            "http.request.method": method,
            "url.path": request.path,
            "url.scheme": "http",
            "bucketer.request_id": request.request_id,
        }
        if route != OTHER:
            attributes["http.route"] = route
        return self._tracer.start_span(
            f"{'HTTP' if method == '_OTHER' else method} {route}" if route != OTHER else method,
            context=parent_of(request.headers),
            kind=SpanKind.SERVER,
            attributes=attributes,
        )

    def put_off(self, request: Request, span: Span) -> None:
        """Keep the span of *request*, which waits for something, until it is asked again."""
        with self._lock:
            self._waiting[request] = span
            if len(self._waiting) <= MOST_WAITING:
                return
            _, oldest = self._waiting.popitem(last=False)
        oldest.end()  # nobody has asked again: it was refused

    def end(self, span: Span, reply: Reply, environment: str) -> None:
        """Tell what came of it, and of the decisions that were made since `begin`."""
        decisions, self._made.decisions = self._made.decisions, None
        if not span.is_recording():  # it isn't sampled
            return
        status = reply.response.status
        span.set_attribute("http.response.status_code", status)
        span.set_attribute("bucketer.environment", environment)
        if status >= _SERVER_ERROR:
            span.set_attribute("error.type", str(status))
            span.set_status(Status(StatusCode.ERROR))
        for asked, ruleset, user_id, decision in decisions[:MOST_DECISIONS]:
            self._tell(span, asked, ruleset, user_id, decision)
        span.end()

    def noted(self, engine: Engine) -> Engine:
        """Return what decides as *engine* does, and notes the decisions of the present request."""
        return _NotedEngine(engine, self._note)

    def _note(self, asked: str, ruleset: Ruleset, user: User, decision: Decision) -> None:
        decisions = getattr(self._made, "decisions", None)
        if decisions is not None and len(decisions) < MOST_DECISIONS:
            decisions.append((asked, ruleset, user.id, decision))

    def _tell(
        self, span: Span, asked: str, ruleset: Ruleset, user_id: str, decision: Decision
    ) -> None:
        attributes: dict[str, str] = {
            "feature_flag.key": asked,
            "feature_flag.provider.name": _PROVIDER,
            "feature_flag.set.id": ruleset.environment_key or ruleset.project_id,
            "feature_flag.version": ruleset.revision,
            "feature_flag.result.reason": reason_of(decision),
        }
        if decision.variation_key is not None:
            attributes["feature_flag.result.variant"] = decision.variation_key
        if decision.error is not None:
            attributes["error.type"] = "general"
            attributes["feature_flag.error.message"] = decision.error
        if self._with_users:
            attributes["feature_flag.context.id"] = user_id
        self._logger.emit(
            LogRecord(
                event_name="feature_flag.evaluation",
                severity_number=SeverityNumber.INFO,
                attributes=attributes,
                context=set_span_in_context(span),
            )
        )


def reason_of(decision: Decision) -> str:
    """Return why, in the words of the conventions, as far as the decision alone tells."""
    if decision.error is not None:
        return "error"
    if decision.variation_key is None:
        return "default"
    return "targeting_match" if decision.source == ROLLOUT else "split"


class _NotedEngine:
    """See `Traces.noted`."""

    def __init__(
        self, engine: Engine, note: Callable[[str, Ruleset, User, Decision], None]
    ) -> None:
        self._engine, self._note = engine, note
        self.plain = getattr(engine, "plain", engine)

    def activate(
        self, ruleset: Ruleset, experiment_key: str, user: User, trace: list[Reason] | None
    ) -> Decision:
        decision = self._engine.activate(ruleset, experiment_key, user, trace)
        self._note(experiment_key, ruleset, user, decision)
        return decision

    def decide(
        self,
        ruleset: Ruleset,
        flag_key: str,
        user: User,
        options: Collection[str] = _NO_OPTIONS,
        trace: list[Reason] | None = None,
    ) -> Decision:
        decision = self._engine.decide(ruleset, flag_key, user, options, trace)
        self._note(flag_key, ruleset, user, decision)
        return decision
