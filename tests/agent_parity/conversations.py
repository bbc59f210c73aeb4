"""The list of conversations: what is drawn for each datafile, and what is written out by hand."""

from __future__ import annotations

import json

from .conversation import Conversations
from .draw import Drawn
from .written import batches, bodies, decisions, doors, streams, tokens

#: Whose decisions and conversions the streams of notifications listen for.
STREAMED = "lab02"


def conversations(datafiles, per_key, seed):
    """Return all of them.

    Args:
        datafiles: by SDK key; those that begin with ``raw`` are only for being refused.
        per_key: 1 draws some 40 conversations per datafile.
        seed: the same gives the same list.
    """
    talk = Conversations()
    for key in sorted(datafiles):
        if not key.startswith("raw"):
            Drawn(talk, key, datafiles[key], seed, per_key).everything()
    for each in (doors, bodies, decisions, tokens, batches):
        each.written(talk)
    streams.streams(talk, datafiles[STREAMED])
    streams.webhooks(talk)
    return talk.found


def read_datafiles(directory):
    """Read directory/KEY.json back."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))}
