"""Settings in, `Runtime` out: every part in its place."""

from __future__ import annotations

import os

from bucketer.runtime.ids import new_uuid
from bucketer.runtime.runtime import Runtime
from bucketer.settings import read_settings

from .datafiles import build_archive, shared_among
from .environments import build_environments, lacking, report
from .events import build_odp_events, build_outbox, build_queue, events_sink
from .http import api_options, engine_of
from .modes import COMMAND, LAMBDA, SERVER
from .users import (
    PredictorWhenNeeded,
    build_overrides,
    build_predictor,
    build_profiles,
    build_segments,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypedDict

    from bucketer.api.options import ApiOptions
    from bucketer.metrics.collector import Collector
    from bucketer.ports import Overrides, Predictor, ProfileStore, Segments
    from bucketer.runtime.environments import Environments
    from bucketer.settings import Settings
    from bucketer.tracing.spans import Traces

    class UserStores(TypedDict):
        """What a runtime has of each."""

        profiles: ProfileStore | None
        predictor: Predictor | None
        segments: Segments | None
        overrides: Overrides | None


def build(
    settings: Settings | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    mode: str = SERVER,
    collector: Collector | None = None,
    stream_secret: bytes = b"",
) -> Runtime:
    """Build the runtime that *settings* ask for, with a first edition if one can be had.

    Args:
        settings: read from *environ* when None.
        environ: the process's own when None; beside settings it holds AWS's variables.
        mode: SERVER, LAMBDA or COMMAND.
        collector: is to tell of what the runtime does; None where nobody counts.
        stream_secret: what addresses of OpenFeature's event streams are signed with where nothing
            is set for it; from a door that can keep answers open, the same for all its processes.

    Raises:
        SettingsError: the environment asks for something impossible.
    """
    environ = os.environ if environ is None else environ
    settings = read_settings(environ) if settings is None else settings
    _check_metrics(settings, mode)
    if mode == SERVER:
        from .state_dir import check_state_dir

        check_state_dir(settings)
    outbox = build_outbox(settings, environ, mode=mode)
    options = api_options(settings)
    options.makes_events = outbox is not None
    if outbox is not None:
        options.events = outbox.health
    _say_who_may(settings, options, mode)
    if collector is not None:
        _have_it_counted(collector, settings, options)
    traces = _have_it_traced(settings, environ, options, mode)
    listened = _who_listens(settings, options, stream_secret)
    if mode == SERVER:
        options.webhook = (settings.webhook_secret, settings.project_id)
    stores = _user_stores(settings, options)
    odp_events = build_odp_events(settings, environ, mode=mode)
    if odp_events is not None:
        options.reports["odp_events"] = odp_events.to_json
    furnish = (
        _console(settings, options, mode, collector),
        _operated(settings, options, mode),
        _tailed(settings, options, listened if stream_secret else None),
    )
    environments = build_environments(settings, environ, options, mode=mode)
    on_notice = _webhooks(settings, environ, options, environments) if mode == SERVER else None
    if environments.are_several:
        options.reports["environments"] = lambda: report(environments)
        options.environments_trouble = lambda now: lacking(
            environments, settings.health_max_age, now
        )
    runtime = Runtime(
        environments,
        outbox=outbox,
        odp_events=odp_events,
        archive=build_archive(settings, environ, mode, engine_of(settings)[1]),
        on_notice=on_notice,
        listened=listened,
        stream_room=options.stream_room,
        traces=traces,
        **stores,
        name_event=getattr(outbox, "name_event", new_uuid),
        inline=mode == COMMAND or (mode == LAMBDA and not _has_extensions(environ)),
    )
    for each in furnish:
        each(runtime)
    if collector is not None:
        from .metrics import add_runtime

        add_runtime(collector, runtime)
    runtime.load(local_first=mode == LAMBDA and settings.cold_start == "packaged")
    return runtime


def _who_listens(settings: Settings, options: ApiOptions, stream_secret: bytes) -> set[str] | None:
    """Put into *options* what can be listened to; return what the door keeps true of it."""
    listened: set[str] | None = None
    if settings.agent_notifications:
        if stream_secret:  # of a door that can keep an answer open
            options.listened = listened = set()
        else:
            options.no_streams = "only `bucketer serve` can keep an answer open"
    if stream_secret and settings.ofrep and options.event_streams == "on":
        from bucketer.api.streams import Room

        options.stream_room = Room()
        options.stream_secrets = settings.signing_secrets or (stream_secret,)
        listened = set() if listened is None else listened
    if stream_secret and settings.tail and listened is None:
        listened = set()
    return listened


def _tailed(
    settings: Settings, options: ApiOptions, listened: set[str] | None
) -> Callable[[Runtime], None]:
    """Put into *options* who may listen to decisions; return what tells it of the runtime."""
    if not settings.tail or listened is None:
        return lambda _runtime: None
    from .tail import add_tail

    return add_tail(options, listened, settings.workers)


def _say_who_may(settings: Settings, options: ApiOptions, mode: str) -> None:
    """Put into *options* who may ask what, and how often."""
    if settings.is_keyed:
        from .access import add_access

        add_access(settings, options, lazily=mode == LAMBDA)
    if mode == SERVER:
        from .rates import add_rates

        add_rates(settings, options)


def _console(
    settings: Settings, options: ApiOptions, mode: str, collector: Collector | None
) -> Callable[[Runtime], None]:
    """Put the console into *options*, where there is one; return what tells it of the runtime."""
    if mode != SERVER or settings.console == "off":
        return lambda _runtime: None
    from .console import add_console

    return add_console(settings, options, collector)


def _operated(settings: Settings, options: ApiOptions, mode: str) -> Callable[[Runtime], None]:
    """Put what operators may ask into *options*; return what tells it of the runtime."""
    if mode != SERVER:
        return lambda _runtime: None
    from .operator import add_operated

    return add_operated(settings, options)


def _webhooks(
    settings: Settings,
    environ: Mapping[str, str],
    options: ApiOptions,
    environments: Environments,
) -> Callable[[bytes, tuple[str, ...]], None] | None:
    """Put what concerns webhooks and the state directory into *options*; return what passes on."""
    from .state_dir import state_watch
    from .webhooks import build_webhook_queues, other_rules

    shared = [each for one in environments for each in shared_among(one.sources)]
    options.state_trouble = state_watch(settings, shared)
    options.other_webhooks = other_rules(settings, environments)
    return build_webhook_queues(settings, environ, environments)


def _user_stores(settings: Settings, options: ApiOptions) -> UserStores:
    """Return what keeps something of users, or asks about them; *options* learn of it."""
    profiles = build_profiles(settings)
    predictor = PredictorWhenNeeded(lambda: build_predictor(settings))
    options.reports["predictions"] = predictor.to_json
    segments = build_segments(settings)
    if segments is not None:
        options.reports["segments"] = segments.to_json
        options.odp = True
    if profiles is not None:
        options.reports["profiles"] = profiles.to_json
    overrides = options.overrides = build_overrides(settings)
    return {
        "profiles": profiles,
        "predictor": predictor,
        "segments": segments,
        "overrides": overrides,
    }


def _have_it_counted(collector: Collector, settings: Settings, options: ApiOptions) -> None:
    from .metrics import add_metrics  # most services do without

    add_metrics(settings, options, collector)


def check(
    settings: Settings, environ: Mapping[str, str] | None = None, *, mode: str = SERVER
) -> None:
    """Find what is impossible in *mode* though each setting is allowed; nothing is begun.

    A server's state directory is made, to see whether it can be.

    For a server, whose processes then needn't each find out for themselves.

    Raises:
        SettingsError: `build` would raise it as well.
    """
    environ = os.environ if environ is None else environ
    chosen = events_sink(settings, mode)
    if chosen.startswith("sqs://"):
        build_queue(chosen, environ)
    engine_of(settings)
    _check_metrics(settings, mode)
    if mode == SERVER:
        from .state_dir import check_state_dir

        check_state_dir(settings)
    if settings.is_keyed:
        from .access import check_access

        check_access(settings)
    if mode == SERVER and settings.webhook_secret:
        from .webhooks import published_at

        published_at(settings)


def _have_it_traced(
    settings: Settings, environ: Mapping[str, str], options: ApiOptions, mode: str
) -> Traces | None:
    if settings.traces == "off" or mode == COMMAND:
        return None
    from .traces import add_traces  # most services do without

    return add_traces(settings, environ, options)


def _check_metrics(settings: Settings, mode: str) -> None:
    """Let through what counts in *mode*.

    Raises:
        SettingsError: it doesn't; or rather, it would count nothing.
    """
    elsewhere = {SERVER: ("emf",), LAMBDA: ("local", "open")}.get(mode, ())
    if settings.metrics in elsewhere:
        from bucketer.core.errors import SettingsError

        allowed = {
            SERVER: "`off`, `local` or `open` in a server",
            LAMBDA: "`off` or `emf` in Lambda",
        }
        problem = f"BUCKETER_METRICS: found '{settings.metrics}'; allowed: {allowed[mode]}"
        raise SettingsError([problem])


def _has_extensions(environ: Mapping[str, str]) -> bool:
    """Say whether work after the response is possible: emulators may run Lambda code without."""
    return bool(environ.get("AWS_LAMBDA_RUNTIME_API"))
