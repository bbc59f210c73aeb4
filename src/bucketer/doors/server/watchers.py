"""Settings in, whoever watches a worker's answers out: access lines, metrics."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bucketer.doors.server.access_lines import AccessLines
from bucketer.doors.server.logs import access_file, access_log, note_access
from bucketer.doors.server.pulse import Pulse

if TYPE_CHECKING:
    from bucketer.doors.server.watching import WatchedWorker, Watcher
    from bucketer.metrics.collector import Collector
    from bucketer.metrics.samples import Samples
    from bucketer.settings import Settings

_log = logging.getLogger("bucketer.server")


def is_watched(settings: Settings) -> bool:
    """Say whether anybody wants to know of each answer."""
    return settings.access_log or settings.metrics != "off"


def watch(worker: WatchedWorker, settings: Settings, collector: Collector | None) -> Pulse | None:
    """Have those told of *worker*'s answers whom *settings* name.

    Returns:
        what beats for *collector*, begun; None without one.
    """
    watchers: list[Watcher] = []
    if settings.access_log:
        as_json = settings.log_format == "json"
        name = worker.runtime.environment_name
        own = AccessLines(worker.loop, name, as_json=as_json, write=access_file())
        # A program around us that has configured logging gets them its own way.
        watchers.append(note_access if access_log.propagate else own)
    pulse = None
    if collector is not None:
        pulse = Pulse(worker.loop, collector.publish)
        watchers.append(_count(worker, settings, collector, pulse))
        pulse.start()
    worker.watch(watchers)
    return pulse


def _count(
    worker: WatchedWorker, settings: Settings, collector: Collector, pulse: Pulse
) -> Watcher:
    """Have *collector* tell of the answers, and of who is there; return what counts answers."""
    from bucketer.metrics.requests import RequestCounts  # most services do without

    counts = RequestCounts(settings.path_prefix)

    def presence() -> Samples:
        return {
            "bucketer_connections": {(): len(worker.connections)},
            "bucketer_connections_limit": {(): worker.limits.connections},
            "bucketer_connections_refused_total": {(): worker.turned_away},
            "bucketer_streams": {(): worker.streams.count},
            "bucketer_unfinished_bytes": {(): worker.unfinished.total_bytes},
            "bucketer_untaken_bytes": {(): worker.untaken.total_bytes},
            "bucketer_loop_lag_seconds": {(): pulse.lag_s},
        }

    collector.parts += (counts.samples, presence)
    if why := collector.begin():
        _log.warning("metrics: this worker tells of itself alone: %s", why)
    return counts.note
