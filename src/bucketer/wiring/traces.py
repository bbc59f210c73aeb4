"""Settings in, traces out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bucketer.api.options import ApiOptions
    from bucketer.settings import Settings
    from bucketer.tracing.spans import Traces


def add_traces(settings: Settings, environ: Mapping[str, str], options: ApiOptions) -> Traces:
    """Have each request traced.

    Raises:
        SettingsError: OpenTelemetry isn't installed.
    """
    try:
        from bucketer.tracing.export import open_traces
        from bucketer.tracing.handler import TracedHandler
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"opentelemetry", "google", "requests"}:
            raise
        problem = "BUCKETER_TRACES: `otlp` needs the extra: pip install 'bucketer[otel]'"
        raise SettingsError([problem]) from None
    traces = open_traces(
        environ.get("OTEL_SERVICE_NAME") or "bucketer",
        prefix=settings.path_prefix,
        with_users=settings.traces_users,
    )

    def make(*parts: object, environment: str) -> TracedHandler:
        return TracedHandler(*parts, traces=traces, environment=environment)  # type: ignore[arg-type]  # those of `Handler`

    options.make_handler = make
    return traces
