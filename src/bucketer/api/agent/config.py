"""``GET /v1/config``: the OptimizelyConfig of the datafile that decides."""

from __future__ import annotations

from bucketer.core.optimizely_config import optimizely_config

from .described import described
from .go_json import Fields, go_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bucketer.api.http import Reply

    from .call import Call

#: What is a map of Go's, by the name of its field; everything else is a structure.
_MAPS = frozenset(("experimentsMap", "featuresMap", "variationsMap", "variablesMap"))


def answer(call: Call) -> Reply:
    """Show the OptimizelyConfig.

    Raises:
        DatafileNeeded: the shell must unpack the datafile first.
    """
    return described(call, "config", _config)


def _config(document: dict[str, Any]) -> object:
    return _structure(optimizely_config(document, go_json))


def _structure(value: Any) -> Any:
    """Return *value* with all its structures in their own order."""
    if isinstance(value, list):
        return [_structure(each) for each in value]
    if not isinstance(value, dict):
        return value
    return Fields(
        {
            name: {key: _structure(inner) for key, inner in each.items()}
            if name in _MAPS
            else _structure(each)
            for name, each in value.items()
        }
    )
