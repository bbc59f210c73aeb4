"""Experiments, delivery rules, groups and holdouts, with everything that can collide in them."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

Entity = dict[str, Any]
ALL = 10_000


class Rules:
    """Draws rules and remembers in *seen* what they are made of.

    Attributes:
        audience_ids: what rules may ask for.
        collide: how likely an id or key is one that is in use already.
        raising: odd shapes on which the SDK raises may be drawn.
    """

    def __init__(
        self, rng: Random, seen: Counter[str], audience_ids: list[str], *, raising: bool
    ) -> None:
        self.rng, self.seen, self.audience_ids, self.raising = rng, seen, audience_ids, raising
        self.collide = rng.choice((0.0, 0.0, 0.1, 0.3))
        self._last_id = rng.randrange(10**5, 10**8)
        self.rule_keys: list[str] = []
        self.experiment_ids: list[str] = []
        self.group_ids: set[str] = set()
        self.variation_ids: list[str] = []
        self.variation_keys: list[str] = []

    def new_id(self) -> str:
        """An id nothing else has: mostly digits."""
        self._last_id += self.rng.randrange(1, 50)
        drawn = self.rng.random()
        if drawn < 0.05:
            self.seen["id not ASCII"] += 1
            return f"é-{self._last_id}"
        return f"default-rollout-{self._last_id}" if drawn < 0.1 else str(self._last_id)

    def rule_key(self, stem: str, collision: str) -> str:
        """A key for a rule; sometimes one that another rule has, noted as *collision*."""
        rng = self.rng
        if self.rule_keys and rng.random() < self.collide:
            self.seen[collision] += 1
            return rng.choice(self.rule_keys)
        if rng.random() < 0.02:
            self.seen["blank key"] += 1
            return rng.choice(("", "  ", "\t"))
        key = f"{stem}_{self._last_id}"
        self.rule_keys.append(key)
        return key

    def variation(self, variables: list[Entity]) -> Entity:
        """One variation that may set some of *variables*."""
        rng, seen = self.rng, self.seen
        variation: Entity = {"id": self.new_id(), "key": f"v{rng.randrange(4)}"}
        if self.variation_ids and rng.random() < self.collide / 2:
            seen["variation id in two experiments"] += 1
            variation["id"] = rng.choice(self.variation_ids)
        if self.variation_keys and rng.random() < self.collide:
            variation["key"] = rng.choice(self.variation_keys)
        enabled = rng.choice((True, True, True, False, None, "true", "false", 1, 0, ""))
        if enabled is None and rng.random() < 0.5:
            seen["featureEnabled absent"] += 1
        else:
            variation["featureEnabled"] = enabled
            is_bool = isinstance(enabled, bool)
            seen[f"featureEnabled {str(enabled).lower() if is_bool else 'odd'}"] += 1
        variation["variables"] = self._overrides(variables)
        self.variation_ids.append(variation["id"])
        self.variation_keys.append(variation["key"])
        return variation

    def _overrides(self, variables: list[Entity]) -> list[Entity]:
        rng, seen = self.rng, self.seen
        found: list[Entity] = []
        for variable in variables:
            if rng.random() < 0.6:
                seen["override"] += 1
                found.append({"id": variable["id"], "value": override_value(rng, variable)})
        if found and rng.random() < 0.1:
            seen["override twice"] += 1
            found.append({"id": found[0]["id"], "value": "again"})
        if rng.random() < 0.03:
            seen["override id no text"] += 1
            found.append({"id": rng.choice((5, True, None, 1.5)), "value": "x"})
        if rng.random() < 0.1:
            seen["override unknown variable"] += 1
            found.append({"id": "31337", "value": "x"})
        return found

    def variations(self, variables: list[Entity]) -> list[Entity]:
        """One to four variations, keys apart unless a collision is wanted."""
        rng, seen = self.rng, self.seen
        found: list[Entity] = []
        for index in range(rng.choice((1, 2, 2, 3, 4))):
            variation = self.variation(variables)
            if not self.collide or rng.random() > self.collide:
                variation["key"] = f"v{index}"
            found.append(variation)
        if len(found) > 1 and rng.random() < self.collide / 2:
            seen["variation key twice"] += 1
            found[-1]["key"] = found[0]["key"]
        if len(found) > 1 and rng.random() < self.collide / 2:
            seen["variation id twice"] += 1
            found[-1]["id"] = found[0]["id"]
        return found

    def allocation(self, entity_ids: list[str]) -> list[Entity]:
        """Ranges of the traffic line that the SDK's schema lets through."""
        rng, seen = self.rng, self.seen
        end = ALL
        drawn = rng.random()
        if drawn < 0.05 or not entity_ids:
            seen["allocation empty"] += 1
            return []
        if drawn < 0.3:
            seen["allocation partial"] += 1
            end = rng.randrange(1, ALL)
        ends = [end * (index + 1) // len(entity_ids) for index in range(len(entity_ids))]
        found = [{"entityId": i, "endOfRange": e} for i, e in zip(entity_ids, ends, strict=True)]
        if rng.random() < 0.25:
            self._bend_allocation(found)
        return found

    def _bend_allocation(self, allocation: list[Entity]) -> None:
        rng, seen = self.rng, self.seen
        odd, entry = rng.randrange(6), rng.choice(allocation)
        if odd == 0:
            seen["allocation unsorted"] += 1
            rng.shuffle(allocation)
            allocation.append({"entityId": entry["entityId"], "endOfRange": ALL})
        elif odd == 1:
            seen["allocation equal ends"] += 1
            allocation.insert(0, {"entityId": entry["entityId"], "endOfRange": entry["endOfRange"]})
        elif odd == 2:
            seen["allocation empty entity"] += 1
            entry["entityId"] = ""
        elif odd == 3:
            seen["allocation unknown entity"] += 1
            entry["entityId"] = "404"
        elif odd == 4:
            seen["allocation beyond 10000"] += 1
            allocation[-1]["endOfRange"] = rng.choice((ALL + 1, 20_000, 10**12))
            allocation.insert(0, {"entityId": entry["entityId"], "endOfRange": rng.choice((0, -5))})
        else:
            middle = rng.randrange(ALL)
            allocation.insert(
                0, {"entityId": rng.choice((entry["entityId"], "")), "endOfRange": middle}
            )

    def bend_freely(self, allocation: list[Entity]) -> None:
        """Make *allocation* odd where the schema doesn't look: delivery rules and holdouts."""
        rng, seen = self.rng, self.seen
        if not allocation or rng.random() > 0.12:
            return
        odd, entry = rng.randrange(5), rng.choice(allocation)
        if odd == 0:
            seen["allocation null end"] += 1
            entry["endOfRange"] = None
        elif odd == 1:
            seen["allocation absent end"] += 1
            del entry["endOfRange"]
        elif odd == 2:
            seen["allocation float end"] += 1
            entry["endOfRange"] = rng.choice((5000.5, 9999.5, 0.5, 1e9, True, 10_000.0, 3333.0))
        elif odd == 3:
            seen["allocation null entity"] += 1
            entry["entityId"] = None
        else:
            seen["allocation null entity"] += 1
            del entry["entityId"]

    def audience_of_rule(self) -> Entity:
        """`audienceIds` and perhaps `audienceConditions`."""
        rng, seen, ids = self.rng, self.seen, self.audience_ids
        some = rng.sample(ids, min(len(ids), rng.choice((0, 0, 1, 1, 2, 3))))
        if some and rng.random() < 0.05:
            seen["rule unknown audience"] += 1
            some.append("404")
        found: Entity = {"audienceIds": some}
        drawn = rng.random()
        if drawn < 0.5:
            if some:
                seen["rule audienceIds"] += 1
            if drawn < 0.1:
                seen["rule audienceConditions null"] += 1
                found["audienceConditions"] = None
        elif drawn < 0.56:
            if some:
                seen["rule audienceConditions [] over audienceIds"] += 1
            found["audienceConditions"] = []
        elif drawn < 0.6 and ids:
            seen["rule audienceConditions text"] += 1
            found["audienceConditions"] = rng.choice((rng.choice(ids), "404", ""))
        elif ids:
            seen["rule audienceConditions"] += 1
            found["audienceConditions"] = self._audience_tree(rng.choice((1, 1, 2)))
        return found

    def _audience_tree(self, depth: int) -> object:
        rng, ids = self.rng, self.audience_ids
        if depth == 0:
            if rng.random() < 0.06:
                self.seen["rule unknown audience"] += 1
                return "404"
            return rng.choice(ids)
        operator = rng.choice(("and", "or", "not", "or", "", "AND"))
        count = 1 if operator == "not" else rng.choice((1, 2, 3))
        operands = [
            self._audience_tree(depth - rng.choice((1, 1, 2)) if depth > 1 else 0)
            for _ in range(count)
        ]
        if depth > 1 and rng.random() < 0.1:
            self.seen["rule lists audiences again and again"] += 1
            again = operands[0]
            operands += [[rng.choice(("and", "or")), again, each] for each in ids * 5]
            operands += [again] * 20
        if operator == "not" and operands == ["404"]:
            self.seen["rule not unknown audience"] += 1
        if rng.random() < 0.03:
            return [rng.choice(("and", "or", "not"))]
        if self.raising and rng.random() < 0.05:
            self.seen["rule empty list"] += 1
            return [operator or "or", *operands, []]
        if not operator and len(operands) == 1 and isinstance(operands[0], list):
            operator = "or"  # the SDK's constructor raises on a list in a list of one
        return [operator, *operands] if operator else operands

    def status(self) -> str:
        """Mostly Running."""
        rng = self.rng
        status = rng.choice(("Running",) * 14 + ("Paused", "Launched", "running", "", "Running "))
        known = status in {"Running", "Paused"}
        self.seen[f"status {status if known else 'odd'}"] += 1
        return status

    def whitelist(self, variations: list[Entity]) -> dict[str, Any]:
        """`forcedVariations`: a few users of the pool."""
        rng, seen = self.rng, self.seen
        found: dict[str, Any] = {}
        while rng.random() < 0.3:
            seen["whitelist"] += 1
            found[f"white-{rng.randrange(6)}"] = rng.choice(variations)["key"]
        if rng.random() < 0.06:
            seen["whitelist unknown variation"] += 1
            found[rng.choice(("white-0", ""))] = rng.choice(("unheard-of", "", 5, None))
        return found

    def experiment(self, variables: list[Entity], stem: str = "exp") -> Entity:
        """A top-level experiment or a member of a group."""
        rng, seen = self.rng, self.seen
        variations = self.variations(variables)
        rule: Entity = {
            "id": self.new_id(),
            "key": self.rule_key(stem, "experiment key twice"),
            "status": self.status(),
            "layerId": rng.choice((str(rng.randrange(10**6)), "layer_a", "")),
            "variations": variations,
            "forcedVariations": self.whitelist(variations),
            "trafficAllocation": self.allocation([each["id"] for each in variations]),
            **self.audience_of_rule(),
        }
        if not rule["layerId"]:
            seen["layerId empty"] += 1
        if self.experiment_ids and rng.random() < self.collide / 2:
            seen["experiment id twice"] += 1
            rule["id"] = rng.choice(self.experiment_ids)
        self._note_type(rule)
        if rng.random() < 0.12:
            self._bandit(rule)
        self.experiment_ids.append(rule["id"])
        return rule

    def _note_type(self, rule: Entity) -> None:
        kind = self.rng.choice(
            (None, None, "ab", "ab", "mab", "td", "td", "fr", "fr", "junk", "TD")
        )
        self.seen[f"type {'absent' if kind is None else kind if kind in KINDS else 'odd'}"] += 1
        if kind is not None:
            rule["type"] = kind

    def _bandit(self, rule: Entity) -> None:
        rng, seen = self.rng, self.seen
        if rng.random() < 0.15:
            seen["cmab empty"] += 1
            rule["cmab"] = rng.choice(({}, None))
            return
        seen["cmab"] += 1
        traffic = rng.choice((ALL, ALL, 7000, 3000, 0))
        if not traffic:
            seen["cmab 0 traffic"] += 1
        rule["cmab"] = {"attributeIds": ["5000", "5001", "404"], "trafficAllocation": traffic}
        self._bend_bandit(rule["cmab"])
        rule["type"] = rng.choice(("cmab", rule.get("type")))

    def _bend_bandit(self, cmab: Entity) -> None:
        """Make a bandit odd in what it may see or in its share; the schema looks at neither."""
        rng, seen = self.rng, self.seen
        drawn = rng.random()
        if drawn < 0.08:
            seen["cmab that can't be asked"] += 1
            cmab["attributeIds"] = rng.choice((None, 0, True, ["5000", []], [{}]))
            if rng.random() < 0.3:
                del cmab["attributeIds"]
        elif drawn < 0.14:
            seen["cmab attributeIds no list"] += 1
            cmab["attributeIds"] = rng.choice(("5000", {"5001": 1, "404": 2}, "", {}))
        elif drawn < 0.18:
            seen["cmab attributeIds of no attribute"] += 1
            cmab["attributeIds"] = [5000, None, "5001", True]
        elif drawn < 0.24:
            seen["cmab traffic odd"] += 1
            cmab["trafficAllocation"] = rng.choice((None, True, False, 5000.5))

    def delivery_rule(self, variables: list[Entity]) -> Entity:
        """One rule of a rollout."""
        rng, seen = self.rng, self.seen
        rule = self.experiment(variables, stem="rollout")
        rule["key"] = rule["id"] if rng.random() < 0.4 else rule["key"]
        if rule["status"] != "Running":
            seen["delivery rule paused"] += 1
        if rule["forcedVariations"]:
            seen["whitelist in a delivery rule"] += 1
        if rule.get("cmab"):
            seen["cmab in a delivery rule"] += 1
        if rng.random() < 0.04:
            seen["variables null"] += 1
            rule["variations"][0]["variables"] = None
        self.bend_freely(rule["trafficAllocation"])
        return rule

    def group(self, variables: list[Entity]) -> Entity:
        """An exclusion group with its experiments."""
        rng, seen = self.rng, self.seen
        members = [self.experiment(variables, "grouped") for _ in range(rng.choice((1, 2, 3)))]
        policy = rng.choice(("random",) * 5 + ("overlapping", "Random"))
        known = policy in {"random", "overlapping"}
        seen[f"group {policy if known else 'other policy'}"] += 1
        if rng.random() < 0.06:
            seen["group member empty id"] += 1
            members[0]["id"] = ""
        ids = [member["id"] for member in members]
        drawn = rng.random()
        if drawn < 0.2:
            seen["group empty range"] += 1
            ids.insert(0, "")
        elif drawn < 0.3:
            seen["group entity unknown"] += 1
            ids.append("404")
        traffic = [
            {"entityId": each, "endOfRange": ALL * (index + 1) // len(ids)}
            for index, each in enumerate(ids)
        ]
        group_id = str(rng.randrange(10**6))
        if rng.random() < self.collide:
            seen["group id of an experiment"] += 1
            group_id = members[0]["id"]
        if group_id in self.group_ids:  # the SDK would drop the first group, members and all
            group_id = self.new_id()
        self.group_ids.add(group_id)
        return {
            "id": group_id, "policy": policy, "experiments": members, "trafficAllocation": traffic,
        }  # fmt: skip

    def holdout(self, rule_ids: list[str], *, local: bool) -> Entity:
        """A global holdout, or a *local* one of some of *rule_ids*."""
        rng, seen = self.rng, self.seen
        variations: list[Entity] = []
        for index in range(rng.choice((1, 1, 2))):
            variation_id = rng.choice(("$opt_dummy_variation_id", self.new_id()))
            variations.append({"id": variation_id, "key": rng.choice(("off", f"h{index}"))})
            if rng.random() < 0.5:
                variations[-1]["featureEnabled"] = rng.choice((False, False, True, 1, None))
            if variations[-1].get("featureEnabled"):
                seen["holdout enabled"] += 1
        everybody = rng.random() < 0.12
        end = ALL if everybody else rng.choice((500, 1500, 3000, 0))
        if everybody:
            seen["holdout everybody"] += 1
        found: Entity = {
            "id": self.new_id(), "key": f"holdout_{self._last_id}", "status": "Running",
            "variations": variations,
            "trafficAllocation": [
                {"entityId": each["id"], "endOfRange": end * (index + 1) // len(variations)}
                for index, each in enumerate(variations)
            ],
            **self.audience_of_rule(),
        }  # fmt: skip
        if rng.random() < 0.5:
            found["audienceIds"], found["audienceConditions"] = [], []
        self.bend_freely(found["trafficAllocation"])
        self._bend_holdout(found, rule_ids, local=local)
        return found

    def _dress_as_rule(self, holdout: Entity) -> None:
        """Fields that mean nothing in a holdout."""
        rng, seen = self.rng, self.seen
        if rng.random() < 0.1:
            seen["holdout cmab"] += 1
            holdout["cmab"] = {"attributeIds": [], "trafficAllocation": rng.choice((0, ALL))}
        if rng.random() < 0.1:
            seen["holdout groupPolicy"] += 1
            holdout["groupPolicy"] = "random"
            holdout["groupId"] = rng.choice((*sorted(self.group_ids), "404"))
        if rng.random() < 0.1:
            seen["holdout includedFlags"] += 1
            holdout["includedFlags"], holdout["excludedFlags"] = ["1"], ["2"]

    def _bend_holdout(self, holdout: Entity, rule_ids: list[str], *, local: bool) -> None:
        rng, seen = self.rng, self.seen
        seen[f"holdout {'local' if local else 'global'}"] += 1
        if rng.random() < 0.1:
            seen["holdout not running"] += 1
            holdout["status"] = rng.choice(("Draft", "Concluded", "Archived", "Paused", "running"))
        if rng.random() < 0.35:
            seen["holdout local td excluded" if local else "holdout td excluded"] += 1
            holdout["excludeTargetedDeliveries"] = True
        if rng.random() < 0.1:
            seen["holdout layerId"] += 1
            holdout["layerId"] = "77"
        self._dress_as_rule(holdout)
        if self.experiment_ids and rng.random() < self.collide / 3:
            seen["holdout id of an experiment"] += 1
            holdout["id"] = rng.choice(self.experiment_ids)
        if self.rule_keys and rng.random() < self.collide / 3:
            seen["holdout key of an experiment"] += 1
            holdout["key"] = rng.choice(self.rule_keys)
        drawn = rng.random()
        if local:
            if drawn < 0.06:
                seen["holdout without includedRules"] += 1
                if drawn < 0.03:
                    holdout["includedRules"] = None
                return
            if drawn < 0.12:
                seen["holdout no rules"] += 1
                holdout["includedRules"] = []
                return
            some = rng.sample(rule_ids, min(len(rule_ids), rng.choice((1, 2, 3))))
            holdout["includedRules"] = [*some, "404"]
        elif drawn < 0.1:
            seen["holdout with includedRules"] += 1
            holdout["includedRules"] = ["404"]


KINDS = {"ab", "mab", "td", "fr"}


def override_value(rng: Random, variable: Entity) -> object:
    """A value for *variable* in a variation."""
    likely = {
        "boolean": ("true", "false", "True"),
        "integer": ("5", " 7 ", "1_0", "12.0", "-3", "x", "٣"),
        "double": ("1.5", "nan", "inf", "1e3", " 2 ", "x"),
        "json": ('{"a": 1}', "[1, 2]", "{", '"s"', "null", "NaN", "7"),
    }.get(str(variable.get("type")), ("text", "", "ünï"))
    if rng.random() < 0.07:
        return rng.choice((5, True, None, 1.5, [], {"a": 1}))
    return rng.choice(likely)
