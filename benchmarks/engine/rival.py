"""optimizely-sdk as the benchmarks use it: silent, and nothing leaves the process."""

from __future__ import annotations

import logging
from typing import Any

from optimizely.event.event_factory import EventFactory
from optimizely.logger import NoOpLogger
from optimizely.optimizely import Optimizely


class Nowhere:
    """An event processor that takes the event and drops it."""

    def process(self, event: object) -> None:
        """Do nothing with *event*."""


class Renderer:
    """An event processor that makes the request's parameters, and keeps the last ones."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def process(self, event: object) -> None:
        """Make what the SDK's dispatcher would send."""
        self.params = EventFactory.create_log_event(event, None).params


def client(datafile: str, events: object | None = None, *, log_level: int | None = None) -> Any:
    """Make a client of the SDK.

    Its own silent logger still hands each warning to the root logger; that is switched off, in
    the SDK's favour. What is left is making the record of the one warning that `get_variation`
    logs per call; *log_level* above CRITICAL spares it that too.
    """
    logger = NoOpLogger()
    logger.logger.propagate = False
    logger.logger.setLevel(logging.NOTSET if log_level is None else log_level)
    return Optimizely(datafile, event_processor=events or Nowhere(), logger=logger)
