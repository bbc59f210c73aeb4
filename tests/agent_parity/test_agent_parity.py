"""Live beside a real Agent, where there is one; and the harness itself, which must see what differs."""

from __future__ import annotations

import copy
import os

import pytest

from .conversations import conversations
from .datafiles import ROOT, datafiles
from .differences import compare, explain
from .explained import EXPLAINED
from .ours import four
from .record import record
from .stubs import Stubs
from .vectors import read

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
            ours = record(found, bases, stubs, progress=False, listeners=False)

    made = datafiles(10, "live")
    assert explain(compare(found, theirs, ours, made)).get(None, []) == []


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


@pytest.fixture(scope="module")
def kept():
    """What a real Agent told: conversations, its answers, the datafiles."""
    found = read()
    return found["conversations"], found["agent"], found["datafiles"]


def _unexplained(kept, ours):
    conversations, agents, datafiles_of = kept
    return explain(compare(conversations, agents, ours, datafiles_of)).get(None, [])


def _changed(kept, change):
    """All that Agent told, with each answer changed."""
    _, agents, _ = kept
    told = copy.deepcopy(agents)
    for each in told.values():
        for answer in each["answers"]:
            change(answer)
    return told


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("status", lambda answer: answer.update(status=502)),
        ("body", lambda answer: answer.update(body='{"error":"something else"}')),
        ("headers", lambda answer: answer["headers"].append(["location", "/elsewhere"])),
    ],
)
def test_an_answer_that_differs_without_a_reason_is_not_explained(kept, part, change):
    """Of a hundred conversations with a real Agent more than 96: the others ask what is answered apart."""
    open_ones = {
        e.talks[0].conversation["id"]
        for e in _unexplained(kept, _changed(kept, change))
        if e.part == part
    }

    assert len(open_ones) > 0.96 * len(kept[0])


def test_an_event_that_is_not_sent_is_not_explained_where_the_answer_is_none_of_an_error(kept):
    conversations, agents, _ = kept
    ours = {name: {**each, "events": []} for name, each in agents.items()}
    sound = [
        each["id"]
        for each in conversations
        if all(answer.get("status") == 200 for answer in agents[each["id"]]["answers"])
    ]
    lost = sum(len(agents[name]["events"]) for name in sound)
    open_ones = [e for e in _unexplained(kept, ours) if e.part == "events"]

    assert lost > 300
    assert len(open_ones) > 0.93 * lost


def test_another_variation_is_not_explained_for_users_whose_audiences_come_out_alike(kept):
    def other(answer):
        body = answer.get("body") or ""
        answer["body"] = body.replace('"variationKey":"', '"variationKey":"not-')

    decided = [
        each
        for each in kept[0]
        if '"variationKey":"' in str(kept[1][each["id"]]["answers"])
        and "listener" not in str(each["steps"])
    ]
    open_ones = {
        e.talks[0].conversation["id"]
        for e in _unexplained(kept, _changed(kept, other))
        if e.part == "body"
    }

    assert len(open_ones) > 0.96 * len(decided)


def test_each_reason_stands_in_the_docs():
    told = (ROOT / "docs/agent.md").read_text()

    assert [reason for reason in EXPLAINED if f"| {reason} |" not in told] == []
