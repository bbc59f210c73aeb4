"""Live beside a real Agent, where there is one; and the harness itself, which must see what differs."""

from __future__ import annotations

import os

import pytest

from .conversations import conversations
from .datafiles import datafiles
from .differences import compare, explain
from .ours import four
from .record import record
from .stubs import Stubs

#: ``open=http://127.0.0.1:8080 profiles=http://…``: Agents with an empty memory, and the port of the stubs
#: that they were told of.
AGENTS, STUBS_PORT = "AGENT_PARITY_URLS", "AGENT_PARITY_STUBS_PORT"


@pytest.mark.slow
@pytest.mark.skipif(
    AGENTS not in os.environ,
    reason=f"no Optimizely Agent: {AGENTS} names none (see tests/agent_parity/__main__.py)",
)
def test_a_real_agent_and_bucketer_say_the_same_and_send_the_same(tmp_path):
    from .datafiles import write

    agents = dict(each.split("=", 1) for each in os.environ[AGENTS].split())
    write(tmp_path / "datafiles", 10, "live")
    found = conversations(datafiles(10, "live"), 1, "live")
    with Stubs(tmp_path / "datafiles", int(os.environ[STUBS_PORT])) as stubs:
        stubs.begin()
        theirs = record(found, agents, stubs, progress=False)
    with Stubs(tmp_path / "datafiles") as stubs:
        stubs.begin()
        with four(stubs.url, tmp_path / "ours", agents) as bases:
            ours = record(found, bases, stubs, progress=False)

    assert explain(compare(found, theirs, ours)).get(None, []) == []


def _conversation(name="decide-00001"):
    return {"id": name, "agent": "open", "key": "k", "account": "1", "steps": [{"path": "/v1/x"}]}


def _told(body, events=(), more=()):
    answer = {"status": 200, "headers": [["content-type", "x"]], "body": body}
    answer |= dict(more)
    return {"answers": [answer], "events": list(events)}


def _event(visitor):
    attributes = [{"key": "b"}, {"key": "a"}]
    return {
        "head": {"account_id": "1"},
        "visitor": {"visitor_id": visitor, "attributes": attributes},
    }


def _parts(one, other):
    names = sorted(one)
    found = compare([_conversation(name) for name in names], one, other)
    return [each.part for each in found]


def test_what_comes_from_a_map_has_no_order_and_what_does_not_has_one():
    decisions = '[{"flagKey":"a","userContext":1},{"flagKey":"b","userContext":1}]'
    turned = '[{"flagKey":"b","userContext":1},{"flagKey":"a","userContext":1}]'

    assert _parts({"a-1": _told(decisions)}, {"a-1": _told(turned)}) == []
    assert _parts({"a-1": _told("[1,2]")}, {"a-1": _told("[2,1]")}) == ["body"]


@pytest.mark.parametrize(
    ("change", "part"),
    [({"status": 201}, "status"), ({"body": "{}"}, "body"), ({"headers": []}, "headers")],
)
def test_each_part_of_an_answer_is_compared(change, part):
    assert _parts({"a-1": _told("[]")}, {"a-1": _told("[]", more=change)}) == [part]


def test_an_event_that_comes_late_counts_for_its_account_and_one_that_is_missing_is_told():
    early = {"a-1": _told("[]", [_event("u")]), "a-2": _told("[]")}
    late = {"a-1": _told("[]"), "a-2": _told("[]", [_event("u")])}
    never = {"a-1": _told("[]"), "a-2": _told("[]")}

    assert _parts(early, late) == []
    assert _parts(early, never) == ["events"]
    assert _parts(never, late) == ["events"]


def test_the_same_seed_gives_the_same_conversations():
    found = datafiles(3, "again")

    assert conversations(found, 0.2, "again") == conversations(datafiles(3, "again"), 0.2, "again")
