"""Five hundred conversations that a real Agent had, again: through the handler, events through the outbox.

Recorded of optimizely/agent 471fdcd (4.4.0). What differs on purpose is none of them.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from bucketer.api.http import Request, one_value_each
from bucketer.wiring import build

from . import level
from .ours import SETTINGS, settings
from .record import flat
from .stubs import Stubs
from .vectors import read

AGENTS = ("open", "profiles", "bare")


@pytest.fixture(scope="module")
def kept():
    return read()


@contextmanager
def _runtimes(stubs, directory):
    runtimes = {}
    for name in AGENTS:
        state = directory / name
        state.mkdir()
        assert name in SETTINGS
        runtimes[name] = build(environ={**settings(name, stubs.url, state)})
    try:
        yield runtimes
    finally:
        for each in runtimes.values():
            each.close()


def _ask(runtime, step):
    headers = one_value_each((name, value.strip()) for name, value in step.get("headers", ()))
    body = (step.get("body") or "").encode("utf-8", "surrogatepass")
    path = quote(step["path"], safe="/%:@")
    request = Request(step["method"], path, step.get("query") or "", headers, body, request_id="r")
    response = runtime.serve(request)
    names = {name.lower(): value for name, value in response.headers}
    told = {"status": response.status, "body": response.body.decode("utf-8", "replace")}
    return told, names


@pytest.fixture(scope="module")
def told(kept, tmp_path_factory):
    """What is said to each conversation, and what was sent: ({id: [(told, headers)]}, [event body])."""
    directory = tmp_path_factory.mktemp("vectors")
    (directory / "datafiles").mkdir()
    for key, datafile in kept["datafiles"].items():
        (directory / "datafiles" / f"{key}.json").write_text(json.dumps(datafile))
    with Stubs(directory / "datafiles") as stubs:
        stubs.begin()
        with _runtimes(stubs, directory) as runtimes:
            said = {
                each["id"]: [_ask(runtimes[each["agent"]], step) for step in each["steps"]]
                for each in kept["conversations"]
            }
        stubs.shutdown()
        return said, stubs.since("events", 0)


def test_there_are_five_hundred_of_every_kind(kept):
    kinds = {each["id"].rpartition("-")[0] for each in kept["conversations"]}

    assert len(kept["conversations"]) >= 500
    assert kinds >= {"decide", "activate", "track", "override", "profiles", "bad-bodies"}


def test_status_and_body_are_what_agent_said(kept, told):
    said, _ = told
    wrong = []
    for each in kept["conversations"]:
        agents = kept["agent"][each["id"]]["answers"]
        for number, (expected, (answer, headers)) in enumerate(
            zip(agents, said[each["id"]], strict=True)
        ):
            names = dict(expected["headers"])
            same = (
                expected["status"] == answer["status"]
                and level.body(expected) == level.body(answer)
                and names.get("content-type") == headers.get("content-type")
            )
            if not same:
                wrong.append((each["id"], number, expected, answer))

    assert wrong == []


def test_events_are_what_agent_sent(kept, told):
    """But for two: with an answer that is an error, Agent sends what was decided before it; a flag that is
    named twice is sent twice. Bucketer sends nothing, and once."""
    _, bodies = told
    entries, in_error = [], set()
    for each in kept["conversations"]:
        agents = kept["agent"][each["id"]]
        entries += agents["events"]
        named = [part for step in each["steps"] for part in (step.get("query") or "").split("&")]
        twice = len(each["steps"]) == 1 and len(named) != len(set(named))
        if twice or any(answer["status"] != 200 for answer in agents["answers"]):
            in_error |= {_visitor(entry) for entry in agents["events"]}
    agents = Counter(level.event(e) for e in entries if _visitor(e) not in in_error)
    ours = Counter(level.event(e) for e in flat(bodies) if _visitor(e) not in in_error)

    assert sum(agents.values()) > 300
    assert list((agents - ours).elements()) == []
    assert list((ours - agents).elements()) == []


def _visitor(entry):
    return entry["head"]["account_id"], entry["visitor"]["visitor_id"]
