"""The scenarios of OpenFeature's provider conformance suite: where they are, and which of them we ask.

They are OpenFeature's, a draft that moves, and not in this repository (docs/decisions/0149): whoever
asks them puts them into `build/openfeature-tck`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "openfeature-tck"
SOURCE = "open-feature/spec, pull request 423, specification/assets/provider-tck/gherkin"

#: What the Python client can do, by the suite's words; scenarios that need more are not asked.
DECLARED = {
    "object",
    "variants",
    "targeting",
    "disabled-flags",
    "standard-reasons",
    "large-integers",
    "numeric-coercion",
    "string-typing",
    "fully-typed-values",
}
#: What it can't, so that the suite may not ask for it.
NOT_DECLARED = {
    "events": "it has no events: it asks when it is asked, and keeps nothing",
    "configuration-change": "it has no events",
    "stale": "it keeps nothing that could become stale",
    "lifecycle": "it doesn't ask the service when it starts",
    "unavailable": "it doesn't ask the service when it starts",
    "reinitialization": "it doesn't ask the service when it starts",
}


def digest():
    """Return the SHA-256 of what the scenarios say, whatever they are commented with."""
    told = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.feature")):
        lines = (line.strip() for line in path.read_text("utf-8").splitlines())
        said = [line for line in lines if line and not line.startswith("#")]
        told.update("\n".join([path.name, *said, ""]).encode())
    return told.hexdigest()
