"""Some of the conversations with what the real Agent said, kept for those who have no Agent.

One file: {"datafiles": {SDK key: datafile}, "conversations": [conversation], "agent": {id: what it told}}.
The requests and the datafiles are ours.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

FILE = Path(__file__).parents[1] / "vectors/agent.json.gz"
#: How many of each kind; `choose` takes them evenly over the datafiles.
WANTED = {
    "decide": 190, "activate": 78, "track": 52, "override": 40, "profiles": 40, "batch": 40,
    "batches": 14, "bad-bodies": 20, "wrong-types": 25, "queries": 12, "keys": 14, "config": 8,
    "datafile": 8, "forced": 5, "users": 5, "overrides": 4, "content-types": 12, "segments": 8,
    "odp": 8, "resets": 4, "methods": 20, "no-datafile": 3, "tokens": 14, "authorization": 20,
    "streams": 10,
}  # fmt: skip
_LONGEST = 30_000


def choose(conversations, agents, differing, datafiles):
    """Return some conversations whose answers agree, all of the datafiles named."""
    found = []
    for kind, count in WANTED.items():
        candidates = [
            each
            for each in conversations
            if each["id"].rpartition("-")[0] == kind
            and each["id"] not in differing
            and each["key"] in datafiles
            and len(json.dumps(agents[each["id"]])) < _LONGEST
            and not any("listener" in step or step["method"] == "HEAD" for step in each["steps"])
        ]
        found += candidates[:: max(1, len(candidates) // count)][:count]
    return found


def write(conversations, agents, datafiles):
    """Write the file, the same bytes for the same vectors."""
    keys = {each["key"] for each in conversations}
    kept = {
        "datafiles": {key: datafiles[key] for key in sorted(keys)},
        "conversations": conversations,
        "agent": {each["id"]: _bare(agents[each["id"]]) for each in conversations},
    }
    raw = json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()
    FILE.write_bytes(gzip.compress(raw, 9, mtime=0))


def read():
    """Return what `write` wrote."""
    return json.loads(gzip.decompress(FILE.read_bytes()))


def _bare(told):
    """Answers without the headers that nobody compares."""
    answers = []
    for each in told["answers"]:
        headers = [[n, v] for n, v in each.get("headers", ()) if n in ("content-type", "allow")]
        answers.append({**each, "headers": headers})
    return {**told, "answers": answers}
