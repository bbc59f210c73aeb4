"""A datafile in, its OptimizelyConfig out: what it defines, for people and tools to look at.

Everything is looked up anew in the JSON, since decisions need no more than a part of it. Entries
that aren't what the datafile's format says are left out.

Source: go-sdk 2.3.1 as Optimizely Agent shows it; optimizely-sdk 5.7.0, optimizely_config.py, has
the same with names of Python's.
Differs: lists that Agent gives in random order are in the datafile's.
"""

from __future__ import annotations

from json import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias

    Entry: TypeAlias = dict[str, Any]

_OPERATORS = ("and", "or", "not")
_DUMMY_AUDIENCE = "$opt_dummy_audience"


def _compact(value: object) -> str:
    return dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def optimizely_config(
    document: Entry, text_of: Callable[[object], str] = _compact
) -> dict[str, object]:
    """Return the OptimizelyConfig of a datafile, as JSON values.

    Args:
        document: the datafile, parsed.
        text_of: renders conditions that the datafile has as JSON; compact, with sorted names.
    """
    return _Reader(document, text_of).read()


class _Reader:
    """Reads one datafile.

    Attributes:
        audiences: by id; typed ones win over their dummy twins.
        rollouts: by id.
        variables: of all flags, by id.
    """

    def __init__(self, document: Entry, text_of: Callable[[object], str]) -> None:
        self.document, self._text_of = document, text_of
        self.audiences: dict[str, Entry] = {}
        for each in (*_entries(document, "typedAudiences"), *_entries(document, "audiences")):
            self.audiences.setdefault(_text(each, "id"), each)
        self.rollouts = {_text(each, "id"): each for each in _entries(document, "rollouts")}
        # The last of two flags by one key is the flag.
        self._flags = {_text(each, "key"): each for each in _entries(document, "featureFlags")}
        self.variables = {
            _text(variable, "id"): variable
            for flag in self._flags.values()
            for variable in _by_key(_entries(flag, "variables")).values()
        }

    def read(self) -> dict[str, object]:
        """Return all of it."""
        document = self.document
        experiments = self._experiments()
        return {
            "environmentKey": _text(document, "environmentKey"),
            "sdkKey": _text(document, "sdkKey"),
            "revision": _text(document, "revision"),
            "experimentsMap": {each["key"]: each for each in experiments.values()},
            "featuresMap": {
                key: self._feature(flag, experiments) for key, flag in self._flags.items()
            },
            "attributes": self._attributes(),
            "audiences": [
                self._audience(id_, each)
                for id_, each in self.audiences.items()
                if id_ != _DUMMY_AUDIENCE
            ],
            "events": [
                {"id": _text(each, "id"), "key": key, "experimentIds": each.get("experimentIds")}
                for key, each in _by_key(_entries(document, "events")).items()
            ],
        }

    def _attributes(self) -> list[Entry]:
        found: dict[str, Entry] = {}
        for each in _entries(self.document, "attributes"):
            id_ = _text(each, "id")
            found.setdefault(id_, {"id": id_, "key": _text(each, "key")})
        return list(found.values())

    def _audience(self, id_: str, audience: Entry) -> Entry:
        conditions = audience.get("conditions")
        if conditions is None:
            conditions = ""
        elif not isinstance(conditions, str):
            conditions = self._text_of(conditions)
        return {"id": id_, "name": _text(audience, "name"), "conditions": conditions}

    def _experiments(self) -> dict[str, Entry]:
        """Return the experiments by id, those of groups as well, without delivery rules."""
        flag_of: dict[str, Entry] = {}
        for flag in self._flags.values():
            for id_ in _texts(flag, "experimentIds"):
                flag_of.setdefault(id_, flag)
        delivered = {
            _text(rule, "id")
            for rollout in self.rollouts.values()
            for rule in _entries(rollout, "experiments")
        }
        groups = _entries(self.document, "groups")
        found: dict[str, Entry] = {}
        for each in (
            *_entries(self.document, "experiments"),
            *(each for group in groups for each in _entries(group, "experiments")),
        ):
            id_ = _text(each, "id")
            if id_ not in delivered:
                found[id_] = self._rule(each, flag_of.get(id_, {}))
        return found

    def _feature(self, flag: Entry, experiments: dict[str, Entry]) -> Entry:
        rules = [experiments[id_] for id_ in _texts(flag, "experimentIds") if id_ in experiments]
        rollout = self.rollouts.get(_text(flag, "rolloutId"), {})
        return {
            "id": _text(flag, "id"),
            "key": _text(flag, "key"),
            "experimentRules": rules,
            "deliveryRules": [self._rule(each, flag) for each in _entries(rollout, "experiments")],
            "variablesMap": _variables(flag),
            "experimentsMap": {each["key"]: each for each in rules},
        }

    def _rule(self, rule: Entry, flag: Entry) -> Entry:
        """Return an experiment or delivery rule of *flag*."""
        variations = {_text(each, "id"): each for each in _entries(rule, "variations")}
        return {
            "id": _text(rule, "id"),
            "key": _text(rule, "key"),
            "audiences": self._audiences_text(rule.get("audienceConditions")),
            "variationsMap": {
                _text(each, "key"): self._variation(each, flag) for each in variations.values()
            },
        }

    def _variation(self, variation: Entry, flag: Entry) -> Entry:
        enabled = variation.get("featureEnabled") is True
        variables = _variables(flag)
        for usage in _entries(variation, "variables"):
            id_ = _text(usage, "id")
            known = self.variables.get(id_, {})
            value = _text(usage, "value") if enabled else _text(known, "defaultValue")
            key = _text(known, "key")
            variables[key] = {"id": id_, "key": key, "type": _type(known), "value": value}
        return {
            "id": _text(variation, "id"),
            "key": _text(variation, "key"),
            "featureEnabled": enabled,
            "variablesMap": variables,
        }

    def _audiences_text(self, conditions: object) -> str:
        """Write a rule's audiences as people do: `"Platinum members" AND NOT "Staff"`.

        An audience that isn't there is its id, and nothing behind a leading NOT.
        """
        told, operator = "", ""
        for each in conditions if isinstance(conditions, list) else ():
            if isinstance(each, str) and each in _OPERATORS:
                operator = each.upper()
                continue
            if isinstance(each, list):
                inner = f"({self._audiences_text(each)})"
            elif isinstance(each, str):
                audience = self.audiences.get(each)
                unknown = "" if operator == "NOT" and not told else each
                name = unknown if audience is None else _text(audience, "name")
                inner = dumps(name, ensure_ascii=False)
            else:
                continue
            if told:
                operator = operator or "OR"
                told += f" {operator} {inner}"
            else:
                told = f"NOT {inner}" if operator == "NOT" else inner
        return told


def _variables(flag: Entry) -> Entry:
    """Return a flag's variables by key, with their defaults."""
    return {
        key: {
            "id": _text(each, "id"),
            "key": key,
            "type": _type(each),
            "value": _text(each, "defaultValue"),
        }
        for key, each in _by_key(_entries(flag, "variables")).items()
    }


def _type(variable: Entry) -> str:
    kind = _text(variable, "type")
    return "json" if kind == "string" and variable.get("subType") == "json" else kind


def _by_key(entries: Iterator[Entry]) -> dict[str, Entry]:
    return {_text(each, "key"): each for each in entries}


def _entries(owner: Entry, name: str) -> Iterator[Entry]:
    """Give the objects of a list."""
    found = owner.get(name)
    for each in found if isinstance(found, list) else ():
        if isinstance(each, dict):
            yield each


def _texts(owner: Entry, name: str) -> Iterator[str]:
    found = owner.get(name)
    for each in found if isinstance(found, list) else ():
        if isinstance(each, str):
            yield each


def _text(owner: Entry, name: str) -> str:
    found = owner.get(name)
    return found if isinstance(found, str) else ""
