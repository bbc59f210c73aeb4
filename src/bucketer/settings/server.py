"""Where the server listens, with how many workers, and whom it believes."""

from __future__ import annotations

from .setting import Setting
from .values import networks, one_of, switch, text, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ROWS: Final = (
    Setting(
        "BUCKETER_HOST",
        "127.0.0.1",
        text,
        "a name or address of this machine; 0.0.0.0 for all of its networks",
        "Where the server listens. The default is reached from this machine only.",
    ),
    Setting(
        "BUCKETER_PORT",
        "8080",
        whole(0, 65_535),
        "a whole number from 0 to 65535; 0 takes any free port",
        "The port on which the server listens.",
    ),
    Setting(
        "BUCKETER_CONSOLE",
        "auto",
        one_of("auto", "on", "off"),
        "`auto`, `on` or `off`",
        "Whether the server has a console: a page in the browser, and `/console/api/`. `auto` has "
        "one where it listens on a loopback address, for whoever sits at that machine. `on` opens "
        "it to others too, who need a key (see docs/access.md). Lambda's package has none.",
    ),
    Setting(
        "BUCKETER_WORKERS",
        "1",
        whole(1, 256),
        "a whole number from 1 to 256",
        "Processes that share the server's port. One per core is the most that pays.",
    ),
    Setting(
        "BUCKETER_STOP_TIMEOUT",
        "10",
        whole(1, 600),
        "a whole number of seconds from 1 to 600",
        "How long answers that are under way have when the server is told to stop.",
    ),
    Setting(
        "BUCKETER_LOG_FILE",
        "",
        text,
        "the path of a file",
        "Where log lines go in place of standard error; SIGHUP opens it anew.",
    ),
    Setting(
        "BUCKETER_ACCESS_LOG_FILE",
        "",
        text,
        "the path of a file",
        "Where access lines go in place of standard output; SIGHUP opens it anew.",
    ),
    Setting(
        "BUCKETER_ACCESS_LOG",
        "off",
        switch,
        "`on` or `off`",
        "One line per request on standard output, without the query, which may name visitors.",
    ),
    Setting(
        "BUCKETER_METRICS",
        "off",
        one_of("off", "local", "open", "emf"),
        "`off`, `local` or `open`; in Lambda `off` or `emf`",
        "Whether the server counts what it does, and who may read it at `/metrics`: this machine "
        "(and no proxy on it), or anybody who reaches the port; where there are keys, those of the "
        "role `admin`. In Lambda `emf` writes a line for CloudWatch after each answer.",
    ),
    Setting(
        "BUCKETER_METRICS_BY_FLAG",
        "on",
        switch,
        "`on` or `off`",
        "Whether decisions are counted by flag and variation. `off` counts them by environment and "
        "reason alone, where a Prometheus can't bear a series for each variation.",
    ),
    Setting(
        "BUCKETER_TRACES",
        "off",
        one_of("off", "otlp"),
        "`off` or `otlp`",
        "Whether each request is a span, and each decision an event, for a collector of "
        "OpenTelemetry's; with the extra `[otel]`. Where they go, and how many, its own variables "
        "say: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER` and so on.",
    ),
    Setting(
        "BUCKETER_TRACES_USERS",
        "off",
        switch,
        "`on` or `off`",
        "Whether the event of a decision tells of whom it is.",
    ),
    Setting(
        "BUCKETER_TAIL",
        "off",
        switch,
        "`on` or `off`",
        "Whether `bucketer tail`, and whoever else may, can listen at `/tail` to decisions as they "
        "happen: from this machine or, where there are keys, with one of the role `admin`. It "
        "tells of whom they are.",
    ),
    Setting(
        "BUCKETER_LOG_LEVEL",
        "info",
        one_of("debug", "info", "warning", "error"),
        "`debug`, `info`, `warning` or `error`",
        "What the server's log leaves out: what is less grave than this. Access lines are not part "
        "of it.",
    ),
    Setting(
        "BUCKETER_LOG_FORMAT",
        "text",
        one_of("text", "json"),
        "`text` or `json`",
        "How the server writes log and access lines: for people, or as a JSON object each.",
    ),
    Setting(
        "BUCKETER_TRUSTED_PROXIES",
        "",
        networks,
        "addresses and networks such as 10.0.0.0/8, between commas or spaces",
        "Proxies whose word is taken for where a request came from; in Lambda CloudFront, say. "
        "The visitor is then the right-most address in their `X-Forwarded-For` that is no such "
        "proxy; otherwise the peer. Whoever is named here can pass for anybody.",
    ),
    Setting(
        "BUCKETER_ADDRESS_HEADER",
        "X-Forwarded-For",
        one_of("x-forwarded-for", "cloudfront-viewer-address"),
        "`X-Forwarded-For` or `CloudFront-Viewer-Address`",
        "In which header the trusted proxies tell the visitor's address.",
    ),
)
