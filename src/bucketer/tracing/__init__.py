"""Traces: a span for each request and an event for each decision, to OpenTelemetry's collector.

handler.py    the handler, with a span around it
spans.py      spans and events, begun and ended
parents.py    who the caller says is its span: `traceparent`, or X-Ray's header
export.py     where they go

Not imported unless `BUCKETER_TRACES` says so; it needs the extra `[otel]` (docs/decisions/0163).
"""
