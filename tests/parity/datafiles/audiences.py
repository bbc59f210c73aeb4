"""Audiences: leaves with likely and odd values, trees of them, typed and as JSON text."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

from .coverage import MATCHES

EDGE = 2**53
#: Attribute key → the values that conditions compare it with.
WORDS: dict[str, tuple[object, ...]] = {
    "tier": ("platinum", "gold", "", "Gold", "Ünï", "a b"),
    "country": ("GB", "DE", "gb", "日本"),
    "days": (0, 1, 7, 56, -3, EDGE, EDGE - 1),
    "score": (0.5, 1.0, 7.0, -0.0, 99.25, 1e3),
    "member": (True, False),
    "app": ("2", "2.1", "2.1.3", "2.1.3-beta", "2.1.3-beta.10", "2.1.3+7", "2.1.3-beta+2", "02.1"),
    "email": ("@example", "a", "x"),
}
SEGMENTS = ("odp-1", "odp-2", "vip")
NUMERIC, SEMVER = (
    ("gt", "ge", "lt", "le"),
    ("semver_eq", "semver_gt", "semver_ge", "semver_lt", "semver_le"),
)
ODD_VALUES = (
    None, "", "1", 0, 1, True, False, [], [1], {"a": 1}, {}, float("nan"), float("inf"), EDGE,
    EDGE + 1, -EDGE - 1, 10**30, 1.5, "2.²", "2 ", "-beta", "2.1-rc",
    {"name": "tier", "value": "gold", "type": "custom_attribute", "match": "exact"},
)  # fmt: skip


class Audiences:
    """Draws audiences and remembers in *seen* what they are made of.

    Attributes:
        raising: odd shapes on which the SDK raises may be drawn.
    """

    def __init__(self, rng: Random, seen: Counter[str], *, raising: bool) -> None:
        self.rng, self.seen, self.raising = rng, seen, raising

    def leaf(self) -> dict[str, object]:
        """One condition."""
        rng = self.rng
        match = rng.choice(MATCHES)
        self.seen[f"match {match}"] += 1
        if match == "qualified":
            name, value = "odp.audiences", rng.choice(SEGMENTS)
            kind = "third_party_dimension"
        else:
            name, value = self._name_and_value(match)
            kind = "custom_attribute"
        leaf: dict[str, object] = {"name": name, "type": kind, "match": match, "value": value}
        if rng.random() < 0.25:
            self._bend(leaf, match)
        self._note(leaf)
        return leaf

    def _name_and_value(self, match: str) -> tuple[str, object]:
        rng = self.rng
        if match in NUMERIC:
            name = rng.choice(("days", "score"))
        elif match in SEMVER:
            name = "app"
        elif match == "substring":
            name = rng.choice(("email", "tier"))
        else:
            name = rng.choice(tuple(WORDS))
        return name, rng.choice(WORDS[name])

    def _bend(self, leaf: dict[str, object], match: str) -> None:
        """Make one thing about *leaf* odd."""
        rng = self.rng
        odd = rng.randrange(9)
        if odd <= 3:
            leaf["value"] = rng.choice(ODD_VALUES)
            if match == "qualified" and isinstance(leaf["value"], list):
                leaf["value"] = 5  # a list rejects the whole datafile: see breakages
        elif odd == 4:
            del leaf["match"]
        elif odd == 5:
            leaf["match"] = rng.choice((None, "EXACT", "regex", 5, {"a": 1}))
        elif odd == 6:
            leaf["type"] = rng.choice(("custom_dimension", None, "third_party_dimension", ["x"]))
        elif odd == 7:
            del leaf[rng.choice(("type", "name", "value"))]
        elif self.raising:
            leaf["name"] = rng.choice((5, None, {"a": 1}, ["tier"], True))
        else:
            leaf["name"] = rng.choice((5, None, {"a": 1}, True))

    def _note(self, leaf: dict[str, object]) -> None:
        seen = self.seen
        value = leaf.get("value")
        seen[f"condition value {type(value).__name__}"] += 1
        if isinstance(value, float) and value != value:  # noqa: PLR0124 -- NaN
            seen["condition value nan"] += 1
        elif value == float("inf"):
            seen["condition value inf"] += 1
        elif isinstance(value, int) and abs(value) > EDGE:
            seen["condition value beyond 2^53"] += 1
        if "match" not in leaf:
            seen["match absent"] += 1
        elif leaf["match"] is None:
            seen["match null"] += 1
        elif not isinstance(leaf["match"], str):
            seen["match not a string"] += 1
        elif leaf["match"] not in MATCHES:
            seen["match unknown"] += 1
        kind = leaf.get("type")
        seen[f"condition type {kind if isinstance(kind, str) else 'absent'}"] += 1
        if "name" not in leaf:
            seen["condition name absent"] += 1
        elif not isinstance(leaf["name"], str):
            seen["condition name not a string"] += 1

    def tree(self, depth: int = 2) -> object:
        """A tree of leaves; a bare leaf at depth 0."""
        rng, seen = self.rng, self.seen
        if depth == 0 or rng.random() < 0.3:
            return self.leaf()
        if rng.random() < 0.15:
            return self._choice()
        operator = rng.choice(("and", "or", "or", "not", ""))
        count = 1 if operator == "not" else rng.choice((1, 2, 2, 3))
        operands = [self.tree(depth - 1) for _ in range(count)]
        if any(isinstance(each, list) for each in operands):
            seen["nested operators"] += 1
        if rng.random() < 0.08:
            return self._odd_node(operands)
        if not operator:
            seen["operator implicit or"] += 1
            return operands
        seen[f"operator {operator}"] += 1
        return [operator, *operands]

    def _choice(self) -> list[object]:
        """Many values of one attribute, asked for or denied, alone or beside other conditions."""
        rng, seen = self.rng, self.seen
        denied = rng.random() < 0.4
        name = rng.choice(tuple(WORDS))
        mixed = rng.random() < 0.3
        values = [*WORDS[name], *(rng.choice(ODD_VALUES) for _ in range(3 * mixed))]
        values += [f"{rng.randrange(1000)}" for _ in range(rng.choice((0, 1, 12)))]
        seen["choice of mixed kinds" if mixed else "choice"] += 1
        if len(values) > 10:
            seen["choice of many"] += 1
        operands: list[object] = [
            {"name": name, "type": "custom_attribute", "match": "exact", "value": each}
            for each in rng.sample(values, rng.randrange(2, len(values) + 1))
        ]
        if rng.random() < 0.4:
            seen["choice with wrapped values"] += 1
            operands = [[rng.choice(("or", "and")), each] for each in operands]
        if denied:
            seen["choice denied"] += 1
            operands = [["not", each] for each in operands]
        if rng.random() < 0.4:
            seen["choice beside others"] += 1
            others = [self.tree(1) for _ in range(rng.choice((1, 2)))]
            operands = [*operands, *others]
            rng.shuffle(operands)
        if rng.random() < 0.12:
            seen["more than is written out"] += 1
            operands += [self.leaf() for _ in range(40)]
        return ["and" if denied else "or", *operands]

    def _odd_node(self, operands: list[object]) -> list[object]:
        rng, seen = self.rng, self.seen
        odd = rng.randrange(8 if self.raising else 3)
        if odd == 0:
            seen["operator alone"] += 1
            return [rng.choice(("and", "or", "not"))]
        if odd == 1:
            seen["not with two operands"] += 1
            return ["not", *operands, self.leaf()]
        if odd == 2:
            seen["leaf a number in range"] += 1
            return ["or", *operands, self.leaf(), rng.choice((0, -1, False))]
        if odd == 3:
            seen["operator upper case"] += 1
            return [rng.choice(("AND", "OR", "NOT")), *operands]
        if odd == 4:
            seen["empty list in an audience"] += 1
            return [rng.choice(("and", "or", "not")), [], *operands]
        seen["leaf not an object"] += 1
        return [
            rng.choice(("and", "or", "not")),
            *operands,
            rng.choice(("x", 99, None, 1.5, -99, True)),
        ]

    def conditions(self) -> object:
        """The conditions of one audience."""
        rng, seen = self.rng, self.seen
        drawn = rng.random()
        if drawn < 0.08:
            seen["audience bare object"] += 1
            return self.leaf()
        if self.raising and drawn < 0.12:
            seen["audience conditions empty"] += 1
            return []
        if self.raising and drawn < 0.15:
            seen["audience null"] += 1
            return rng.choice((None, 0, 1.5, True))
        return self.tree(rng.choice((1, 2, 2, 3)))

    def sections(self, count: int) -> tuple[list[object], list[object], list[str]]:
        """The `audiences` and `typedAudiences` sections, and the ids in them."""
        rng, seen = self.rng, self.seen
        texts: list[object] = [{
            "id": "$opt_dummy_audience", "name": "dummy",
            "conditions": json.dumps(_dummy_conditions()),
        }]  # fmt: skip
        typed: list[object] = []
        ids: list[str] = []
        for index in range(count):
            audience_id = str(8000 + index)
            ids.append(audience_id)
            name, conditions = f"audience {index}", self.conditions()
            if rng.random() < 0.35:
                seen["audience as JSON text"] += 1
                texts.append(
                    {"id": audience_id, "name": name, "conditions": json.dumps(conditions)}
                )
                continue
            seen["audience typed"] += 1
            if self.raising and rng.random() < 0.05:
                seen["audience typed as text"] += 1
                conditions = json.dumps(conditions)
            typed.append({"id": audience_id, "name": name, "conditions": conditions})
            if rng.random() < 0.7:
                seen["audience dummy twin"] += 1
                dummy = json.dumps(_dummy_conditions())
                texts.append({"id": audience_id, "name": name, "conditions": dummy})
        if ids and rng.random() < 0.05:
            seen["audience listed twice"] += 1
            twice = {"id": rng.choice(ids), "name": "again", "conditions": self.tree(1)}
            typed.append(twice)
        return texts, typed, ids


def _dummy_conditions() -> list[object]:
    leaf = {"type": "custom_attribute", "name": "$opt_dummy_attribute", "value": "$opt_dummy_value"}
    return ["or", ["or", ["or", leaf]]]
