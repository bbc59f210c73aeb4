"""Two recordings of the same conversations in, their differences out: the explained ones apart.

Answers are compared one by one. Events are compared by account over the whole run, since one may arrive when
its conversation is over.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest

from . import level
from .explained import EXPLAINED


@dataclass(frozen=True)
class Difference:
    """One part of one answer, or one event that only one of them sent.

    Attributes:
        where: a conversation's id and the number of its step, or an account.
        part: status, body, headers, events, odp.
        agents: what Agent says; None where only ours sent it.
        ours: what we say; None where only Agent sent it.
        step: what was asked.
        setting: which of the four Agents.
    """

    where: str
    part: str
    agents: object
    ours: object
    step: dict | None = None
    setting: str = ""

    @property
    def kind(self):
        """The kind of its conversation."""
        return "sent" if self.part in ("events", "odp") else self.where.rpartition("-")[0]


def compare(conversations, agents, ours):
    """Return all differences of what *agents* and *ours* told, by conversation id."""
    found = []
    for each in conversations:
        name = each["id"]
        if name in agents and name in ours:
            found += _of_answers(each, agents[name]["answers"], ours[name]["answers"])
    held = [each for each in conversations if each["id"] in agents and each["id"] in ours]
    for part, one, by in (("events", level.event, "account"), ("odp", level.odp, "key")):
        found += _of_sent(held, agents, ours, part, one, by)
    return found


def _of_answers(conversation, agents, ours):
    for number, (step, left, right) in enumerate(
        zip(conversation["steps"], agents, ours, strict=True)
    ):
        one, other = level.answer(left), level.answer(right)
        for part in one:
            if one[part] != other[part]:
                where = f"{conversation['id']} {number}"
                yield Difference(where, part, one[part], other[part], step, conversation["agent"])


def _of_sent(conversations, agents, ours, part, one, by):
    sent = {}
    for each in conversations:
        mine = sent.setdefault(each[by], (Counter(), Counter()))
        for counter, told in zip(mine, (agents, ours), strict=True):
            counter.update(one(entry) for entry in told[each["id"]].get(part, ()))
    for group, (left, right) in sent.items():
        by_visitor = {}
        for place, texts in enumerate(((left - right).elements(), (right - left).elements())):
            for text in texts:
                by_visitor.setdefault(_visitor(text), ([], []))[place].append(json.loads(text))
        for visitor, (missing, more) in by_visitor.items():
            where = f"{group} {visitor}"
            for one_of_each in zip_longest(missing, more):
                yield Difference(where, part, *one_of_each)


def _visitor(text):
    return json.loads(text).get("visitor", {}).get("visitor_id", "")


def explain(differences):
    """Sort *differences*: {the reason: [those that it explains]}, None for those that nothing does."""
    found = {}
    for each in differences:
        reason = next((name for name, holds in EXPLAINED.items() if holds(each)), None)
        found.setdefault(reason, []).append(each)
    return found
