"""Settings in, what operators ask a server for, out; and what SIGHUP does."""

from __future__ import annotations

import platform
from functools import partial
from typing import TYPE_CHECKING

from bucketer import __version__
from bucketer.access.stay import stay_of
from bucketer.api.options import Operated
from bucketer.settings import LOCATION, PLAIN, TABLE, host_only

if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.options import ApiOptions, May
    from bucketer.runtime.environment import Environment
    from bucketer.runtime.environments import Environments
    from bucketer.runtime.runtime import Runtime
    from bucketer.settings import Settings


def add_operated(settings: Settings, options: ApiOptions) -> Callable[[Runtime], None]:
    """Put what operators may ask into *options*; return what gives it the rest."""
    describes: dict[str, object] = {
        "version": __version__,
        "python": platform.python_version(),
        "engine": settings.engine,
        "workers": settings.workers,
        "access": "keys" if settings.is_keyed else "open",
    }
    operated = Operated(settings.ready_max_age, describes, partial(settings_shown, settings))
    options.operated = operated

    def furnish(runtime: Runtime) -> None:
        operated.started_at = runtime.clock()
        operated.refresh = partial(refresh, runtime.environments)
        if options.gate is not None:
            runtime.stay_of = partial(stay_of, options.gate, runtime.clock)

    return furnish


def settings_shown(settings: Settings) -> dict[str, object]:
    """Return the settings in force by their names; of secrets whether they are set."""
    told = {row.name: _shown(getattr(settings, row.attribute), row.shown) for row in TABLE}
    names = [settings.environment, *(each.name for each in settings.environments)]
    return {"settings": told, "environments": names}


def _shown(value: object, how: str) -> object:
    if how not in {PLAIN, LOCATION}:
        return "(set)" if value else ""
    if isinstance(value, tuple):
        return [_shown(each, how) for each in value]
    if isinstance(value, str) and how == LOCATION:
        return host_only(value)
    return value if isinstance(value, str | int | float | None) else str(value)


def refresh(environments: Environments, may: May) -> dict[str, object]:
    """Ask the sources of all that are listed, as far as one *may*; takes as long as they do."""
    return {each.name: _refreshed(each) for each in _those(environments, may)}


def covered(environments: Environments, may: May) -> frozenset[str]:
    """Return the names of those listed environments that one *may* ask."""
    return frozenset(each.name for each in _those(environments, may))


def _those(environments: Environments, may: May) -> list[Environment]:
    listed = (environments.default, *environments.listed)
    return [each for each in listed if may(each.name, each.keys)]


def _refreshed(environment: Environment) -> dict[str, object]:
    before = environment.edition
    environment.insist(None)
    environment.refresh()
    edition = environment.edition
    return {
        "revision": None if edition is None else edition.ruleset.revision,
        "changed": edition is not before,
        "trouble": environment.freshness.trouble,
    }


def refresh_soon(environments: Environments) -> None:
    """Have the threads that keep them fresh ask all sources in a moment. Doesn't wait."""
    for environment in environments:
        environment.insist(None)
        environment.expire()
