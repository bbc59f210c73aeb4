"""Five hundred conversations that a real Agent had, again: through the handler, events through the outbox.

Recorded of optimizely/agent 471fdcd (4.4.0). What differs on purpose is none of them.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

import pytest
from tests.fakes.waiting import wait_until

from bucketer.api.http import Request, one_value_each
from bucketer.wiring import build

from . import level
from .differences import compare
from .explained_answers import conversion_told
from .ours import SETTINGS, four, settings
from .record import flat, hold
from .stubs import Stubs
from .vectors import read

AGENTS = ("open", "profiles", "closed", "bare")
#: What comes below each of these; of all routes of Agent's API.
ROUTES = {
    "/v1/config", "/v1/datafile", "/v1/decide", "/v1/activate", "/v1/track", "/v1/override",
    "/v1/lookup", "/v1/save", "/v1/reset", "/v1/send-odp-event", "/v1/batch",
    "/v1/notifications/event-stream", "/oauth/token",
}  # fmt: skip


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
    """What is said to each conversation, what streams tell, and what was sent.

    ({id: [(told, headers)]}, {id: as `hold` returns it}, [event body])
    """
    directory = tmp_path_factory.mktemp("vectors")
    (directory / "datafiles").mkdir()
    for key, datafile in kept["datafiles"].items():
        (directory / "datafiles" / f"{key}.json").write_text(json.dumps(datafile))
    listen, ask = [], []
    for each in kept["conversations"]:
        (listen if _listens(each) else ask).append(each)
    with Stubs(directory / "datafiles") as stubs:
        stubs.begin()
        with four(stubs.url, directory / "served", ("profiles",)) as bases:
            place = urlsplit(bases["profiles"])
            heard = {each["id"]: hold(each, place) for each in listen}
            wait_until(lambda: _is_delivered(_health(bases["profiles"])), 60)
        with _runtimes(stubs, directory) as runtimes:
            said = {
                each["id"]: [_ask(runtimes[each["agent"]], step) for step in each["steps"]]
                for each in ask
            }
            for each in runtimes.values():
                wait_until(lambda each=each: _is_delivered(_told_by(each)), 60)
        stubs.shutdown()
        return said, heard, stubs.since("events", 0)


def _health(base):
    with urlopen(f"{base}/health", timeout=10) as answer:
        return json.load(answer)


def _told_by(runtime):
    return json.loads(runtime.serve(Request("GET", "/health", "", {}, b"", request_id="r")).body)


def _is_delivered(health):
    events = health.get("events", {"accepted": 0, "sent": 0})
    return events["accepted"] == events["sent"]


def _listens(conversation):
    """Whether it has a stream, which only a server has."""
    return any("stream" in step for step in conversation["steps"])


def test_there_are_five_hundred_of_every_kind(kept):
    kinds = {each["id"].rpartition("-")[0] for each in kept["conversations"]}

    assert len(kept["conversations"]) >= 500
    assert kinds >= {"decide", "activate", "track", "override", "profiles", "bad-bodies"}
    assert kinds >= {"batch", "tokens", "authorization", "streams"}


def test_each_route_of_agents_has_its_share(kept):
    asked = Counter(step["path"] for each in kept["conversations"] for step in each["steps"])

    assert {path for path in ROUTES if asked[path] < 6} == set()


def test_status_and_body_are_what_agent_said(kept, told):
    said, _, _ = told
    wrong = []
    for each in kept["conversations"]:
        if each["id"] not in said:
            continue
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


def test_streams_tell_what_agents_told(kept, told):
    """But a conversion's own attributes."""
    _, heard, _ = told
    streams = [each for each in kept["conversations"] if each["id"] in heard]
    found = compare(streams, {each["id"]: kept["agent"][each["id"]] for each in streams}, heard)

    assert len(streams) >= 4
    assert [e for e in found if e.part in ("status", "body") and not conversion_told(e)] == []


def test_events_are_what_agent_sent(kept, told):
    """But for two: with an answer that is an error, Agent sends what was decided before it; a flag that is
    named twice is sent twice. Bucketer sends nothing, and once."""
    _, _, bodies = told
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
