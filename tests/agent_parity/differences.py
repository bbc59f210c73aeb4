"""Two recordings of the same conversations in, their differences out: the explained ones apart.

Answers are compared one by one. Events are compared by account over the whole run, since one may arrive when
its conversation is over.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from . import level
from .explained import EXPLAINED
from .talk import talk_of


@dataclass(frozen=True)
class Difference:
    """One part of one answer, or one event that only one of them sent.

    Attributes:
        where: a conversation's id and the number of its step, or an account and a visitor.
        part: status, body, headers, events, odp.
        agents: what Agent says; None where only ours sent it.
        ours: what we say; None where only Agent sent it.
        asked: the request that was answered; None for what was sent.
        talks: the conversation; of what was sent, those that name the visitor.
    """

    where: str
    part: str
    agents: object
    ours: object
    asked: object = None
    talks: tuple = ()

    @property
    def kind(self):
        """The kind of its conversation."""
        return "sent" if self.part in ("events", "odp") else self.talks[0].kind


def compare(conversations, agents, ours, datafiles=None):
    """Return all differences of what *agents* and *ours* told, by conversation id.

    Args:
        datafiles: by SDK key; some explanations look into them.
    """
    datafiles = datafiles or {}
    held = [each for each in conversations if each["id"] in agents and each["id"] in ours]
    talks = [
        talk_of(each, datafiles.get(each["key"], {}), agents[each["id"]], ours[each["id"]])
        for each in held
    ]
    found = [each for talk in talks for each in _of_answers(talk)]
    for part, texts, by in (("events", level.events, "account"), ("odp", level.odp, "key")):
        found += _of_sent(talks, agents, ours, part, texts, by)
    return found


def _of_answers(talk):
    for asked in talk.asked:
        one, other = level.answer(asked.agents), level.answer(asked.ours)
        for part in one:
            if one[part] != other[part]:
                yield Difference(asked.where, part, one[part], other[part], asked, (talk,))


def _of_sent(talks, agents, ours, part, texts_of, by):
    sent, about = {}, {}
    for talk in talks:
        group = talk.conversation[by]
        mine = sent.setdefault(group, (Counter(), Counter()))
        for counter, told in zip(mine, (agents, ours), strict=True):
            counter.update(texts_of(told[talk.conversation["id"]].get(part, ())))
        for user_id in {asked.user_id for asked in talk.asked}:
            about.setdefault((group, level.level(user_id)), []).append(talk)
    for group, (left, right) in sent.items():
        for place, texts in enumerate(((left - right).elements(), (right - left).elements())):
            for text in texts:
                entry = json.loads(text)
                visitor = visitor_of(entry)
                both = (None, entry) if place else (entry, None)
                named = tuple(about.get((group, visitor), ()))
                yield Difference(f"{group} {visitor}", part, *both, talks=named)


def visitor_of(entry):
    """The user whom an event, of Optimizely or of ODP, is about."""
    if "visitor" in entry:
        return entry["visitor"].get("visitor_id", "")
    if "graphql" in entry:
        return str((entry["graphql"].get("variables") or {}).get("userId", ""))
    return str((entry["event"].get("identifiers") or {}).get("fs_user_id", ""))


def explain(differences):
    """Sort *differences*: {the reason: [those that it explains]}, None for those that nothing does."""
    found = {}
    for each in differences:
        reason = next((name for name, holds in EXPLAINED.items() if holds(each)), None)
        found.setdefault(reason, []).append(each)
    return found
