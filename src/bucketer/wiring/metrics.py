"""Settings and runtime in, what `GET /metrics` tells of them out."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bucketer.metrics.decisions import DecisionCounts
from bucketer.metrics.process import process_samples
from bucketer.sinks.counters import NAMES, Counters
from bucketer.sinks.lanes import bytes_in, lanes_in

from .events import ODP_OUTBOX, events_sink
from .modes import SERVER
from .operator import covered

if TYPE_CHECKING:
    from bucketer.api.options import ApiOptions
    from bucketer.metrics.collector import Collector
    from bucketer.metrics.samples import Samples, Value
    from bucketer.runtime.environment import Environment
    from bucketer.runtime.runtime import Runtime
    from bucketer.settings import Settings

#: What health and logs call a process's two outboxes.
EVENTS, ODP = "events", "odp_events"


def add_metrics(settings: Settings, options: ApiOptions, collector: Collector) -> None:
    """Have decisions counted, and `GET /metrics` answered, by *collector*."""
    counts = DecisionCounts(by_flag=settings.metrics_by_flag)
    began_at = time.time()
    options.metrics = collector.scrape
    options.metrics_open = settings.metrics == "open"
    options.watch.append(counts.counted)
    collector.parts += (counts.samples, lambda: process_samples(began_at))
    if events_sink(settings, SERVER) not in {"off", "stdout"}:
        state = Path(settings.state_dir).expanduser()
        folders = {EVENTS: state / "outbox" / "lanes", ODP: state / ODP_OUTBOX / "lanes"}
        collector.shared.append(lambda: _waiting(folders))


def add_runtime(collector: Collector, runtime: Runtime) -> None:
    """Have *collector* tell of the runtime's datafiles and events."""
    environments = (runtime.default, *runtime.environments.listed)
    collector.covered = partial(covered, runtime.environments)
    collector.parts.append(lambda: _datafiles(environments, runtime.clock()))
    outboxes = {EVENTS: runtime.outbox, ODP: runtime.odp_events}

    def events() -> Samples:
        found = {name: getattr(each, "counters", None) for name, each in outboxes.items()}
        return _events({name: each for name, each in found.items() if each}, runtime.clock())

    collector.parts.append(events)


def _datafiles(environments: tuple[Environment, ...], now: float) -> Samples:
    samples: Samples = {}

    def tell(name: str, value: Value, *labels: str) -> None:
        samples.setdefault(f"bucketer_datafile_{name}", {})[labels] = value

    for each in environments:
        edition, freshness = each.edition, each.freshness
        tell("ready", int(edition is not None), each.name)
        tell("failing", int(freshness.failures_in_a_row > 0), each.name)
        tell("refreshes_total", freshness.refreshes, each.name)
        tell("refresh_failures_total", freshness.failures, each.name)
        if edition is not None:
            ruleset = edition.ruleset
            tell("workers", 1, each.name, ruleset.project_id, ruleset.revision)
            if edition.checked_at is not None and any(one.max_age_s > 0 for one in each.sources):
                tell("age_seconds", max(0.0, now - edition.checked_at), each.name)
    return samples


def _events(counters: dict[str, Counters], now: float) -> Samples:
    samples: Samples = {}
    for outbox, each in counters.items():
        for name in NAMES:
            samples.setdefault(f"bucketer_events_{name}_total", {})[outbox,] = getattr(each, name)
        age_s = 0.0 if each.oldest_ms is None else max(0.0, now - each.oldest_ms / 1000)
        samples.setdefault("bucketer_events_oldest_age_seconds", {})[outbox,] = age_s
        samples.setdefault("bucketer_events_troubled", {})[outbox,] = int(bool(each.trouble))
    return samples


def _waiting(folders: dict[str, Path]) -> Samples:
    """Add up what lies in the lanes of all processes, living or gone."""
    found: dict[tuple[str, ...], Value] = {}
    for outbox, folder in folders.items():
        try:
            lanes = lanes_in(folder)
            if lanes:
                found[outbox,] = sum(map(bytes_in, lanes))
        except OSError:  # `/health` says why
            continue
    return {"bucketer_events_waiting_bytes": found}
