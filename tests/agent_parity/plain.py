"""A datafile without what the two official SDKs read differently, so that decisions can be compared.

Bucketer decides as the Python SDK 5.7.0 does, Agent as the Go SDK 2.3.1. On datafiles that Optimizely never
publishes (ids that occur twice, traffic that ends nowhere, operators in upper case …) these two disagree. Each
function takes out one kind of that; docs/agent.md lists them.
"""

from __future__ import annotations

import json
import re

from tests.parity.datafiles.coverage import MATCHES

#: Versions that both compare alike: no build, no zero in front, no more than three numbers.
VERSION = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){0,2}(-[a-z]+(\.[1-9]\d*)?)?", re.ASCII)
OPERATORS = ("and", "or", "not")
_RULE = (
    "id", "key", "layerId", "status", "variations", "trafficAllocation", "audienceIds",
    "audienceConditions", "forcedVariations", "cmab",
)  # fmt: skip
_END = 10_000


def plain(datafile):
    """Change *datafile* in place; return it."""
    audiences = _audiences(datafile)
    seen = {"rule": set(), "key": set(), "variation": set()}
    datafile["groups"] = _unique(datafile.get("groups") or ())
    experiments = datafile.get("experiments") or []
    for group in datafile["groups"]:
        experiments = experiments + group["experiments"]
    for rule in experiments:
        _rule(rule, seen, audiences)
    for rollout in datafile.get("rollouts") or ():
        for rule in rollout["experiments"]:
            rule.pop("cmab", None)
            _rule(rule, seen, audiences)
    for holdout in datafile.get("holdouts") or ():
        holdout.pop("cmab", None)
        _rule(holdout, seen, audiences)
    _groups(datafile)
    _flags(datafile, {rule["id"] for rule in experiments})
    datafile.pop("localHoldouts", None)
    for name in ("attributes", "events"):
        datafile[name] = _unique(datafile.get(name) or (), "key")
    for name in ("anonymizeIP", "botFiltering", "sendFlagDecisions"):
        datafile[name] = bool(datafile.get(name))
    return datafile


def _unique(entities, *names):
    """Those with text for each name that none before them has."""
    found, seen = [], set()
    for each in entities:
        told = [(name, each.get(name)) for name in ("id", *names)]
        if all(isinstance(value, str) and value for _, value in told) and not seen & set(told):
            seen |= set(told)
            found.append(each)
    return found


def _audiences(datafile):
    """Audiences once each, with conditions that mean the same to both; their ids."""
    typed = _unique(datafile.get("typedAudiences") or ())
    ids = {each["id"] for each in typed}
    texts = [e for e in _unique(datafile.get("audiences") or ()) if e["id"] not in ids]
    for each in (*typed, *texts):
        conditions = each["conditions"]
        if isinstance(conditions, str):
            conditions = json.loads(conditions)
        each["conditions"] = _tree(conditions) or ["or", _never()]
        each["name"] = each["name"] if isinstance(each.get("name"), str) else each["id"]
    for each in texts:
        each["conditions"] = json.dumps(each["conditions"])
    datafile["typedAudiences"], datafile["audiences"] = typed, texts
    return {each["id"] for each in (*typed, *texts)} - {"$opt_dummy_audience"}


def _never():
    return {"type": "custom_attribute", "name": "never", "match": "exact", "value": "never"}


def _tree(node):
    """Operators in front of operands, and leaves that both can read; None for nothing."""
    if isinstance(node, dict):
        return node if _is_plain(node) else None
    if not isinstance(node, list) or not node:
        return None
    operator = node[0] if node[0] in OPERATORS else "or"
    rest = node[1:] if isinstance(node[0], str) else node
    operands = [made for made in map(_tree, rest) if made is not None]
    if operator == "not":
        operands = operands[:1]
    return [operator, *operands] if operands else None


def _is_plain(leaf):
    match, value, kind = (leaf.get(name) for name in ("match", "value", "type"))
    if kind == "third_party_dimension":
        return match == "qualified" and isinstance(value, str)
    if kind != "custom_attribute" or not isinstance(leaf.get("name"), str):
        return False
    if match not in MATCHES or match == "qualified":
        return False
    if match == "exists":
        return True
    if match == "exact":
        return isinstance(value, str | bool) or _is_number(value)
    if match == "substring":
        return isinstance(value, str) and bool(value)
    if match.startswith("semver"):
        return isinstance(value, str) and VERSION.fullmatch(value) is not None
    return _is_number(value)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53


def _rule(rule, seen, audiences):
    """Known fields; ids and keys that no other rule has; traffic that ends within the line."""
    for name in set(rule) - set(_RULE):
        del rule[name]
    rule["status"] = "Running"  # Agent's SDK looks at that of holdouts alone
    rule["key"] = rule["key"].strip()
    for name, used in (("id", seen["rule"]), ("key", seen["key"])):
        while not rule.get(name) or rule[name] in used:
            rule[name] = f"{rule.get(name) or 'r'}9"
        used.add(rule[name])
    rule["variations"] = _unique(rule["variations"] or (), "key")
    renamed = {}
    for variation in rule["variations"]:
        new = variation["id"]
        while new in seen["variation"]:
            new += "9"
        seen["variation"].add(new)
        renamed[variation["id"]] = variation["id"] = new
    rule["trafficAllocation"] = _allocation(rule.get("trafficAllocation") or (), renamed)
    rule["audienceIds"] = [e for e in rule.get("audienceIds") or () if e in audiences]
    conditions = _ids(rule.get("audienceConditions"), audiences)
    rule.pop("audienceConditions", None)
    if conditions is not None:
        rule["audienceConditions"] = conditions
    cmab = rule.get("cmab")
    if cmab:
        cmab["trafficAllocation"] = min(abs(cmab.get("trafficAllocation") or 0), _END)
        cmab["attributeIds"] = cmab.get("attributeIds") or []
    else:
        rule.pop("cmab", None)


def _ids(node, audiences):
    if isinstance(node, str):
        return node if node in audiences else None
    if not isinstance(node, list) or not node:
        return None
    operator = node[0] if node[0] in OPERATORS else "or"
    rest = node[1:] if node[0] in OPERATORS else node
    operands = [made for made in (_ids(each, audiences) for each in rest) if made is not None]
    if operator == "not":
        operands = operands[:1]
    return [operator, *operands] if operands else None


def _allocation(entries, renamed):
    found, last = [], 0
    for each in entries:
        end = each.get("endOfRange")
        if isinstance(end, int) and last <= end <= _END:
            last = end
            entity = each.get("entityId")
            found.append({"entityId": renamed.get(entity, ""), "endOfRange": end})
    return found


def _groups(datafile):
    for group in datafile["groups"]:
        group["policy"] = "random" if group.get("policy") == "random" else "overlapping"
        ids = {rule["id"]: rule["id"] for rule in group["experiments"]}
        group["trafficAllocation"] = _allocation(group.get("trafficAllocation") or (), ids)


def _flags(datafile, experiments):
    rollouts = {rollout["id"] for rollout in datafile.get("rollouts") or ()}
    datafile["featureFlags"] = _unique(datafile.get("featureFlags") or (), "key")
    for flag in datafile["featureFlags"]:
        flag["experimentIds"] = [e for e in flag.get("experimentIds") or () if e in experiments]
        flag["variables"] = _unique(flag.get("variables") or (), "key")
        if flag.get("rolloutId") not in rollouts:
            flag["rolloutId"] = ""
