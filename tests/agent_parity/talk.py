"""A conversation that both held, request by request; the operations of a batch are requests too."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl, urlencode, urlsplit

from . import level

#: What is told of an operation, and compared as an answer of its own.
_OF_AN_ANSWER = ("status", "body")


@dataclass(frozen=True)
class Asked:
    """One request with both answers.

    Attributes:
        where: a conversation's id, the number of its step, that of an operation.
        step: what was asked; see conversation.py.
        agents, ours: an answer, as it was recorded.
        number: of the step.
    """

    where: str
    step: dict
    agents: dict
    ours: dict
    number: int

    @property
    def path(self):
        """The path, as it was written."""
        return self.step["path"]

    @cached_property
    def query(self):
        """(name, value) of the query."""
        return parse_qsl(self.step.get("query") or "", keep_blank_values=True)

    def values(self, name):
        """All values of a parameter."""
        return [value for given, value in self.query if given == name]

    def header(self, name):
        """All values of a header, in lower case."""
        return [v for n, v in self.step.get("headers", ()) if n.lower() == name]

    @cached_property
    def body(self):
        """The object that was sent, or an empty one."""
        try:
            found = json.loads(self.step.get("body") or "{}")
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def user_id(self):
        """Whom it is about, or an empty text."""
        found = self.body.get("userId")
        return found if isinstance(found, str) else ""

    @property
    def statuses(self):
        """Agent's and ours; None for a dropped connection."""
        return self.agents.get("status"), self.ours.get("status")

    @cached_property
    def bodies(self):
        """Agent's and ours, levelled."""
        return level.body(self.agents), level.body(self.ours)

    @property
    def decides(self):
        """Whether it asks for decisions."""
        return self.path in ("/v1/decide", "/v1/activate")


@dataclass(frozen=True)
class Talk:
    """A conversation, the datafile that it is about, and what both told.

    Attributes:
        conversation: see conversation.py.
        datafile: of its key, or an empty one.
        asked: all requests, in their order.
    """

    conversation: dict
    datafile: dict
    asked: tuple[Asked, ...] = field(default=())

    @property
    def kind(self):
        """The kind of conversation."""
        return self.conversation["id"].rpartition("-")[0]


def talk_of(conversation, datafile, agents, ours):
    """Put a conversation together with what both told of it."""
    found = []
    steps = conversation["steps"]
    for number, (step, left, right) in enumerate(
        zip(steps, agents["answers"], ours["answers"], strict=True)
    ):
        where = f"{conversation['id']} {number}"
        inner = _operations(step, left, right)
        for index, (operation, one, other) in enumerate(inner):
            found.append(Asked(f"{where}/{index}", operation, one, other, number))
        frames = (_frame(left), _frame(right)) if inner else (left, right)
        found.append(Asked(where, step, *frames, number))
    return Talk(conversation, datafile, tuple(found))


def _operations(step, agents, ours):
    """(step, Agent's answer, ours) of each operation of a batch that both have answered."""
    if not step["path"].lower().endswith("/batch"):
        return []
    told = [_items(each) for each in (agents, ours)]
    operations = _body(step.get("body")).get("operations")
    if None in told or not isinstance(operations, list):
        return []
    if not len(told[0]) == len(told[1]) == len(operations):
        return []
    # Agent answers in the order in which they end.
    left, right = ({level.text_of(_name(e)): [] for e in items} for items in told)
    for items, by_name in zip(told, (left, right), strict=True):
        for item in items:
            by_name[level.text_of(_name(item))].append(item)
    if {name: len(items) for name, items in left.items()} != {n: len(i) for n, i in right.items()}:
        return []
    steps = {}
    for each in operations:
        steps.setdefault(level.text_of(_name(each or {})), []).append(_step(each or {}))
    if steps.keys() != left.keys():
        return []
    return [
        (asked, _answer(one), _answer(other))
        for name, all_steps in steps.items()
        for asked, one, other in zip(all_steps, left[name], right[name], strict=True)
    ]


def _body(text):
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _items(answer):
    items = _body(answer.get("body")).get("response")
    return items if isinstance(items, list) else None


def _name(each):
    return [each.get(name) or "" for name in ("operationID", "method", "url")]


def _step(operation):
    url = urlsplit(operation.get("url") or "") if "[" not in (operation.get("url") or "") else None
    params = operation.get("params") or {}
    query = "&".join(filter(None, (url.query if url else "", urlencode(params))))
    return {
        "method": operation.get("method") or "GET",
        "path": url.path if url else operation["url"],
        "query": query,
        "headers": [[n, v] for n, v in (operation.get("headers") or {}).items()],
        "body": json.dumps(operation.get("body")),
        "operation": True,
    }


def _answer(item):
    return {"status": item["status"], "body": json.dumps(item["body"])}


def _frame(answer):
    """A batch's answer without its operations' own answers, in the order of their names."""
    told = _body(answer.get("body"))
    items = [
        {name: value for name, value in each.items() if name not in _OF_AN_ANSWER}
        for each in told["response"]
    ]
    told["response"] = sorted(items, key=lambda each: level.text_of(_name(each)))
    told.pop("errorCount", None)  # which follows from them
    return {**answer, "body": json.dumps(told)}
