"""Every metric of `GET /metrics`: docs, dashboard and alerts name these and no others."""

from __future__ import annotations

from typing import NamedTuple

COUNTER, GAUGE, HISTOGRAM, INFO = "counter", "gauge", "histogram", "info"
SUM, LEAST, MOST = "sum", "least", "most"

#: Upper bounds in seconds of a request's time. A decision takes 15 to 50 us, a bandit a second.
BOUNDS_S = (
    *(0.00005, 0.0001, 0.0002, 0.0005),
    *(0.001, 0.002, 0.005),
    *(0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1.0),
)


class Family(NamedTuple):
    """One metric.

    Attributes:
        name: as Prometheus shows it; a counter's ends in `_total`, an info's in `_info`.
        kind: COUNTER, GAUGE, HISTOGRAM or INFO.
        help: what it says, a sentence.
        labels: names of its labels, in order.
        several: what several workers make: the SUM, the LEAST or the MOST of their values.
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    several: str = SUM


FAMILIES = (
    Family(
        "bucketer_requests_total",
        COUNTER,
        "Answers, by the route that was asked for and by status.",
        ("route", "status"),
    ),
    Family(
        "bucketer_request_duration_seconds",
        HISTOGRAM,
        "From the last byte of a request to its answer, by route; not the way to the client.",
        ("route",),
    ),
    Family(
        "bucketer_decisions_total",
        COUNTER,
        "Decisions. The flag is an experiment's key where one was asked for by it; the reason is "
        "the kind of rule that decided, or none, or error.",
        ("environment", "flag", "variation", "reason"),
    ),
    Family(
        "bucketer_datafile_workers",
        GAUGE,
        "Workers that decide by this revision.",
        ("environment", "project", "revision"),
    ),
    Family(
        "bucketer_datafile_ready",
        GAUGE,
        "1 if each worker has a datafile for the environment, else 0.",
        ("environment",),
        LEAST,
    ),
    Family(
        "bucketer_datafile_age_seconds",
        GAUGE,
        "Since a source last confirmed the datafile, where one is asked.",
        ("environment",),
        MOST,
    ),
    Family(
        "bucketer_datafile_failing",
        GAUGE,
        "1 if a worker's last try to fetch the datafile failed, else 0.",
        ("environment",),
        MOST,
    ),
    Family(
        "bucketer_datafile_refreshes_total",
        COUNTER,
        "How often the sources of the datafile were asked.",
        ("environment",),
    ),
    Family(
        "bucketer_datafile_refresh_failures_total",
        COUNTER,
        "How often the first source gave no usable datafile.",
        ("environment",),
    ),
    *(
        Family(f"bucketer_events_{name}_total", COUNTER, told, ("outbox",))
        for name, told in (
            ("accepted", "Events taken over, which from then on are ours to deliver."),
            ("sent", "Events delivered."),
            ("retried", "Attempts to deliver that failed and were put off, times their events."),
            ("refused", "Events that could not be kept: they are lost."),
            ("dead", "Events refused by the collector; see `bucketer events list`."),
            ("lost", "Of those, the ones for which there was no room."),
            ("damaged", "Lines of an outbox that were no event; set aside."),
            ("repeated", "Events left out as repeats."),
        )
    ),
    Family(
        "bucketer_events_waiting",
        GAUGE,
        "Events accepted since the start and neither sent nor given up.",
        ("outbox",),
    ),
    Family(
        "bucketer_events_waiting_bytes",
        GAUGE,
        "What waits on the disk, of earlier processes too.",
        ("outbox",),
        MOST,
    ),
    Family(
        "bucketer_events_oldest_age_seconds",
        GAUGE,
        "The age of the oldest event that waits; 0 where none does.",
        ("outbox",),
        MOST,
    ),
    Family(
        "bucketer_events_troubled",
        GAUGE,
        "1 if the last attempt of a worker to deliver failed, else 0.",
        ("outbox",),
        MOST,
    ),
    Family("bucketer_connections", GAUGE, "Open connections."),
    Family(
        "bucketer_connections_limit", GAUGE, "Connections that there is room for, of all workers."
    ),
    Family(
        "bucketer_connections_refused_total", COUNTER, "Connections for which there was no room."
    ),
    Family("bucketer_streams", GAUGE, "Answers that go on: who listens."),
    Family("bucketer_unfinished_bytes", GAUGE, "Requests that haven't come whole."),
    Family("bucketer_untaken_bytes", GAUGE, "Answers that clients don't take."),
    Family(
        "bucketer_loop_lag_seconds",
        GAUGE,
        "How late the last look at all connections was: what every request waits for.",
        (),
        MOST,
    ),
    Family("bucketer_workers", GAUGE, "Worker processes that are there."),
    Family(
        "bucketer_workers_started_total",
        COUNTER,
        "Worker processes that there have been since the server's start: those that took the place "
        "of others, too.",
    ),
    Family("bucketer_build_info", INFO, "Always 1.", ("version", "python"), MOST),
    Family("process_resident_memory_bytes", GAUGE, "Memory in use, of all workers together."),
    Family("process_cpu_seconds_total", COUNTER, "Processor time used, of all workers together."),
    Family("process_open_fds", GAUGE, "Open descriptors, of all workers together."),
    Family("process_max_fds", GAUGE, "Descriptors that there may be, of all workers together."),
    Family(
        "process_start_time_seconds",
        GAUGE,
        "When the first of the workers that are there began, since 1970.",
        (),
        LEAST,
    ),
)

BY_NAME = {family.name: family for family in FAMILIES}
#: Values that go on where a worker takes the place of another.
KEPT = frozenset(each.name for each in FAMILIES if each.kind in {COUNTER, HISTOGRAM})
