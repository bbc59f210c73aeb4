"""What a path is called where paths are counted: one of a few names, whatever a client asks for."""

from __future__ import annotations

#: What is asked for by anything else: paths are a client's, and may be of any number.
OTHER = "other"
_OFREP_FLAG = "/ofrep/v1/evaluate/flags/"
ROUTES = frozenset(
    {
        *("/", "/bucketer", "/track", "/expose", "/health", "/livez", "/readyz", "/info"),
        *("/config", "/refresh", "/metrics", "/tail", "/openapi.yaml", "/oauth/token"),
        *("/webhooks/optimizely", "/v1/config", "/v1/datafile", "/v1/decide", "/v1/activate"),
        *("/v1/track", "/v1/override", "/v1/lookup", "/v1/save", "/v1/reset", "/v1/batch"),
        *("/v1/send-odp-event", "/v1/notifications/event-stream"),
        *("/ofrep/v1/evaluate/flags", "/ofrep/v1/events", "/ofrep/v1/configuration"),
        f"{_OFREP_FLAG}{{key}}",
    }
)


def route_of(path: str, prefix: str = "") -> str:
    """Return which of `ROUTES` answers at *path*, behind the *prefix* that is set; or `OTHER`."""
    if prefix and f"{path}/".startswith(f"{prefix}/"):
        path = path[len(prefix) :]
    if path in ROUTES:
        return path
    if path.startswith(_OFREP_FLAG) and "/" not in path[len(_OFREP_FLAG) :].rstrip("/"):
        return f"{_OFREP_FLAG}{{key}}"
    bare = path.removesuffix("/") or "/"
    return bare if bare in ROUTES and "{" not in bare else OTHER
