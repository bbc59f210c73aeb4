"""Settings in, `Runtime` out: every part in its place."""

from __future__ import annotations

import os

from bucketer.runtime.ids import new_uuid
from bucketer.runtime.runtime import Runtime
from bucketer.settings import read_settings

from .datafiles import build_archive, build_sources, shared_among
from .events import build_outbox, build_queue, events_sink
from .http import api_options, build_engine, engine_of
from .places import COMMAND, LAMBDA, SERVER
from .users import PredictorWhenNeeded, build_predictor, build_profiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bucketer.settings import Settings


def build(
    settings: Settings | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    place: str = SERVER,
) -> Runtime:
    """Build the runtime that *settings* ask for, with a first edition if one can be had.

    Args:
        settings: read from *environ* when None.
        environ: the process's own when None; beside settings it holds AWS's variables.
        place: SERVER, LAMBDA or COMMAND.

    Raises:
        SettingsError: the environment asks for something impossible.
    """
    environ = os.environ if environ is None else environ
    settings = read_settings(environ) if settings is None else settings
    if place == SERVER:
        from .state_dir import check_state_dir

        check_state_dir(settings)
    sources = build_sources(settings, environ, place=place)
    outbox = build_outbox(settings, environ, place=place)
    options = api_options(settings)
    options.makes_events = outbox is not None
    if outbox is not None:
        options.events = outbox.health
    if place == SERVER:
        options.webhook = (settings.webhook_secret, settings.project_id)
    make_handler, compile_raw = build_engine(settings, options)
    shared = shared_among(sources) if place == SERVER else []
    reception = None
    if place == SERVER:
        from .state_dir import state_watch
        from .webhooks import build_reception

        reception = build_reception(settings, environ, shared, lambda: runtime)
        options.state_trouble = state_watch(settings, shared)
    profiles = build_profiles(settings)
    predictor = PredictorWhenNeeded(lambda: build_predictor(settings))
    options.reports["predictions"] = predictor.to_json
    if profiles is not None:
        options.reports["profiles"] = profiles.to_json
    runtime = Runtime(
        sources,
        make_handler,
        compile_raw=compile_raw,
        outbox=outbox,
        profiles=profiles,
        predictor=predictor,
        archive=build_archive(settings, environ, place, compile_raw),
        on_notice=reception,
        has_news=(lambda: any(each.has_news() for each in shared)) if shared else None,
        name_event=getattr(outbox, "name_event", new_uuid),
        older_after_s=settings.datafile_older_after,
        inline=place == COMMAND or (place == LAMBDA and not _has_extensions(environ)),
    )
    options.freshness = runtime.freshness.to_json
    runtime.load(local_first=place == LAMBDA and settings.cold_start == "packaged")
    return runtime


def check(
    settings: Settings, environ: Mapping[str, str] | None = None, *, place: str = SERVER
) -> None:
    """Find what is impossible in *place* though each setting is allowed; nothing is begun.

    A server's state directory is made, to see whether it can be.

    For a server, whose processes then needn't each find out for themselves.

    Raises:
        SettingsError: `build` would raise it as well.
    """
    environ = os.environ if environ is None else environ
    chosen = events_sink(settings, place)
    if chosen.startswith("sqs://"):
        build_queue(chosen, environ)
    engine_of(settings)
    if place == SERVER:
        from .state_dir import check_state_dir

        check_state_dir(settings)
    if place == SERVER and settings.webhook_secret:
        from .webhooks import published_at

        published_at(settings)


def _has_extensions(environ: Mapping[str, str]) -> bool:
    """Say whether work after the response is possible: emulators may run Lambda code without."""
    return bool(environ.get("AWS_LAMBDA_RUNTIME_API"))
