"""A remote decision service for Optimizely Feature Experimentation.

One Optimizely datafile in; for each request, the variation that every Optimizely SDK would give.
The names below are the library; each is imported when it is first asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.core.bandit import PredictionNeeded
    from bucketer.core.compile import compile_datafile
    from bucketer.core.decide import activate, decide, decide_all, decide_for_keys, get_variation
    from bucketer.core.errors import BucketerError
    from bucketer.core.parse import parse_datafile
    from bucketer.core.user import User

__version__ = "0.1.0"

__all__ = [
    "BucketerError",
    "PredictionNeeded",
    "User",
    "activate",
    "compile_datafile",
    "decide",
    "decide_all",
    "decide_for_keys",
    "get_variation",
    "parse_datafile",
]

_HOMES = {
    "BucketerError": "errors",
    "PredictionNeeded": "bandit",
    "User": "user",
    "compile_datafile": "compile",
    "parse_datafile": "parse",
}


def __getattr__(name: str) -> object:
    """Find one of `__all__`: a command or a door that doesn't need the core doesn't load it."""
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    found: object = getattr(import_module(f"{__name__}.core.{_HOMES.get(name, 'decide')}"), name)
    return found
