"""The official Python SDK inside granian (RSGI), answering as GET /bucketer does.

    PEER_DATAFILE=… PEER_EVENTS=off|on granian --interface rsgi granian_server:app

Both ways it activates, as GET /bucketer does. off: an event processor drops the events. on: the
SDK as its makers ship it, but with a dispatcher that does nothing, so that what an event costs
is only its making.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from optimizely.event.event_processor import BaseEventProcessor
from optimizely.logger import NoOpLogger
from optimizely.optimizely import Optimizely


class NoDispatch:
    """Takes a batch and does nothing."""

    @staticmethod
    def dispatch_event(_event: object) -> None:
        """Do nothing."""


class Drop(BaseEventProcessor):
    """Takes an event and drops it."""

    def process(self, _event: object) -> None:
        """Do nothing."""


def _optimizely(events: str) -> Optimizely:
    processor = Drop() if events == "off" else None
    datafile = Path(os.environ["PEER_DATAFILE"]).read_text(encoding="utf-8")
    return Optimizely(
        datafile, event_dispatcher=NoDispatch, logger=NoOpLogger(), event_processor=processor
    )


_client = _optimizely(os.environ["PEER_EVENTS"])
_HEADERS = [("content-type", "application/json"), ("cache-control", "no-store")]


def parse_attributes(text: str) -> dict[str, Any]:
    """Read ``tier:"platinum",member_since_days:56`` (no commas inside values here)."""
    attributes = {}
    for item in text.split(","):
        key, _, value = item.partition(":")
        attributes[key] = json.loads(value)
    return attributes


async def app(scope: Any, protocol: Any) -> None:
    """Answer one request."""
    if scope.path != "/bucketer":
        protocol.response_empty(404, [])
        return
    query = dict(parse_qsl(scope.query_string))
    experiment, user = query["e"], query["u"]
    variation = _client.activate(experiment, user, parse_attributes(query["a"]))
    answer = {"variation": variation, "user": user, "experiment": experiment}
    protocol.response_str(200, _HEADERS, json.dumps(answer))
