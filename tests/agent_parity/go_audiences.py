"""Audiences as Agent's SDK evaluates them, to see where that is another outcome than the SDK for Python's.

Source: go-sdk 2.3.1, pkg/decision/evaluator, as it behaves.
"""

from __future__ import annotations

import json
import operator
import re

from bucketer.core.conditions import compile_leaf
from bucketer.core.user import User

from .stubs import is_qualified

_SEGMENT = re.compile(r'"match": "qualified", "value": "([^"]+)"')
_COMPARE = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le}


def differing_rules(datafile, user):
    """Return {id of a rule or holdout: why its audience comes out otherwise at Agent for *user*}.

    Why: `and`, where AND ends at what can't be evaluated; `number`, where one is beyond ±2**53;
    `version`, where a release is earlier than what was released before it.
    """
    trees = _audiences(datafile)
    found = {}
    for rule in rules_of(datafile):
        tree = rule.get("audienceConditions")
        if tree is None:
            tree = ["or", *rule["audienceIds"]] if rule.get("audienceIds") else None
        if not tree:
            continue
        # An audience that comes out otherwise has other reasons, whatever the rule comes to.
        parts = (tree, *(each for each in trees if f'"{each}"' in json.dumps(tree)))
        why = {_why(each, trees, user) for each in parts} - {None}
        if why:
            found[rule["id"]] = min(why)
    return found


def _why(tree, trees, user):
    ours = _walk(tree, trees, user, _plain_leaf, ends=False)
    if ours is not _walk(tree, trees, user, _plain_leaf, ends=True):
        return "and"
    if ours is not _walk(tree, trees, user, _leaf_of_number, ends=True):
        return "number"
    return None if ours is _walk(tree, trees, user, _leaf, ends=True) else "version"


def rules_of(datafile):
    """All experiments, delivery rules and holdouts of a datafile."""
    found = [*datafile.get("experiments", ()), *datafile.get("holdouts", ())]
    for parent in (*datafile.get("groups", ()), *datafile.get("rollouts", ())):
        found += parent["experiments"]
    return found


def _audiences(datafile):
    texts = {each["id"]: json.loads(each["conditions"]) for each in datafile.get("audiences", ())}
    return texts | {each["id"]: each["conditions"] for each in datafile.get("typedAudiences", ())}


def _walk(node, audiences, user, leaf, *, ends):
    """True, False, or None for what can't be evaluated."""
    if isinstance(node, str):
        tree = audiences.get(node)
        return None if tree is None else _walk(tree, audiences, user, leaf, ends=ends)
    if isinstance(node, dict):
        return leaf(node, user)
    word, operands = node[0], node[1:]
    if word == "not":
        found = _walk(operands[0], audiences, user, leaf, ends=ends) if operands else None
        return None if found is None else not found
    unknown = False
    for operand in operands:
        found = _walk(operand, audiences, user, leaf, ends=ends)
        if found is (word == "or") or (ends and found is None and word == "and"):
            return found
        unknown = unknown or found is None
    return None if unknown else word == "and"


def _plain_leaf(condition, user):
    predicate = compile_leaf(condition)
    return None if predicate is None else predicate(user)


def _leaf(condition, user):
    """As Go has it."""
    word = (condition.get("match") or "").removeprefix("semver_")
    value, has = condition.get("value"), user.attributes.get(condition.get("name"))
    if word not in {*_COMPARE, "eq"} or word == condition.get("match"):
        return _leaf_of_number(condition, user)
    if not (isinstance(value, str) and isinstance(has, str)):
        return None
    parts = [_version(each) for each in (value, has)]
    if None in parts:
        return None
    order = _order(*parts, value, has)
    return order == 0 if word == "eq" else _COMPARE[word](order, 0)


def _version(text):
    """Its numbers, then what is behind a hyphen or a plus; None for no version."""
    if not text or " " in text:
        return None
    head, tail = text, []
    separators = [each for each in "-+" if text.find(each) > 0]
    if separators:
        head, _, rest = text.partition(min(separators, key=text.find))
        tail = [rest]
    numbers = head.split(".")
    return numbers + tail if len(numbers) <= 3 and all(map(_is_decimal, numbers)) else None


def _order(wanted, has, value, text):
    """-1, 0 or 1, as the user's version *has* is earlier than, equal to, or later than *wanted*."""
    early, wants_early = (_is_early(each) for each in (text, value))
    for number, part in enumerate(wanted):
        if number >= len(has):
            return 1 if early else -1
        if not _is_decimal(has[number]):
            if has[number] < part:
                return 1 if wants_early and not early else -1
            if has[number] > part:
                return -1 if early and not wants_early else 1
        elif not _is_decimal(part):
            return -1
        elif _number(has[number]) != _number(part):
            return -1 if _number(has[number]) < _number(part) else 1
    return -1 if early and not wants_early else 0


def _number(text):
    found = int(text)
    return found if found < 2**63 else 0  # as Go's Atoi leaves it


def _is_decimal(text):
    return text.isascii() and text.isdigit()


def _is_early(text):
    """Whether a version is one before a release."""
    hyphen, plus = text.find("-"), text.find("+")
    return hyphen > 0 and (plus <= 0 or hyphen < plus)


def _leaf_of_number(condition, user):
    """As ours, but for numbers, which Go compares whatever their size."""
    value, match = condition.get("value"), condition.get("match")
    has = user.attributes.get(condition.get("name"))
    if not (_is_number(value) and _is_number(has)):
        return _plain_leaf(condition, user)
    if match == "exact":
        return float(value) == float(has)
    if match in _COMPARE:
        return _COMPARE[match](float(has), float(value))
    return _plain_leaf(condition, user)


def _is_number(value):
    """Whether it is one that a double holds; nobody takes a body with another one."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) < 10**300


def user_of(body, datafile):
    """Return the user whom a decoded body names, with segments where it asks for them."""
    given, visitor = body.get("userAttributes"), str(body.get("userId"))
    segments = None
    if body.get("fetchSegments") is True:
        named = set(_SEGMENT.findall(json.dumps(datafile).replace("\\", "")))
        segments = {each for each in named if is_qualified(visitor, each)}
    return User(visitor, given if isinstance(given, dict) else {}, segments=segments)
