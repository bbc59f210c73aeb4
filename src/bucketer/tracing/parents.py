"""Of which trace a request is a part: W3C `traceparent` and `tracestate`, else X-Ray's header.

Source: W3C, "Trace Context"; AWS, "X-Ray: tracing header".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context

XRAY = "x-amzn-trace-id"
_ROOT = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})")
_PARENT = re.compile(r"[0-9a-f]{16}")
#: A header of X-Ray's has three fields, and maybe one more.
_MOST_CHARS, _MOST_FIELDS = 256, 8
_W3C = TraceContextTextMapPropagator()


def parent_of(headers: Mapping[str, str]) -> Context | None:
    """Return the caller's span, as *headers* (by lower-case name) tell it; None if they don't."""
    if "traceparent" in headers:
        context = _W3C.extract(headers)
        if trace.get_current_span(context).get_span_context().is_valid:
            return context
    told = headers.get(XRAY)
    return None if told is None else _of_xray(told)


def _of_xray(told: str) -> Context | None:
    """Read ``Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1``.

    What a gateway wrote that doesn't trace has no parent: it is no span's child then.
    """
    if len(told) > _MOST_CHARS:
        return None
    pairs = (each.partition("=") for each in told.split(";", _MOST_FIELDS))
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    root = _ROOT.fullmatch(fields.get("root", ""))
    parent = _PARENT.fullmatch(fields.get("parent", ""))
    if root is None or parent is None:
        return None
    sampled = trace.TraceFlags(fields.get("sampled") == "1")
    caller = trace.SpanContext(
        int(root[1] + root[2], 16), int(parent[0], 16), is_remote=True, trace_flags=sampled
    )
    if not caller.is_valid:
        return None
    return trace.set_span_in_context(trace.NonRecordingSpan(caller))
