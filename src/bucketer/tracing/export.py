"""Where spans and events go: OTLP over HTTP, set by OpenTelemetry's own `OTEL_…` variables."""

from __future__ import annotations

import logging

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from bucketer import __version__

from .spans import Traces

_NAME = "bucketer"
#: How long the end of a process, or of an invocation in Lambda, waits for the collector.
_FLUSH_MS = 2_000


def open_traces(service: str, *, prefix: str = "", with_users: bool = False) -> Traces:
    """Begin to send. Batches are sent by threads behind; what doesn't fit a queue is dropped.

    Args:
        service: what the collector calls us.
        prefix: may stand before each path.
        with_users: tell of whom each decision is.
    """
    # What it warns of is what callers sent in `traceparent` and `tracestate`, with all of it.
    logging.getLogger("opentelemetry.trace").setLevel(logging.ERROR)
    resource = Resource.create({"service.name": service, "service.version": __version__})
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
    loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))

    def flush() -> None:
        tracers.force_flush(_FLUSH_MS)
        loggers.force_flush(_FLUSH_MS)

    def close() -> None:
        flush()
        tracers.shutdown()
        loggers.shutdown()

    return Traces(
        tracers.get_tracer(_NAME, __version__),
        loggers.get_logger(_NAME, __version__),
        prefix=prefix,
        with_users=with_users,
        close=close,
        flush=flush,
    )
