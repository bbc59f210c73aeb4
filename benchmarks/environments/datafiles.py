"""Datafiles of some 20 KB, each with flags, audiences and a key of its own."""

from __future__ import annotations

import json

from benchmarks.engine.projects import as_bytes, project

_FLAGS = 4


def key_of(number: int) -> str:
    """Return the SDK key of environment *number*."""
    return f"Environment{number:05}"


def datafile_of(number: int) -> bytes:
    """Return the datafile of environment *number*."""
    made = project(_FLAGS, seed=number)
    asked = json.dumps([made["experiments"], made["groups"], made["rollouts"]])
    for name in ("audiences", "typedAudiences"):
        made[name] = [each for each in made[name] if f'"{each["id"]}"' in asked]
    return as_bytes(made | {"sdkKey": key_of(number), "projectId": f"{number}", "revision": "7"})
