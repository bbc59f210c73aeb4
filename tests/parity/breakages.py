"""Ways to break a datafile, each with the datafile that shows what the rest must still decide.

Section 6: what the SDK answers by refusing the whole datafile (or by raising) costs the broken part
here and nothing else. So each breakage names its *twin*: the same datafile with the broken part
left out or mended, which the SDK accepts; everything outside the broken part has to decide as the
SDK decides on the twin.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any, NamedTuple

Datafile = dict[str, Any]
NOWHERE = "31415926"
#: A field with this value is left out.
MISSING = object()
_EVERYBODY: Datafile = {"audienceConditions": []}


class Broken(NamedTuple):
    """A broken datafile.

    Attributes:
        datafile: what we are given.
        twin: what the SDK is given to know what the rest decides.
        dead: keys of flags that must decide nothing.
        refused: the SDK refuses the datafile or its constructor raises.
        told: the compiler has to say something about it.
        validate: whether the SDK checks its schema for the twin.
    """

    datafile: Datafile
    twin: Datafile
    dead: tuple[str, ...] = ()
    refused: bool = True
    told: bool = True
    validate: bool = True


Breakage = Callable[[Datafile, Random], Broken]
BREAKAGES: dict[str, Breakage] = {}


def breakage(name: str) -> Callable[[Breakage], Breakage]:
    """Enter a breakage under *name*."""

    def enter(function: Breakage) -> Breakage:
        BREAKAGES[name] = function
        return function

    return enter


# --- flags --------------------------------------------------------------------------------------

_FLAG_FAULTS: dict[str, Callable[[Datafile], object]] = {
    "flag of an unknown experiment": lambda flag: flag["experimentIds"].append(NOWHERE),
    "flag of an experiment without id": lambda flag: flag["experimentIds"].append(None),
    "flag of an unknown rollout": lambda flag: flag.update(rolloutId=NOWHERE),
    "flag rolloutId null": lambda flag: flag.update(rolloutId=None),
    "flag rolloutId absent": lambda flag: flag.pop("rolloutId"),
    "flag variables null": lambda flag: flag.update(variables=None),
    "flag variables absent": lambda flag: flag.pop("variables"),
    "flag experimentIds null": lambda flag: flag.update(experimentIds=None),
    "flag experimentIds absent": lambda flag: flag.pop("experimentIds"),
    "variable without type": lambda flag: flag["variables"].append(
        {"id": "1", "key": "v", "defaultValue": ""}
    ),
    "variable without defaultValue": lambda flag: flag["variables"].append(
        {"id": "1", "key": "v", "type": "string"}
    ),
}


def _flag_breakage(fault: Callable[[Datafile], object]) -> Breakage:
    def broken(datafile: Datafile, rng: Random) -> Broken:
        index = rng.randrange(len(datafile["featureFlags"]))
        twin = deepcopy(datafile)
        key = twin["featureFlags"].pop(index)["key"]
        fault(datafile["featureFlags"][index])
        return Broken(datafile, twin, dead=(key,))

    return broken


for _name, _fault in _FLAG_FAULTS.items():
    BREAKAGES[_name] = _flag_breakage(_fault)


@breakage("flag of a delivery rule")
def _(datafile: Datafile, rng: Random) -> Broken:
    twin = deepcopy(datafile)
    rule = experiment("deliver-1")
    for each in (datafile, twin):
        each["rollouts"].append({"id": "777", "experiments": [deepcopy(rule)]})
    datafile["featureFlags"].append(flag("dead", ["deliver-1"], "777"))
    return Broken(datafile, twin, dead=("dead",))


# --- rules --------------------------------------------------------------------------------------


def experiment(rule_id: str, **changes: Any) -> Datafile:
    """An experiment that everybody is in."""
    rule: Datafile = {
        "id": rule_id, "key": f"key-{rule_id}", "status": "Running", "layerId": "9",
        "variations": [{"id": f"1{rule_id}", "key": "on", "featureEnabled": True, "variables": []}],
        "trafficAllocation": [{"entityId": f"1{rule_id}", "endOfRange": 10_000}],
        "audienceIds": [], "forcedVariations": {},
    }  # fmt: skip
    return {**rule, **changes}


def flag(key: str, experiment_ids: list[Any], rollout_id: str = "") -> Datafile:
    """A flag without variables."""
    return {
        "id": key, "key": key, "experimentIds": experiment_ids, "rolloutId": rollout_id,
        "variables": [],
    }  # fmt: skip


def _without(name: str) -> Callable[[Datafile], object]:
    return lambda rule: rule.pop(name)


_RULE_FAULTS: dict[str, Callable[[Datafile], object]] = {
    **{f"rule without {name}": _without(name) for name in (
        "status", "layerId", "variations", "forcedVariations", "trafficAllocation", "audienceIds",
    )},
    "rule audienceIds text": lambda rule: rule.update(audienceIds="8000"),
    "rule allocation text end": lambda rule: rule["trafficAllocation"][0].update(endOfRange="5"),
    "rule variation without key": lambda rule: rule["variations"][0].pop("key"),
    "rule variation without id": lambda rule: rule["variations"][0].pop("id"),
    "override without value": lambda rule: rule["variations"][0].update(variables=[{"id": "1"}]),
    "override without id": lambda rule: rule["variations"][0].update(variables=[{"value": "1"}]),
    "overrides no list": lambda rule: rule["variations"][0].update(variables={"id": "1"}),
}  # fmt: skip


def _rule_breakage(fault: Callable[[Datafile], object], *, delivery: bool) -> Breakage:
    def broken(datafile: Datafile, rng: Random) -> Broken:
        twin = deepcopy(datafile)
        rule = experiment("broken-1")
        fault(rule)
        if delivery:
            datafile["rollouts"].append({"id": "777", "experiments": [rule, experiment("whole-1")]})
            datafile["featureFlags"].append(flag("dead", [], "777"))
        else:
            datafile["experiments"].append(rule)
            datafile["featureFlags"].append(flag("dead", ["broken-1"]))
        text_end = delivery and fault is _RULE_FAULTS["rule allocation text end"]
        return Broken(datafile, twin, dead=("dead",), refused=not text_end)

    return broken


for _name, _fault in _RULE_FAULTS.items():
    BREAKAGES[_name] = _rule_breakage(_fault, delivery=False)
    # In a delivery rule the text is one audience id, and nobody reads a whitelist.
    if _name not in ("rule audienceIds text", "rule without forcedVariations"):
        BREAKAGES[f"delivery {_name}"] = _rule_breakage(_fault, delivery=True)


@breakage("bandit without traffic")
def _(datafile: Datafile, rng: Random) -> Broken:
    twin = deepcopy(datafile)
    datafile["experiments"].append(experiment("broken-1", cmab={"attributeIds": []}))
    datafile["featureFlags"].append(flag("dead", ["broken-1"]))
    return Broken(datafile, twin, dead=("dead",), refused=False)


def _group_breakage(missing: str) -> Breakage:
    def broken(datafile: Datafile, rng: Random) -> Broken:
        twin = deepcopy(datafile)
        group = {
            "id": "333", "policy": "random", "experiments": [experiment("member-1")],
            "trafficAllocation": [{"entityId": "member-1", "endOfRange": 10_000}],
        }  # fmt: skip
        del group[missing]
        datafile["groups"].append(group)
        datafile["featureFlags"].append(flag("dead", ["member-1"]))
        return Broken(datafile, twin, dead=("dead",))

    return broken


for _name in ("id", "policy", "experiments", "trafficAllocation"):
    BREAKAGES[f"group without {_name}"] = _group_breakage(_name)


@breakage("rollout without experiments")
def _(datafile: Datafile, rng: Random) -> Broken:
    twin = deepcopy(datafile)
    datafile["rollouts"].append({"id": "777"})
    datafile["featureFlags"].append(flag("dead", [], "777"))
    return Broken(datafile, twin, dead=("dead",))


@breakage("variables null in an experiment")
def _(datafile: Datafile, rng: Random) -> Broken:
    """The SDK's constructor raises on what its own Variation takes for an empty list."""
    rule = experiment("fine-1")
    for each in (datafile, twin := deepcopy(datafile)):
        each["experiments"].append(deepcopy(rule))
        each["featureFlags"].append(flag("fine", ["fine-1"]))
    datafile["experiments"][-1]["variations"][0]["variables"] = None
    return Broken(datafile, twin)


@breakage("end of range with a fraction")
def _(datafile: Datafile, rng: Random) -> Broken:
    """The schema wants an integer, a decision only a number: decided as it is in delivery rules."""
    for rule in datafile["experiments"]:
        for entry in rule["trafficAllocation"]:
            entry["endOfRange"] += rng.choice((0.0, 0.5))
    if not any(rule["trafficAllocation"] for rule in datafile["experiments"]):
        half = {"entityId": "1half-1", "endOfRange": 5000.5}
        datafile["experiments"].append(experiment("half-1", trafficAllocation=[half]))
    return Broken(datafile, deepcopy(datafile), validate=False)


#: Name → (what is odd about the rule, what the same comes to where it is whole).
_ODD_RULES: dict[str, tuple[Datafile, Datafile]] = {
    **{f"allocation entry {name}": (
        {"trafficAllocation": [odd, {"entityId": "1odd-1", "endOfRange": 9000}]},
        {"trafficAllocation": [{"entityId": "1odd-1", "endOfRange": 9000}]},
    ) for name, odd in (
        ("empty", {}), ("without end", {"entityId": "1odd-1"}),
        ("with null end", {"entityId": "1odd-1", "endOfRange": None}),
    )},
    **{f"allocation entry {name}": (
        {"trafficAllocation": [odd, {"entityId": "1odd-1", "endOfRange": 9000}]},
        {"trafficAllocation": [same, {"entityId": "1odd-1", "endOfRange": 9000}]},
    ) for name, odd, same in (
        ("without entity", {"endOfRange": 5000}, {"entityId": "", "endOfRange": 5000}),
        (
            "with null entity", {"entityId": None, "endOfRange": 5000},
            {"entityId": "", "endOfRange": 5000},
        ),
        (
            "with end true", {"entityId": "404", "endOfRange": True},
            {"entityId": "404", "endOfRange": 1},
        ),
    )},
    "layerId null": ({"layerId": None}, {"layerId": ""}),
    "layerId a number": ({"layerId": 5}, {"layerId": ""}),
    "audienceIds unread": (
        {"audienceIds": [5], "audienceConditions": []}, {"audienceConditions": []},
    ),
}  # fmt: skip


#: What other SDKs serve as well: a field that nobody reads is missing, or is of a wrong kind.
_UNREAD_RULES: dict[str, tuple[Datafile, Datafile, bool]] = {
    "audienceIds absent": ({"audienceIds": MISSING, "audienceConditions": []}, _EVERYBODY, True),
    "audienceIds null": ({"audienceIds": None, "audienceConditions": []}, _EVERYBODY, True),
}
_UNREAD_DELIVERIES: dict[str, tuple[Datafile, Datafile, bool]] = {
    "delivery audienceIds absent": _UNREAD_RULES["audienceIds absent"],
    "delivery audienceIds null": (*_UNREAD_RULES["audienceIds null"][:2], False),
    "delivery forcedVariations absent": ({"forcedVariations": MISSING}, {}, True),
    "delivery forcedVariations null": ({"forcedVariations": None}, {}, False),
    "delivery forcedVariations a list": ({"forcedVariations": []}, {}, False),
}


def _odd_rule_breakage(
    odd: Datafile, whole: Datafile, *, refused: bool = True, delivery: bool = False
) -> Breakage:
    def broken(datafile: Datafile, rng: Random) -> Broken:
        for each, change in ((datafile, odd), (twin := deepcopy(datafile), whole)):
            rule = {
                name: value
                for name, value in experiment("odd-1", **change).items()
                if value is not MISSING
            }
            if delivery:
                each["rollouts"].append({"id": "777", "experiments": [rule]})
                each["featureFlags"].append(flag("odd", [], "777"))
            else:
                each["experiments"].append(rule)
                each["featureFlags"].append(flag("odd", ["odd-1"]))
        return Broken(datafile, twin, refused=refused)

    return broken


for _name, (_odd, _same) in _ODD_RULES.items():
    BREAKAGES[_name] = _odd_rule_breakage(_odd, _same)
for _name, (_odd, _same, _refused) in _UNREAD_RULES.items():
    BREAKAGES[_name] = _odd_rule_breakage(_odd, _same, refused=_refused)
for _name, (_odd, _same, _refused) in _UNREAD_DELIVERIES.items():
    BREAKAGES[_name] = _odd_rule_breakage(_odd, _same, refused=_refused, delivery=True)


def _policy_breakage(policy: Any) -> Breakage:
    def broken(datafile: Datafile, rng: Random) -> Broken:
        for each, value in ((datafile, policy), (twin := deepcopy(datafile), "overlapping")):
            each["groups"].append({
                "id": "333", "policy": value, "experiments": [experiment("member-1")],
                "trafficAllocation": [{"entityId": "404", "endOfRange": 10_000}],
            })  # fmt: skip
            each["featureFlags"].append(flag("odd", ["member-1"]))
        return Broken(datafile, twin)

    return broken


for _name, _policy in (("null", None), ("a number", 5), ("a list", [])):
    BREAKAGES[f"group policy {_name}"] = _policy_breakage(_policy)


@breakage("flag without id")
def _(datafile: Datafile, rng: Random) -> Broken:
    twin = deepcopy(datafile)
    odd = rng.choice(datafile["featureFlags"])
    if rng.random() < 0.5:
        del odd["id"]
    else:
        odd["id"] = rng.choice(([], {}))
    return Broken(datafile, twin)


@breakage("broken rule with the key of a whole one")
def _(datafile: Datafile, rng: Random) -> Broken:
    """A whole one of its own: any of the others may have lost its key to one with the same id."""
    for each in (datafile, twin := deepcopy(datafile)):
        each["experiments"].append(experiment("whole-1"))
    rule = experiment("broken-1", key="key-whole-1")
    del rule["status"]
    datafile["rollouts"].append({"id": "777", "experiments": [rule]})
    datafile["featureFlags"].append(flag("dead", [], "777"))
    return Broken(datafile, twin, dead=("dead",))


@breakage("broken flag that shares a feature rollout")
def _(datafile: Datafile, rng: Random) -> Broken:
    """What it would have given to the shared experiment it doesn't give."""
    shared = experiment("shared-1", type="fr", trafficAllocation=[])
    for each in (datafile, twin := deepcopy(datafile)):
        each["experiments"].append(deepcopy(shared))
        for rollout_id in ("777", "778"):
            rule = experiment(f"rest-{rollout_id}")
            each["rollouts"].append({"id": rollout_id, "experiments": [rule]})
    broken = experiment("broken-1")
    del broken["status"]
    datafile["experiments"].append(broken)
    datafile["featureFlags"].append(flag("dead", ["shared-1", "broken-1"], "777"))
    for each in (datafile, twin):
        each["featureFlags"].append(flag("alive", ["shared-1"], "778"))
    return Broken(datafile, twin, dead=("dead",))


@breakage("whitelist value no text")
def _(datafile: Datafile, rng: Random) -> Broken:
    for each in (datafile, twin := deepcopy(datafile)):
        each["experiments"].append(experiment("white-1", forcedVariations={"white-0": "none"}))
    datafile["experiments"][-1]["forcedVariations"] = {"white-0": rng.choice(([], {}, ["on"]))}
    return Broken(datafile, twin, refused=False)


# --- audiences ----------------------------------------------------------------------------------


def _with_audience(datafile: Datafile, audience_id: str = "8999") -> None:
    """A flag whose experiments want, and don't want, the audience."""
    wants = experiment("wants-1", audienceIds=[audience_id])
    spurns = experiment("spurns-1", audienceConditions=["not", audience_id])
    datafile["experiments"] += [wants, spurns]
    datafile["featureFlags"].append(flag("judged", ["wants-1", "spurns-1"]))


def _audience_breakage(section: str, audience: Datafile) -> Breakage:
    def broken(datafile: Datafile, rng: Random) -> Broken:
        _with_audience(datafile)
        twin = deepcopy(datafile)
        datafile.setdefault(section, []).append(deepcopy(audience))
        return Broken(datafile, twin)

    return broken


for _name, _text in (("not JSON", "{"), ("empty text", ""), ("deep", "[" * 100_000)):
    BREAKAGES[f"audience {_name}"] = _audience_breakage(
        "audiences", {"id": "8999", "name": "a", "conditions": _text}
    )
for _name in ("name", "conditions"):
    _whole = {"id": "8999", "name": "a", "conditions": ["or"]}
    BREAKAGES[f"typed audience without {_name}"] = _audience_breakage(
        "typedAudiences", {field: value for field, value in _whole.items() if field != _name}
    )


@breakage("typed audience broken beside its twin")
def _(datafile: Datafile, rng: Random) -> Broken:
    _with_audience(datafile)
    twin = deepcopy(datafile)
    whole = {"id": "8999", "name": "a", "conditions": '["and"]'}
    datafile["audiences"].append(whole)
    datafile.setdefault("typedAudiences", []).append({"id": "8999", "name": "a"})
    return Broken(datafile, twin)


@breakage("qualified by a list")
def _(datafile: Datafile, rng: Random) -> Broken:
    """The SDK collects the names of all segments, and a list is no name."""
    _with_audience(datafile)
    leaf = {"type": "third_party_dimension", "name": "x", "match": "qualified", "value": ["a"]}
    audience = {"id": "8999", "name": "a", "conditions": ["not", leaf]}
    datafile.setdefault("typedAudiences", []).append(audience)
    twin = deepcopy(datafile)
    twin["typedAudiences"][-1]["conditions"][1]["value"] = 5
    return Broken(datafile, twin, told=False)


def _conditions_breakage(conditions: Any, same_as: Any, *, refused: bool) -> Breakage:
    def broken(datafile: Datafile, rng: Random) -> Broken:
        for each in (datafile, twin := deepcopy(datafile)):
            each["experiments"].append(experiment("odd-1", audienceConditions=same_as))
            each["featureFlags"].append(flag("odd", ["odd-1"]))
            for audience in each.get("typedAudiences", ()):
                audience["name"] = "a"  # the SDK's constructor writes the names of these out
        datafile["experiments"][-1]["audienceConditions"] = conditions
        told = conditions != [["not", "8000"]]
        return Broken(datafile, twin, told=told, refused=refused)

    return broken


for _name, _conditions, _same in (
    ("an object for an audience id", ["or", {}], ["or", "404"]),
    ("a number for an audience id", ["not", 5], ["not", "404"]),
    ("null for an audience id", ["and", None, "8000"], ["and", "404", "8000"]),
    ("audienceConditions a number", 5, "404"),
    ("audienceConditions true", True, "404"),
    ("a list of one list", [["not", "8000"]], ["or", ["not", "8000"]]),
):
    BREAKAGES[_name] = _conditions_breakage(_conditions, _same, refused="null" not in _name)


# --- holdouts, sections, the rest ---------------------------------------------------------------

_HOLDOUT_FAULTS: dict[str, Callable[[Datafile], object]] = {
    **{f"holdout without {name}": _without(name) for name in (
        "id", "key", "status", "variations", "trafficAllocation", "audienceIds",
    )},
    "holdout variation without key": lambda holdout: holdout["variations"][0].pop("key"),
    "holdout allocation text end": lambda holdout: holdout["trafficAllocation"][0].update(
        endOfRange="5"
    ),
}  # fmt: skip


def _holdout_breakage(fault: Callable[[Datafile], object], *, local: bool) -> Breakage:
    def broken(datafile: Datafile, rng: Random) -> Broken:
        twin = deepcopy(datafile)
        holdout = {
            "id": "h1", "key": "held", "status": "Running", "audienceIds": [],
            "variations": [{"id": "hv", "key": "off"}],
            "trafficAllocation": [{"entityId": "hv", "endOfRange": 10_000}],
        }  # fmt: skip
        if local:
            holdout["includedRules"] = [each["id"] for each in datafile["experiments"]]
        fault(holdout)
        datafile.setdefault("localHoldouts" if local else "holdouts", []).append(holdout)
        text_end = fault is _HOLDOUT_FAULTS["holdout allocation text end"]
        return Broken(datafile, twin, refused=not text_end)

    return broken


for _name, _fault in _HOLDOUT_FAULTS.items():
    BREAKAGES[_name] = _holdout_breakage(_fault, local=False)
    BREAKAGES[f"local {_name}"] = _holdout_breakage(_fault, local=True)


def _section_breakage(name: str) -> Breakage:
    def broken(datafile: Datafile, rng: Random) -> Broken:
        dead = ()
        if name == "rollouts":
            dead = tuple(each["key"] for each in datafile["featureFlags"] if each["rolloutId"])
        twin = deepcopy(datafile)
        twin["featureFlags"] = [each for each in twin["featureFlags"] if each["key"] not in dead]
        twin.pop(name, None)
        datafile[name] = None
        return Broken(datafile, twin, dead=dead)

    return broken


for _name in ("typedAudiences", "featureFlags", "rollouts", "holdouts", "localHoldouts"):
    BREAKAGES[f"{_name} null"] = _section_breakage(_name)


@breakage("integrations odd")
def _(datafile: Datafile, rng: Random) -> Broken:
    twin = deepcopy(datafile)
    twin.pop("integrations", None)
    datafile["integrations"] = rng.choice((None, 5, "x", {}, True, [{}], [{"key": 5}], [5]))
    return Broken(datafile, twin)


@breakage("attribute without key")
def _(datafile: Datafile, rng: Random) -> Broken:
    twin = deepcopy(datafile)
    datafile["attributes"].append({"id": "5999"})
    return Broken(datafile, twin)


@breakage("event without id")
def _(datafile: Datafile, rng: Random) -> Broken:
    twin = deepcopy(datafile)
    datafile["events"].append({"key": "lost", "experimentIds": []})
    return Broken(datafile, twin)


@breakage("event without experimentIds")
def _(datafile: Datafile, rng: Random) -> Broken:
    """Nothing reads them, so their absence costs nothing."""
    for each in (datafile, twin := deepcopy(datafile)):
        each["events"].append({"id": "6999", "key": "found", "experimentIds": []})
    del datafile["events"][-1]["experimentIds"]
    return Broken(datafile, twin)


@breakage("event of odd experiments")
def _(datafile: Datafile, rng: Random) -> Broken:
    for each in (datafile, twin := deepcopy(datafile)):
        each["events"].append({"id": "6999", "key": "found", "experimentIds": []})
    datafile["events"][-1]["experimentIds"] = rng.choice((None, 5, "x", {}, True, [5], [None]))
    return Broken(datafile, twin)


#: What a run has to meet of all this.
BROKEN = frozenset(f"broken: {name}" for name in BREAKAGES)
