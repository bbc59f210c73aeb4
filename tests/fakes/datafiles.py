"""The demonstration datafile under another account, so that its events may be sent somewhere."""

from __future__ import annotations

import copy
import json
from pathlib import Path

from bucketer.demo import PATH


def a_datafile(**changes: object) -> dict[str, object]:
    """The demonstration with another account, and with *changes* to its top-level fields."""
    datafile = json.loads(Path(PATH).read_text())
    return {**datafile, "accountId": "81", "projectId": "11", "sdkKey": "not-a-key", **changes}


def experiments_of(datafile: dict[str, object]) -> list[dict[str, object]]:
    """All its experiments, those in groups too; they may be changed in place."""
    grouped = [each for group in datafile["groups"] for each in group["experiments"]]
    return [*datafile["experiments"], *grouped]


def write_datafile(path: Path, **changes: object) -> Path:
    """Write it to *path*."""
    path.write_text(json.dumps(a_datafile(**changes)))
    return path


def without_experiments(datafile):
    """A copy in which flags are only delivered, by their rollouts."""
    datafile = copy.deepcopy(datafile)
    datafile |= {"experiments": [], "groups": []}
    for flag in datafile["featureFlags"]:
        flag["experimentIds"] = []
    return datafile
