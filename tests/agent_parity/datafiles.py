"""The datafiles of a run: the demonstration's, and generated ones made to fit Agent's types.

The account tells whose an event is. Every third has ODP, at the stub: the CDN stub puts its own address in
place of @ODP@.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

from tests.parity.datafiles import generate

from .conversation import DEMO, DEMO_ACCOUNT, ODP, ODP_ACCOUNT
from .plain import plain
from .tidy import sound, tidy

ROOT = Path(__file__).parents[2]
#: So many are also there as they were generated; Agent refuses each of these whole.
UNTIDIED = 5
#: Of so many one has variables whose values are none of their type, which make an answer an error.
SOUND = 6


def datafiles(count, seed):
    """Return {SDK key: datafile}; the same seed gives the same ones."""
    demonstration = json.loads((ROOT / "src/bucketer/demo/datafile.json").read_bytes())
    odp = {"key": "odp", "host": "@ODP@", "publicKey": f"pub-{ODP}"}
    # Another account: events of the demonstration itself go nowhere.
    demonstration |= {"accountId": DEMO_ACCOUNT, "projectId": "90000000001"}
    found = {
        DEMO: demonstration,
        ODP: demonstration | {"accountId": ODP_ACCOUNT, "sdkKey": ODP, "integrations": [odp]},
    }
    for number in range(count):
        key = f"lab{number:02}"
        made = generate(f"{seed}/{number}").datafile
        made |= {"accountId": f"91{number:04}", "sdkKey": key}
        made.setdefault("environmentKey", "lab")
        made.pop("integrations", None)
        if number % 3 == 0:
            made["integrations"] = [odp | {"publicKey": f"pub-{key}"}]
        found[key] = plain(tidy(copy.deepcopy(made)))
        if number % SOUND:
            sound(found[key])
        if number < UNTIDIED:
            raw = f"raw{number:02}"
            found[raw] = made | {"accountId": f"92{number:04}", "sdkKey": raw}
            if "integrations" in made:
                found[raw]["integrations"] = [odp | {"publicKey": f"pub-{raw}"}]
    return found


def write(directory, count, seed):
    """Write them as directory/KEY.json."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.json"):
        old.unlink()
    for key, datafile in datafiles(count, seed).items():
        (directory / f"{key}.json").write_text(json.dumps(datafile))
