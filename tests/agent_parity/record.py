"""Hold conversations with an implementation; keep what it answered and what it sent.

An answer: {"status", "headers" (sorted, lower case, no date), "body" | "body_b64"}, or {"dropped": why}.
With each conversation: the events of its account, one per visitor, and the calls of ODP, which came until it
was quiet. Conversations of one account are held in the order in which they stand; accounts side by side.
"""

from __future__ import annotations

import copy
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from .ask import Streaming, ask

#: Where Agent's other listeners are, counted from the port of its API.
OFFSETS = {"admin": 8, "webhook": 9}
#: So many looks that find nothing new end a conversation.
CALM = 2
LONGEST_S = 3.0


class Gone(Exception):
    """An implementation ended; the message says before which conversation."""


def record(conversations, bases, stubs, *, jobs=24, settle_s=0.25, progress=True):
    """Return what was told, by the conversations' ids.

    Args:
        conversations: those of an agent that *bases* doesn't name are left out.
        bases: {"open": "http://127.0.0.1:8080", …}
        stubs: what the implementation talks to.
        settle_s: between two looks for events.

    Raises:
        Gone: it doesn't answer /health any more.
    """
    places = {name: urlsplit(url) for name, url in bases.items()}
    # The same account at two agents would mix its events: one after the other.
    accounts = defaultdict(list)
    for each in sorted(conversations, key=lambda each: each["agent"]):
        if each["agent"] in places:
            accounts[each["account"]].append(each)
    told = {}

    def hold_all(found):
        for each in found:
            told[each["id"]] = hold(each, places[each["agent"]], stubs, settle_s)
            if progress and len(told) % 100 == 0:
                print(f"\r{len(told)}", end="", file=sys.stderr, flush=True)  # noqa: T201

    for key in sorted({(e["agent"], e["key"]) for e in conversations if e["agent"] in places}):
        _warm(places[key[0]], key[1])
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(hold_all, sorted(accounts.values(), key=len, reverse=True)))
    return told


def _warm(place, key):
    """Let it fetch a key's datafile: ours opens eight that nobody listed at once, and refuses a ninth."""
    headers = [["X-Optimizely-SDK-Key", key]]
    ask(place.hostname, place.port, {"method": "GET", "path": "/v1/datafile", "headers": headers})


def hold(conversation, place, stubs, settle_s):
    """Hold one conversation."""
    host, port = place.hostname, place.port
    starts = {kind: len(stubs.kept[kind]) for kind in ("events", "odp")}
    answers, streams = [], []
    if "dropped" in ask(host, port, {"method": "GET", "path": "/health"}):
        raise Gone(f"{place.geturl()} before {conversation['id']}")
    for step in conversation["steps"]:
        at = port + OFFSETS.get(step.get("listener"), 0)
        if step.get("stream"):
            streams.append((len(answers), Streaming(host, at, step)))
            answers.append({})
        else:
            answers.append(ask(host, at, step))
    for number, stream in streams:
        answers[number] = stream.wait()
    if conversation.get("quiet"):
        return {"id": conversation["id"], "answers": answers, "events": [], "odp": []}
    events = _until_quiet(stubs, conversation["account"], starts["events"], settle_s)
    odp = [
        {name: value for name, value in each.items() if name not in ("at", "key")}
        for each in stubs.since("odp", starts["odp"])
        if each["key"] == f"pub-{conversation['key']}"
    ]
    return {"id": conversation["id"], "answers": answers, "events": flat(events), "odp": odp}


def _until_quiet(stubs, account, start, settle_s):
    found, calm, deadline = [], 0, time.monotonic() + LONGEST_S
    while calm < CALM and time.monotonic() < deadline:
        time.sleep(settle_s)
        now = [e for e in stubs.since("events", start) if e["body"].get("account_id") == account]
        calm = calm + 1 if len(now) == len(found) else 0
        found = now
    return found


def flat(bodies):
    """One entry per visitor: the head of its batch, and the visitor without ids and times."""
    entries = []
    for each in copy.deepcopy(bodies):
        visitors = each["body"].pop("visitors", ())
        for visitor in visitors:
            for snapshot in visitor.get("snapshots", ()):
                for event in snapshot.get("events", ()):
                    event |= {n: f"<{n}>" for n in ("uuid", "timestamp") if n in event}
            entries.append({"head": each["body"], "visitor": visitor})
    return entries
