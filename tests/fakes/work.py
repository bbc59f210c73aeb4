"""Counts what code does, the same on every machine: lines, what C is handed, steps of a pattern.

Three counters, since none sees everything. What they don't see: an operator (`x in a_list`, `+=` on
text) is one line, however long its operands are.
"""

from __future__ import annotations

import re
import sys
from re import _constants as code
from re import _parser as parser

#: Methods that take no longer for a long receiver.
_CONSTANT = frozenset(
    [
        "add",
        "append",
        "clear",
        "discard",
        "extend",
        "get",
        "isdecimal",
        "items",
        "keys",
        "pop",
        "popleft",
        "setdefault",
        "update",
        "values",
        "startswith",
        "endswith",
        "removeprefix",
        "removesuffix",
        "__getitem__",
        "__contains__",
    ]
)
_SIZED = (str, bytes, bytearray, list, tuple, dict, set, frozenset)


def work_of(call):
    """How many lines of Python *call* executes, and how many items each C method is called on."""
    lines = handed = 0

    def trace(frame, event, arg):
        nonlocal lines
        del frame, arg
        lines += event == "line"
        return trace

    def profile(frame, event, arg):
        nonlocal handed
        del frame
        if event == "c_call":
            receiver = getattr(arg, "__self__", None)
            sized = isinstance(receiver, _SIZED) and arg.__name__ not in _CONSTANT
            handed += 1 + (len(receiver) if sized else 0)

    old = sys.gettrace(), sys.getprofile()
    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(old[1])
        sys.settrace(old[0])
    return lines + handed


class Pattern:
    """A pattern that is matched as `re` does, by backtracking, and counts characters looked at.

    It knows what our patterns are made of, and raises for anything else.
    """

    def __init__(self, pattern, flags=0):
        """Read *pattern* as `re` would."""
        self._parsed = list(parser.parse(pattern, flags))
        self._dotall = bool(flags & re.DOTALL)
        self.steps = 0

    def match(self, text, start=0):
        """The end of the match at *start*, or None."""
        return next(self._ends(self._parsed, 0, text, start), None)

    def spans(self, text):
        """As `finditer` finds them: where one attempt fails, the next begins a character later."""
        found, at = [], 0
        while at <= len(text):
            end = self.match(text, at)
            if end is not None:
                found.append((at, end))
            at = end if end is not None and end > at else at + 1
        return found

    def _ends(self, nodes, index, text, at):
        if index == len(nodes):
            yield at
            return
        for end in self._node(*nodes[index], text, at):
            yield from self._ends(nodes, index + 1, text, end)

    def _node(self, kind, what, text, at):
        self.steps += 1
        if kind in {code.LITERAL, code.NOT_LITERAL, code.IN, code.ANY}:
            if at < len(text) and self._takes(kind, what, text[at]):
                yield at + 1
        elif kind is code.SUBPATTERN:
            yield from self._ends(list(what[-1]), 0, text, at)
        elif kind is code.BRANCH:
            for each in what[1]:
                yield from self._ends(list(each), 0, text, at)
        elif kind is code.ATOMIC_GROUP:
            yield from _first(self._ends(list(what), 0, text, at))
        elif kind is code.POSSESSIVE_REPEAT:
            yield from _first(self._repeat(what, text, at))
        elif kind is code.MAX_REPEAT:
            yield from self._repeat(what, text, at)
        elif self._holds_at(kind, what, text, at):
            yield at

    def _holds_at(self, kind, what, text, at):
        """Whether something that takes no character is so at that place."""
        if kind in {code.ASSERT, code.ASSERT_NOT} and what[0] == 1:
            met = next(self._ends(list(what[1]), 0, text, at), None) is not None
            return met is (kind is code.ASSERT)
        if kind is code.AT and what is code.AT_END_STRING:
            return at == len(text)
        raise NotImplementedError(kind)

    def _repeat(self, what, text, at):
        """Every end of a repetition whose items are matched once each, the longest first."""
        least, most, body = what
        ends, nodes = [at], list(body)
        while len(ends) <= most:
            end = next(self._ends(nodes, 0, text, ends[-1]), None)
            if end is None or end == ends[-1]:
                break
            ends.append(end)
        yield from reversed(ends[least:])

    def _takes(self, kind, what, char):
        if kind is code.ANY:
            return self._dotall or char != "\n"
        if kind is code.LITERAL:
            return ord(char) == what
        if kind is code.NOT_LITERAL:
            return ord(char) != what
        negated = what[0][0] is code.NEGATE
        return any(_holds(each, char) for each in what[negated:]) is not negated


def _holds(item, char):
    kind, what = item
    if kind is code.LITERAL:
        return ord(char) == what
    if kind is code.RANGE:
        return what[0] <= ord(char) <= what[1]
    if kind is code.CATEGORY and what is code.CATEGORY_SPACE:
        return char.isspace()
    if kind is code.CATEGORY and what is code.CATEGORY_WORD:
        return char.isalnum() or char == "_"
    raise NotImplementedError(item)


def _first(ends):
    for end in ends:
        yield end
        return
