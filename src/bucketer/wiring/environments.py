"""Settings in, environments out: the default one, those that are listed, and how others open."""

from __future__ import annotations

from bucketer.runtime.compiling import compile_quietly
from bucketer.runtime.environment import Environment
from bucketer.runtime.environments import Environments
from bucketer.settings import UNLISTED

from .datafiles import build_sources, shared_among
from .http import build_engine, datafile_shown
from .modes import SERVER

#: How much of answers, and of decisions, each environment but the default one may remember: so
#: many times its JSON, since what it can come to grows with that, but at least and at most so much.
REMEMBERED_TIMES = 8
REMEMBERED_BYTES, REMEMBERED_MOST_BYTES = 1024 * 1024, 16 * 1024 * 1024

#: So many environments are named where something is amiss with them.
_NAMED = 5

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bucketer.api.options import ApiOptions
    from bucketer.core.ruleset import Ruleset
    from bucketer.settings import Settings

    from .choosing import Chooser


def build_environments(
    settings: Settings,
    environ: Mapping[str, str],
    options: ApiOptions,
    *,
    mode: str = SERVER,
    clock: Callable[[], float] | None = None,
) -> Environments:
    """Return all environments that *settings* ask for; nothing is fetched yet.

    Args:
        settings: those of the default environment, with the others inside.
        environ: for AWS's own variables.
        options: of the default environment's API.
        mode: SERVER, LAMBDA or COMMAND.
        clock: seconds that only go forward and pace all fetching; one of their own unless given.
    """
    from bucketer.clock import SteadyClock

    steady = clock or SteadyClock()
    chooser = None
    if mode == SERVER and options.gate is not None and _are_several(settings):
        from .choosing import Chooser

        chooser = Chooser(options.gate)
    default = _environment(settings, environ, options, mode, steady, chooser=chooser)
    others = options.but(revisions=False, webhook=None, reports={})
    listed = [
        _environment(settings.of(each), environ, others, mode, steady, is_default=False)
        for each in settings.environments
    ]
    open_key = None
    if settings.sdk_keys == "any":

        def open_key(key: str) -> Environment:
            from bucketer.settings import unlisted

            own = settings.of(unlisted(key))
            # Its datafile is this process's alone: what strangers name leaves no file behind.
            return _environment(own, environ, others, mode, steady, name=key, is_default=False)

    environments = Environments(
        default,
        listed,
        open_key=open_key,
        max_opened=settings.environments_max,
        max_bytes=settings.environments_max_bytes,
    )
    if chooser is not None:
        chooser.environments = environments
    return environments


def _are_several(settings: Settings) -> bool:
    return bool(settings.environments) or settings.sdk_keys == "any"


def _environment(
    settings: Settings,
    environ: Mapping[str, str],
    options: ApiOptions,
    mode: str,
    steady: Callable[[], float],
    *,
    name: str = "",
    is_default: bool = True,
    chooser: Chooser | None = None,
) -> Environment:
    """Return one environment, with *settings* of its own."""
    if not is_default:  # revisions are kept by their numbers, which another environment has too
        settings = settings.but(revisions="off")
    locations = () if is_default else settings.datafile or (settings.datafile_url,)
    share = mode == SERVER and not name
    sources = build_sources(settings, environ, mode=mode, locations=locations, share=share)
    shared = shared_among(sources) if share else []
    keys = [key for key in (settings.sdk_key, name) if key]
    if settings.sdk_key and settings.datafile_access_token and not name:
        keys.append(f"{settings.sdk_key}:{settings.datafile_access_token}")
    if not is_default:
        options = options.but(show_datafile=datafile_shown(settings))
    make_handler, compile_raw = build_engine(
        settings, options, None if is_default else remembered_bytes
    )
    if not is_default:
        compile_raw = _remembering_little(compile_raw or compile_quietly)
    if chooser is not None:
        make_handler = chooser.of_default(make_handler)
    environment = Environment(
        sources,
        make_handler,
        id=_id_of(name) if name else "",
        name=settings.environment,
        keys=keys,
        token=settings.datafile_access_token,
        compile_raw=compile_raw,
        has_news=(lambda: any(each.has_news() for each in shared)) if shared else None,
        older_after_s=settings.datafile_older_after,
        packs=mode == SERVER or not is_default,
        steady=steady,
    )
    options.freshness = environment.freshness.to_json
    options.environment_id = environment.id
    return environment


def _id_of(key: str) -> str:
    """What stands for an SDK key that nobody listed, in files too: a token may be in it."""
    from hashlib import sha256

    return f"key {sha256(key.encode()).hexdigest()[:32]}"


def remembered_bytes(datafile_bytes: int) -> int:
    """Return how much of answers, and of decisions, may be kept for a datafile of that size."""
    return min(REMEMBERED_MOST_BYTES, max(REMEMBERED_BYTES, REMEMBERED_TIMES * datafile_bytes))


def _remembering_little(compile_raw: Callable[[bytes], Ruleset]) -> Callable[[bytes], Ruleset]:
    """Return what compiles as *compile_raw*, and bounds what a ruleset keeps of decisions."""

    def compile_bounded(raw: bytes) -> Ruleset:
        ruleset = compile_raw(raw)
        ruleset.room_bytes = min(ruleset.room_bytes, remembered_bytes(len(raw)))
        return ruleset

    return compile_bounded


def report(environments: Environments) -> dict[str, object]:
    """Return what health tells of the environments beside the default one. Never a key."""
    told: dict[str, object] = {}
    for environment in environments.listed:
        edition = environment.edition
        told[environment.name] = {
            "revision": None if edition is None else edition.ruleset.revision,
            **environment.freshness.to_json(),
        }
    if environments.opened:
        told[UNLISTED] = {"count": environments.opened}
    return told


def lacking(environments: Environments, max_age_s: float | None, now: float) -> str:
    """Return which listed environments have no datafile *now*, or too old a one; "" if none."""
    without, old = [], []
    for environment in environments.listed:
        edition = environment.edition
        if edition is None:
            if environment.freshness.refreshes:  # else nobody has asked for it yet
                without.append(environment.name)
        elif max_age_s and edition.checked_at is not None and now - edition.checked_at > max_age_s:
            old.append(environment.name)
    told = [f"No datafile for {_named(without)}."] if without else []
    if old:
        told.append(f"Not confirmed for {max_age_s:g} s: {_named(old)}.")
    return " ".join(told)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
