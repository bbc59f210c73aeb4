"""A runtime with one environment, put together as wiring would, from sources that a test made."""

from __future__ import annotations

import time

from bucketer.api.options import ApiOptions
from bucketer.api.routes import Handler
from bucketer.clock import SteadyClock
from bucketer.core import decide
from bucketer.runtime.environment import Environment
from bucketer.runtime.environments import Environments
from bucketer.runtime.runtime import Runtime

_OF_AN_ENVIRONMENT = frozenset(
    {"compile_raw", "has_news", "older_after_s", "name", "keys", "engine", "packs"}
)


def an_environment(
    *sources, clock=time.time, monotonic=time.monotonic, options=None, engine=decide, **wiring
):
    """An environment over *sources*, nothing of which is fetched yet."""
    options = options or ApiOptions()
    environment = Environment(
        sources,
        lambda edition, its: Handler(edition, options, engine, its.keys),
        clock=clock,
        steady=SteadyClock(clock, monotonic),
        **wiring,
    )
    options.freshness = environment.freshness.to_json
    return environment


def a_runtime(*sources, clock=time.time, monotonic=time.monotonic, options=None, **wiring):
    """A runtime whose only environment is over *sources*."""
    its = {name: wiring.pop(name) for name in _OF_AN_ENVIRONMENT & wiring.keys()}
    environment = an_environment(*sources, clock=clock, monotonic=monotonic, options=options, **its)
    return Runtime(Environments(environment), clock=clock, monotonic=monotonic, **wiring)
