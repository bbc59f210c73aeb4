"""What a request may be, and what an answer tells."""

from __future__ import annotations

from .setting import Setting
from .values import cors_headers, cors_origins, one_of, path_prefix, seconds_or_off, switch, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

CORS_HEADERS: Final = (
    "Content-Type, X-Request-Id, Idempotency-Key, Authorization, X-API-Key, "
    "X-Optimizely-SDK-Key, X-Requested-With, Cache-Control, If-None-Match, "
    "traceparent, tracestate, baggage, sentry-trace"
)

ROWS: Final = (
    Setting(
        "BUCKETER_DEBUG",
        "on",
        switch,
        "`on` or `off`",
        "Whether `debug=1` is heard. `off` leaves the debug block out of every answer.",
    ),
    Setting(
        "BUCKETER_DEBUG_URL",
        "auto",
        one_of("auto", "full", "host", "off"),
        "`auto`, `full`, `host` or `off`",
        "How the debug block names the datafile: by its URL (whose path holds the SDK key), by its "
        "host, or not at all. `auto` is `full`, but `host` when `DATAFILE_ACCESS_TOKEN` is set: "
        "the key of a secure environment is not for visitors. `/health` names the host at most.",
    ),
    Setting(
        "BUCKETER_CORS_ORIGIN",
        "*",
        cors_origins,
        "origins such as https://shop.example or http://localhost:3000, between commas or spaces; "
        "or `*`, or `off`",
        "Which web pages may read the answers. With `*` those of all origins, as long as they ask "
        "without cookies; named ones may send them.",
    ),
    Setting(
        "BUCKETER_CORS_HEADERS",
        CORS_HEADERS,
        cors_headers,
        "names of headers, between commas or spaces",
        "Which headers those pages may send, beside the few that need no leave. The default has "
        "ours and those that tracing, monitoring and proxies add.",
    ),
    Setting(
        "BUCKETER_PATH_PREFIX",
        "",
        path_prefix,
        "a path such as /experiments or /api/v1",
        "What stands in front of the paths where a gateway or a proxy doesn't cut it off: the "
        "mapping of a custom domain, a rule of a load balancer. Both `/bucketer` and "
        "`/experiments/bucketer` are then answered. A stage of API Gateway needs no setting.",
    ),
    Setting(
        "BUCKETER_HEALTH_MAX_AGE",
        "off",
        seconds_or_off(1, 31_536_000),
        "`off`, or seconds from 1 to 31536000",
        "When its source has not confirmed the datafile for so long, `/health` says `degraded` "
        "(still with status 200) and why. Several times `DATAFILE_MAX_AGE` is a good value.",
    ),
    Setting(
        "BUCKETER_READY_MAX_AGE",
        "off",
        seconds_or_off(1, 31_536_000),
        "`off`, or seconds from 1 to 31536000",
        "When its source has not confirmed the datafile for so long, `/readyz` of a server answers "
        "503, so that a load balancer asks others. While all are cut off from it, all say so.",
    ),
    Setting(
        "BUCKETER_MAX_URL_BYTES",
        "8192",
        whole(256, 65_536),
        "a whole number from 256 to 65536",
        "The longest path and query that is answered; a longer one gets 414.",
    ),
    Setting(
        "BUCKETER_MAX_BODY_BYTES",
        "1048576",
        whole(1_024, 67_108_864),
        "a whole number from 1024 to 67108864",
        "The largest body that is read; a larger one gets 413.",
    ),
    Setting(
        "BUCKETER_MAX_JSON_DEPTH",
        "32",
        whole(1, 500),
        "a whole number from 1 to 500",
        "How deep arrays and objects of a body may be nested; deeper gets 400.",
    ),
)
