"""Hold conversations with an implementation; keep what it answered and what it sent.

An answer: {"status", "headers" (sorted, lower case, no date), "body" | "body_b64"}, or {"dropped": why}.
With each conversation: the events of its account, one per visitor, and the calls of ODP, that came since the
one before it. Conversations of one account are held in the order in which they stand; accounts side by side.
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
#: After the last conversation: what is sent late.
LATE_S = 4.0


class Gone(Exception):
    """An implementation ended; the message says before which conversation."""


def record(conversations, bases, stubs, *, jobs=24, settle_s=0.02, progress=True, listeners=True):
    """Return what was told, by the conversations' ids.

    Args:
        conversations: those of an agent that *bases* doesn't name are left out.
        bases: {"open": "http://127.0.0.1:8080", …}
        stubs: what the implementation talks to.
        settle_s: after a conversation, before it is looked at what was sent.
        listeners: they have those for webhooks and admins; else what goes there is dropped.

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
        seen = {"events": 0, "odp": 0}
        for each in found:
            told[each["id"]] = hold(each, places[each["agent"]], listeners=listeners)
            if not each.get("quiet"):
                time.sleep(settle_s)
            told[each["id"]] |= _sent(stubs, each, seen)
            if progress and len(told) % 100 == 0:
                print(f"\r{len(told)}", end="", file=sys.stderr, flush=True)  # noqa: T201
        return found[-1], seen

    for name, key in sorted(
        {(e["agent"], e["key"]) for e in conversations if e["agent"] in places}
    ):
        _warm(places[name], key)
    with ThreadPoolExecutor(jobs) as pool:
        last = list(pool.map(hold_all, sorted(accounts.values(), key=len, reverse=True)))
    time.sleep(LATE_S)
    for conversation, seen in last:
        late = _sent(stubs, conversation, seen)
        for part, more in late.items():
            told[conversation["id"]][part] += more
    return told


def _warm(place, key):
    """Let it fetch a key's datafile: ours opens eight that nobody listed at once, and refuses a ninth."""
    headers = [["X-Optimizely-SDK-Key", key]]
    ask(place.hostname, place.port, {"method": "GET", "path": "/v1/datafile", "headers": headers})


def hold(conversation, place, *, listeners=True):
    """Hold one conversation; return its answers."""
    host, port = place.hostname, place.port
    answers, streams = [], []
    if "dropped" in ask(host, port, {"method": "GET", "path": "/health"}):
        raise Gone(f"{place.geturl()} before {conversation['id']}")
    for step in conversation["steps"]:
        at = port + OFFSETS.get(step.get("listener"), 0)
        if step.get("listener") and not listeners:
            answers.append({"dropped": "NoListener"})
        elif step.get("stream"):
            streams.append((len(answers), Streaming(host, at, step)))
            answers.append({})
        else:
            answers.append(ask(host, at, step))
    for number, stream in streams:
        answers[number] = stream.wait()
    return {"id": conversation["id"], "answers": answers}


def _sent(stubs, conversation, seen):
    """What the account sent since it was last looked at."""
    events, odp = (stubs.since(kind, seen[kind]) for kind in ("events", "odp"))
    seen["events"] += len(events)
    seen["odp"] += len(odp)
    account, key = conversation["account"], f"pub-{conversation['key']}"
    return {
        "events": flat(e for e in events if e["body"].get("account_id") == account),
        "odp": [
            {name: value for name, value in each.items() if name not in ("at", "key")}
            for each in odp
            if each["key"] == key
        ],
    }


def flat(bodies):
    """One entry per visitor: the head of its batch, and the visitor without ids and times."""
    entries = []
    for each in copy.deepcopy(list(bodies)):
        visitors = each["body"].pop("visitors", ())
        for visitor in visitors:
            for snapshot in visitor.get("snapshots", ()):
                for event in snapshot.get("events", ()):
                    event |= {n: f"<{n}>" for n in ("uuid", "timestamp") if n in event}
            entries.append({"head": each["body"], "visitor": visitor})
    return entries
