"""Where Agent and Bucketer differ on purpose: each reason, and which differences it explains.

docs/agent.md says the same for people.
"""

from __future__ import annotations

#: What Bucketer says of each answer beyond Agent's.
_OURS = frozenset(
    {
        "cache-control",
        "x-content-type-options",
        "access-control-allow-origin",
        "access-control-expose-headers",
    }
)
#: Agent says it everywhere below /v1; ours where an answer really differs by origin.
_THEIRS = frozenset({"vary"})


def _more_headers(each):
    if each.part != "headers":
        return False
    agents = [(name, value) for name, value in each.agents if name not in _THEIRS | _OURS]
    ours = [(name, value) for name, value in each.ours if name not in _THEIRS | _OURS]
    return agents == ours


def _key_of(each):
    found = [
        v for n, v in (each.step or {}).get("headers", ()) if n.lower() == "x-optimizely-sdk-key"
    ]
    return found[0] if len(found) == 1 else None


def _no_key_in_errors(each):
    if each.part != "body" or not isinstance(each.agents, dict) or not isinstance(each.ours, dict):
        return False
    said, ours = str(each.agents.get("error")), str(each.ours.get("error"))
    return said == f"{ours}: {_key_of(each)}" and ours.startswith("failed to instantiate")


def _of_untidied(each):
    return str(_key_of(each)).startswith("raw") and each.part != "events"


EXPLAINED = {
    "no-store, nosniff and CORS headers stand on every answer": _more_headers,
    "an SDK key is never repeated in an error": _no_key_in_errors,
    "a datafile that Agent refuses whole decides by what can be read of it": _of_untidied,
}
