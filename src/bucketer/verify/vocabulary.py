"""Datafile in, Vocabulary out: every word in it that a user could be made of.

Reads the raw document, not the compiled ruleset, so that a mistake of the compiler can't hide
the words that would show it. Parts with odd shapes are passed over, never an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any


class Vocabulary:
    """What a datafile mentions.

    Attributes:
        values: attribute key → the condition values that it is compared with.
        segments: names that `qualified` conditions ask for.
        user_ids: ids that some experiment names in its `forcedVariations`.
        flags: flag key → (keys of its rules, keys of their variations).
        experiments: experiment key → keys of its variations; delivery rules too.
        stored: experiment id → ids of its variations.
        bandits: rule id → ids of its variations, for rules with a `cmab`.
        variables: flag key → keys of its variables.
        events: keys of conversion events.
    """

    __slots__ = (
        "bandits",
        "events",
        "experiments",
        "flags",
        "segments",
        "stored",
        "user_ids",
        "values",
        "variables",
    )

    def __init__(self, datafile: dict[str, Any]) -> None:
        """Read *datafile*, a parsed JSON document."""
        self.values: dict[str, list[object]] = {}
        self.segments: list[str] = []
        self.user_ids: list[str] = []
        self.flags: dict[str, tuple[list[str], list[str]]] = {}
        self.experiments: dict[str, list[str]] = {}
        self.stored: dict[str, list[str]] = {}
        self.bandits: dict[str, list[str]] = {}
        self.variables: dict[str, list[str]] = {}
        self.events = _texts(_part(datafile, "events"), "key")
        self._read_audiences(datafile)
        for attribute in _part(datafile, "attributes"):
            if isinstance(attribute.get("key"), str):
                self.values.setdefault(attribute["key"], [])
        rules = self._read_rules(datafile)
        self._read_flags(datafile, rules)

    def _read_audiences(self, datafile: dict[str, Any]) -> None:
        for section in ("audiences", "typedAudiences"):
            for audience in _part(datafile, section):
                for leaf in _leaves(_conditions(audience.get("conditions"))):
                    self._read_leaf(leaf)

    def _read_leaf(self, leaf: dict[str, Any]) -> None:
        name, value = leaf.get("name"), leaf.get("value")
        if leaf.get("match") == "qualified" and isinstance(value, str):
            self.segments.append(value)
        elif isinstance(name, str):
            self.values.setdefault(name, []).append(value)

    def _read_rules(self, datafile: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Note every rule; returns them by id, later ones over earlier, as the SDK has them."""
        rules: dict[str, dict[str, Any]] = {}
        containers = [*_part(datafile, "rollouts"), *_part(datafile, "groups")]
        nested = [rule for each in containers for rule in _part(each, "experiments")]
        for rule in [*_part(datafile, "experiments"), *nested]:
            rule_id, key = rule.get("id"), rule.get("key")
            if not isinstance(rule_id, str) or not isinstance(key, str):
                continue
            rules[rule_id] = rule
            variations = _part(rule, "variations")
            self.experiments.setdefault(key, []).extend(_texts(variations, "key"))
            self.stored.setdefault(rule_id, []).extend(_texts(variations, "id"))
            forced = rule.get("forcedVariations")
            if isinstance(forced, dict):
                self.user_ids.extend(forced)
            if rule.get("cmab"):
                self.bandits[rule_id] = _texts(variations, "id")
        return rules

    def _read_flags(self, datafile: dict[str, Any], rules: dict[str, dict[str, Any]]) -> None:
        rollouts = {each.get("id"): each for each in _part(datafile, "rollouts") if _hashable(each)}
        for flag in _part(datafile, "featureFlags"):
            key = flag.get("key")
            if not isinstance(key, str):
                continue
            ids = flag.get("experimentIds")
            listed = [i for i in ids if isinstance(i, str)] if isinstance(ids, list) else []
            known = [rules[i] for i in listed if i in rules]
            rollout_id = flag.get("rolloutId")
            if isinstance(rollout_id, str):
                known += _part(rollouts.get(rollout_id, {}), "experiments")
            variations = [variation for rule in known for variation in _part(rule, "variations")]
            self.flags[key] = (_texts(known, "key"), _texts(variations, "key"))
            self.variables[key] = _texts(_part(flag, "variables"), "key")


def _hashable(entity: dict[str, Any]) -> bool:
    return isinstance(entity.get("id"), str)


def _part(container: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects in the list *name* of *container*; none when there is no such list."""
    found = container.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _texts(entities: Iterable[dict[str, Any]], name: str) -> list[str]:
    return [each[name] for each in entities if isinstance(each.get(name), str)]


def _conditions(written: object) -> object:
    """The tree, parsed when it is written as JSON in a string; None when that can't be parsed."""
    if not isinstance(written, str):
        return written
    try:
        return json.loads(written)
    except ValueError:
        return None


def _leaves(tree: object) -> Iterator[dict[str, Any]]:
    """Every object in *tree*, at any depth, those inside other objects' values too."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
