"""The options that Agent has, and what becomes of those that have no counterpart here.

Source: Optimizely Agent 4.4.0, config/config.go and cmd/optimizely/main.go.
"""

from __future__ import annotations

from typing import Final

#: Options that are taken over, by dotted name in lower case: the text that Agent calls them by.
TAKEN: Final = {
    name.lower(): name
    for name in (
        "sdkKeys",
        "server.host",
        "server.batchRequests.operationsLimit",
        "server.interceptors",
        "api.port",
        "api.enableNotifications",
        "api.enableOverrides",
        "api.cors.allowedOrigins",
        "api.cors.allowedHeaders",
        "api.auth.clients",
        "api.auth.hmacSecrets",
        "api.auth.ttl",
        "api.auth.jwksURL",
        "api.auth.jwksUpdateInterval",
        "log.level",
        "log.pretty",
        "webhook.projects",
        "client.pollingInterval",
        "client.batchSize",
        "client.flushInterval",
        "client.datafileURLTemplate",
        "client.eventURL",
        "client.userProfileService",
        "client.cmab.requestTimeout",
        "client.cmab.predictionEndpoint",
        "client.odp.disable",
        "client.odp.segmentsRequestTimeout",
        "client.odp.segmentsCache",
    )
}

_LOG: Final = "log lines name environments, never SDK keys"
_TLS: Final = "it speaks plain HTTP; TLS ends at a proxy or a load balancer in front"
_ADMIN: Final = "/health, /info, /config and /metrics (BUCKETER_METRICS) are on the one port"
_TRACING: Final = (
    "spans are sent with BUCKETER_TRACES=otlp, to where OTEL_EXPORTER_OTLP_ENDPOINT says"
)
_SYNC: Final = "processes don't talk to each other; each fetches, and the workers of one share it"
_TIMES: Final = "the server's time-outs are fixed; streams are not cut by them"
_CACHE: Final = "the cache is in memory, with bounds of its own"
_GO: Final = "it concerns Go's runtime"
_DEAD: Final = "Agent reads it and doesn't use it; one failed request is made again after 0.1 s"
_NAME: Final = "it has no use here"

#: Options without a counterpart, by dotted name (what is below one counts with it): why.
NONE_FOR: Final = {
    "version": _NAME,
    "author": _NAME,
    "name": _NAME,
    "log.includeSdkKey": _LOG,
    "runtime": _GO,
    "tracing": _TRACING,
    "synchronization": _SYNC,
    "admin": _ADMIN,
    "server.allowedHosts": "requests are answered whatever host they name; a proxy can choose",
    "server.readTimeout": _TIMES,
    "server.writeTimeout": _TIMES,
    "server.healthCheckPath": "health is at /health, below BUCKETER_PATH_PREFIX too",
    "server.certFile": _TLS,
    "server.keyFile": _TLS,
    "server.disabledCiphers": _TLS,
    "server.batchRequests.maxConcurrency": "the operations of a batch run in their order",
    "api.maxConns": "10,000 connections are served per worker; beyond them the idle give way",
    "api.cors.allowedMethods": "each route tells browsers what it takes",
    "api.cors.exposedHeaders": "X-Request-Id is exposed",
    "api.cors.allowedCredentials": "named origins may send cookies, `*` may not",
    "api.cors.maxAge": "browsers keep a preflight as long as we tell them",
    "webhook.port": "webhooks come to the one port, at /webhooks/optimizely",
    "client.queueSize": "events wait on disk (BUCKETER_EVENTS_MAX_BYTES), and none is dropped",
    "client.sdkKeyRegex": "SDK keys have letters, digits and `+/=_-`, and may have :TOKEN behind",
    "client.cmab.cache": _CACHE,
    "client.cmab.retryConfig": _DEAD,
    "client.odp.eventsRequestTimeout": "ODP's events leave with the outbox",
    "client.odp.eventsFlushInterval": "ODP's events leave with the outbox",
}
_NONE_FOR: Final = {name.lower(): (name, why) for name, why in NONE_FOR.items()}

#: What Agent does unless told otherwise, where that matters: written as it would be.
DEFAULTS: Final[dict[str, object]] = {
    "server.host": "127.0.0.1",
    "api.port": "8080",
    "log.level": "info",
    "log.pretty": False,
    "api.enablenotifications": False,
    "api.enableoverrides": False,
    "client.pollinginterval": "1m",
    "client.datafileurltemplate": "https://cdn.optimizely.com/datafiles/%s.json",
    "client.eventurl": "https://logx.optimizely.com/v1/events",
    "client.cmab.requesttimeout": "10s",
    "client.cmab.predictionendpoint": "https://prediction.cmab.optimizely.com/predict/%s",
    "client.odp.disable": False,
    "client.odp.eventsrequesttimeout": "10s",
    "client.odp.eventsflushinterval": "1s",
    "client.odp.segmentsrequesttimeout": "10s",
    "server.readtimeout": "5s",
    "server.writetimeout": "10s",
    "server.healthcheckpath": "/health",
    "server.batchrequests.maxconcurrency": 10,
    "server.batchrequests.operationslimit": 500,
    "admin.port": "8088",
    "admin.metricstype": "expvar",
    "client.queuesize": 1000,
    "client.sdkkeyregex": "^[a-zA-Z0-9+/=_]+(:[a-zA-Z0-9+/=_]+)?$",
    "log.includesdkkey": True,
}
#: Options whose value is a table of any shape, which is not looked into.
TABLES: Final = frozenset(
    {
        "webhook.projects",
        "server.interceptors",
        "client.userprofileservice",
        "client.odp.segmentscache",
        "client.cmab.cache",
        "client.cmab.retryconfig",
        "synchronization",
        "tracing",
        "runtime",
        "admin.auth",
    }
)
#: What has options below it that are taken over: nothing but a table can stand there.
HEADINGS: Final = frozenset(
    {
        "api",
        "api.auth",
        "api.cors",
        "client",
        "client.cmab",
        "client.odp",
        "client.odp.segmentscache",
        "client.userprofileservice",
        "log",
        "server",
        "server.batchrequests",
        "server.interceptors",
        "webhook",
        "webhook.projects",
    }
)


def why_not(option: str) -> tuple[str, str] | None:
    """Return what Agent calls an option, and why nothing here stands for it; None otherwise."""
    name = option
    while name:
        if name in _NONE_FOR:
            written, why = _NONE_FOR[name]
            return written + option[len(name) :], why
        name = name.rpartition(".")[0]
    return None


def by_variable() -> dict[str, str]:
    """Return each option that a variable can say, by what follows `OPTIMIZELY_`."""
    names = {*TAKEN, *_NONE_FOR, *DEFAULTS, *TABLES, "client.cmab"}
    return {name.upper().replace(".", "_"): name for name in names}
