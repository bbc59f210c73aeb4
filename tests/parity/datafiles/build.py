"""A whole datafile from one seed."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

from .audiences import WORDS, Audiences
from .rules import Entity, Rules, override_value

RAISING_SHARE = 0.2


class Generated:
    """One generated datafile.

    Attributes:
        seed: makes the same datafile again.
        datafile: the document.
        seen: how often each construct is in it.
    """

    __slots__ = ("datafile", "seed", "seen")

    def __init__(self, seed: object, datafile: Entity, seen: Counter[str]) -> None:
        self.seed, self.datafile, self.seen = seed, datafile, seen

    def text(self) -> str:
        """The JSON text."""
        return json.dumps(self.datafile)


def generate(seed: object) -> Generated:
    """The datafile that *seed* stands for. The SDK accepts every one of them.

    On a fifth of them it may raise at a decision (empty lists, leaves that are no conditions).
    """
    rng = Random(str(seed))
    seen: Counter[str] = Counter()
    raising = rng.random() < RAISING_SHARE
    texts, typed, audience_ids = Audiences(rng, seen, raising=raising).sections(
        rng.choice((3, 5, 8))
    )
    rules = Rules(rng, seen, audience_ids, raising=raising)
    datafile: Entity = {
        "version": rng.choice(("4", "4", "4", "3", "2")),
        "accountId": "12001", "projectId": "111001", "revision": str(rng.randrange(1, 999)),
        "audiences": texts, "typedAudiences": typed,
        "attributes": _attributes(rng, seen), "events": _events(rng, seen),
    }  # fmt: skip
    seen[f"version {datafile['version']}"] += 1
    _sections(rng, seen, rules, datafile)
    _top_level(rng, seen, datafile)
    _unname_audience(rng, seen, datafile)
    return Generated(seed, datafile, seen)


def _sections(rng: Random, seen: Counter[str], rules: Rules, datafile: Entity) -> None:
    """Experiments, groups, flags, rollouts and holdouts."""
    flag_count = rng.choice((1, 2, 3, 4))
    variables = [_variables(rng, seen, index) for index in range(flag_count)]

    def some_variables() -> list[Entity]:
        return rng.choice(variables)

    experiments = [rules.experiment(some_variables()) for _ in range(rng.choice((1, 2, 3, 5)))]
    groups = [rules.group(some_variables()) for _ in range(rng.choice((0, 1, 1, 2)))]
    _explicit_groups(rng, seen, experiments, groups)
    members = [member for group in groups for member in group["experiments"]]
    rollouts = [_rollout(rng, seen, rules, each) for each in variables]
    _steal_ids(rng, seen, rules, rollouts)
    datafile.update(experiments=experiments, groups=groups, rollouts=rollouts)
    usable = [each["id"] for each in experiments + members]
    datafile["featureFlags"] = _flags(rng, seen, rules, usable, rollouts, variables)
    _note_feature_rollouts(seen, datafile)
    delivery = [rule["id"] for each in rollouts for rule in each["experiments"]]
    if rng.random() < 0.55:
        count = rng.choice((0, 1, 1, 2))
        datafile["holdouts"] = [rules.holdout(usable, local=False) for _ in range(count)]
    if rng.random() < 0.55 and usable + delivery:
        count = rng.choice((0, 1, 2))
        datafile["localHoldouts"] = [
            rules.holdout(usable + delivery, local=True) for _ in range(count)
        ]


def _unname_audience(rng: Random, seen: Counter[str], datafile: Entity) -> None:
    """Take an audience's name where the SDK doesn't write it into the text of conditions."""
    containers = (datafile, *datafile["groups"], *datafile["rollouts"])
    rules = [rule for each in containers for rule in each["experiments"]]
    written = json.dumps([rule.get("audienceConditions") for rule in rules])
    unwritten = [each for each in datafile.get("typedAudiences", ()) if each["id"] not in written]
    if unwritten and rng.random() < 0.2:
        seen["audience without a name"] += 1
        rng.choice(unwritten)["name"] = rng.choice((None, 5, []))


def _explicit_groups(
    rng: Random, seen: Counter[str], experiments: list[Entity], groups: list[Entity]
) -> None:
    for experiment in experiments:
        drawn = rng.random()
        if drawn < 0.05:
            seen["explicit groupPolicy, group unknown"] += 1
            experiment["groupPolicy"], experiment["groupId"] = "random", "404"
        elif drawn < 0.1 and groups:
            seen["explicit groupPolicy"] += 1
            group = rng.choice(groups)
            experiment["groupPolicy"], experiment["groupId"] = "random", group["id"]
            if rng.random() < 0.5:
                group["trafficAllocation"].insert(
                    0, {"entityId": experiment["id"], "endOfRange": 5000}
                )


def _rollout(rng: Random, seen: Counter[str], rules: Rules, variables: list[Entity]) -> Entity:
    count = rng.choice((0, 1, 1, 2, 3, 3, 4, 5))
    seen[f"rollout {count} rules" if count else "rollout empty"] += 1
    found = [rules.delivery_rule(variables) for _ in range(count)]
    if found:
        found[-1].update(audienceIds=rng.choice(([], [], found[-1]["audienceIds"])))
    if count > 1 and rng.random() < 0.08:
        seen["delivery rule id twice"] += 1
        found[rng.randrange(1, count)]["id"] = found[0]["id"]
    return {"id": rules.new_id(), "experiments": found}


def _steal_ids(rng: Random, seen: Counter[str], rules: Rules, rollouts: list[Entity]) -> None:
    """Give delivery rules the ids and keys of experiments."""
    if not rules.collide:
        return
    for rollout in rollouts:
        for rule in rollout["experiments"]:
            drawn = rng.random()
            if drawn < 0.15:
                seen["delivery rule key of an experiment"] += 1
                seen["rule key of another flag"] += 1
                rule["key"] = rng.choice(rules.rule_keys or ["k"])
            elif drawn < 0.2:
                seen["delivery rule id of an experiment"] += 1
                rule["id"] = rng.choice(rules.experiment_ids)


def _flags(
    rng: Random, seen: Counter[str], rules: Rules, usable: list[str],
    rollouts: list[Entity], variables: list[list[Entity]],
) -> list[Entity]:  # fmt: skip
    used: Counter[str] = Counter()
    flags: list[Entity] = []
    for index, own in enumerate(variables):
        ids = rng.sample(usable, min(len(usable), rng.choice((0, 1, 1, 2, 3))))
        used.update(set(ids))
        rollout_id = rollouts[index]["id"]
        drawn = rng.random()
        if drawn < 0.1:
            seen["no rollout"] += 1
            rollout_id = ""
        elif drawn < 0.2 and index:
            seen["rollout in two flags"] += 1
            rollout_id = rollouts[0]["id"]
        flags.append({
            "id": f"90{index}", "key": f"flag_{index}", "experimentIds": ids,
            "rolloutId": rollout_id, "variables": own,
        })  # fmt: skip
    if any(count > 1 for count in used.values()):
        seen["experiment in two flags"] += 1
    if len(flags) > 1 and rng.random() < rules.collide / 2:
        seen["flag key twice"] += 1
        flags[-1]["key"] = flags[0]["key"]
    return flags


def _note_feature_rollouts(seen: Counter[str], datafile: Entity) -> None:
    """What the `fr` experiments of the flags meet."""
    by_id = {each["id"]: each for each in datafile["experiments"]}
    for group in datafile["groups"]:
        by_id.update({each["id"]: each for each in group["experiments"]})
    rollouts = {each["id"]: each["experiments"] for each in datafile["rollouts"]}
    met: Counter[str] = Counter()
    for flag in datafile["featureFlags"]:
        rules = rollouts.get(flag["rolloutId"])
        for each in flag["experimentIds"]:
            if by_id[each].get("type") != "fr":
                continue
            if not rules:
                seen["fr without rollout"] += 1
                continue
            met[each] += 1
            last = rules[-1]["variations"][0]
            if last["key"] in {variation["key"] for variation in by_id[each]["variations"]}:
                seen["fr key collision"] += 1
    if any(count > 1 for count in met.values()):
        seen["fr in two flags"] += 1


def _variables(rng: Random, seen: Counter[str], flag: int) -> list[Entity]:
    found: list[Entity] = []
    for index in range(rng.choice((0, 1, 2, 4))):
        kind = rng.choice(("boolean", "integer", "double", "string", "json", "other"))
        seen[f"variable {kind}"] += 1
        variable: Entity = {"id": f"7{flag}{index}", "key": f"var_{index}", "type": kind}
        if kind == "string" and rng.random() < 0.3:
            seen["variable subType json"] += 1
            variable["subType"] = "json"
            value = override_value(rng, {"type": "json"})
        else:
            value = override_value(rng, variable)
        variable["defaultValue"] = value
        seen["variable odd value" if isinstance(value, str) else "variable not text"] += 1
        found.append(variable)
    if len(found) > 1 and rng.random() < 0.04:
        seen["variable key twice"] += 1
        found[-1]["key"] = found[0]["key"]
    return found


def _attributes(rng: Random, seen: Counter[str]) -> list[Entity]:
    found = [{"id": str(5000 + index), "key": key} for index, key in enumerate(WORDS)]
    if rng.random() < 0.1:
        seen["attribute twice"] += 1
        found.append({"id": "5900", "key": "tier"})
    if rng.random() < 0.1:
        seen["attribute reserved"] += 1
        found.append({"id": "5901", "key": "$opt_x"})
    if rng.random() < 0.1:
        seen["attribute empty id"] += 1
        found.append({"id": "", "key": "member"})
    return found


def _events(rng: Random, seen: Counter[str]) -> list[Entity]:
    found: list[Entity] = [
        {"id": "6000", "key": "purchase", "experimentIds": []},
        {"id": "6001", "key": "sign up", "experimentIds": ["404"]},
    ]
    if rng.random() < 0.1:
        seen["event twice"] += 1
        found.append({"id": "6002", "key": "purchase", "experimentIds": []})
    return found


def _top_level(rng: Random, seen: Counter[str], datafile: Entity) -> None:
    """The settings of the project, and sections that older versions lack."""
    on = rng.choice((True, True, False, None, 1, "false", 0))
    if isinstance(on, bool):
        seen[f"sendFlagDecisions {'on' if on else 'off'}"] += 1
    else:
        seen["sendFlagDecisions odd"] += 1
    datafile["sendFlagDecisions"] = on
    if rng.random() < 0.4:
        seen["botFiltering"] += 1
        datafile["botFiltering"] = rng.choice((True, False, None, "true"))
    if rng.random() < 0.4:
        seen["anonymizeIP"] += 1
        datafile["anonymizeIP"] = rng.choice((True, False, None))
    if rng.random() < 0.3:
        region = rng.choice(("EU", "eu", "US", "", "MARS", None))
        seen["region EU" if str(region).upper() == "EU" else "region odd"] += 1
        datafile["region"] = region
    if rng.random() < 0.2:
        seen["integrations"] += 1
        odp = {"key": "odp", "host": "https://odp.example", "publicKey": "k"}
        datafile["integrations"] = [odp, {"key": "other"}]
    if datafile["version"] != "4":
        for name in ("sendFlagDecisions", "typedAudiences"):
            if rng.random() < 0.5:
                seen["sections absent"] += 1
                datafile.pop(name)
