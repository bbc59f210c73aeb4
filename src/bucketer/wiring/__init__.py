"""Environment in, `Runtime` out: the one place that knows every part.

What a cold start of Lambda doesn't use is imported where it is needed.
"""

from .build import build, check
from .datafiles import build_source, build_sources
from .events import build_outbox, build_transport, events_sink, works_after_responses
from .http import api_options, engine_of
from .modes import COMMAND, LAMBDA, SERVER
from .users import open_predictor

__all__ = [
    "COMMAND",
    "LAMBDA",
    "SERVER",
    "api_options",
    "build",
    "build_outbox",
    "build_source",
    "build_sources",
    "build_transport",
    "check",
    "engine_of",
    "events_sink",
    "open_predictor",
    "works_after_responses",
]
