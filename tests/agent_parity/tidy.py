"""A generated datafile made to fit Agent's types: it refuses a whole datafile for one value of another type.

Source of the types: go-sdk 2.3.1, pkg/config/datafileprojectconfig.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any

ANY = object()
VARIATION = {
    "id": str,
    "key": str,
    "featureEnabled": bool,
    "variables": [{"id": str, "value": str}],
}
TRAFFIC = [{"entityId": str, "endOfRange": int}]
EXPERIMENT = {
    "id": str,
    "key": str,
    "layerId": str,
    "status": str,
    "variations": [VARIATION],
    "trafficAllocation": TRAFFIC,
    "audienceIds": [str],
    "forcedVariations": (str,),
    "audienceConditions": ANY,
    "cmab": {"attributeIds": [str], "trafficAllocation": int},
}
HOLDOUT = {
    "id": str,
    "key": str,
    "status": str,
    "audienceIds": [str],
    "audienceConditions": ANY,
    "variations": [VARIATION],
    "trafficAllocation": TRAFFIC,
    "includedFlags": [str],
    "excludedFlags": [str],
}
AUDIENCE = {"id": str, "name": str, "conditions": ANY}
DATAFILE = {
    "attributes": [{"id": str, "key": str}],
    "audiences": [AUDIENCE],
    "typedAudiences": [AUDIENCE],
    "experiments": [EXPERIMENT],
    "groups": [
        {"id": str, "policy": str, "trafficAllocation": TRAFFIC, "experiments": [EXPERIMENT]}
    ],
    "featureFlags": [
        {
            "id": str,
            "rolloutId": str,
            "key": str,
            "experimentIds": [str],
            "variables": [
                {"id": str, "key": str, "type": str, "subType": str, "defaultValue": str}
            ],
        }
    ],
    "events": [{"id": str, "key": str, "experimentIds": [str]}],
    "rollouts": [{"id": str, "experiments": [EXPERIMENT]}],
    "holdouts": [HOLDOUT],
    "integrations": [{"key": str, "host": str, "publicKey": str}],
    "variables": [str],
    "accountId": str,
    "projectId": str,
    "revision": str,
    "version": str,
    "anonymizeIP": bool,
    "botFiltering": bool,
    "sendFlagDecisions": bool,
    "sdkKey": str,
    "environmentKey": str,
    "region": str,
}


def fit(value: Any, shape: Any) -> Any:
    """Return *value* in *shape*; what can't be made so becomes empty of that type."""
    if shape is ANY or value is None:
        return value
    if shape is str:
        return value if isinstance(value, str) else json.dumps(value)
    if shape is bool:
        return value if isinstance(value, bool) else bool(value) and value != "false"
    if shape is int:
        whole = (
            isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**31
        )
        return int(value) if whole else 0
    if isinstance(shape, list):
        return (
            [
                fit(each, shape[0])
                for each in value
                if not isinstance(shape[0], dict) or isinstance(each, dict)
            ]
            if isinstance(value, list)
            else []
        )
    if isinstance(shape, tuple):
        return (
            {name: fit(each, shape[0]) for name, each in value.items()}
            if isinstance(value, dict)
            else {}
        )
    if not isinstance(value, dict):
        return None
    return {name: fit(each, shape[name]) if name in shape else each for name, each in value.items()}


def tidy(datafile: dict[str, Any]) -> dict[str, Any]:
    """Return the datafile as Agent can read it."""
    fitted = fit(datafile, DATAFILE)
    fitted["version"] = "4"  # the only one that Agent reads
    # An audience that it can't read leaves a nil behind: whoever meets it drops the connection, or ends the process.
    for audience in (*(fitted.get("audiences") or ()), *(fitted.get("typedAudiences") or ())):
        audience["conditions"] = readable(audience.get("conditions"))
    # A JSON variable that is no object drops the connection of /v1/decide, and /v1/activate ends the process.
    json_ids = set()
    for flag in fitted.get("featureFlags") or ():
        for variable in flag.get("variables") or ():
            if "json" in (variable.get("type"), variable.get("subType")):
                json_ids.add(variable.get("id"))
                variable["defaultValue"] = as_object(variable.get("defaultValue"))
    for rule in rules_of(fitted):
        for variation in rule.get("variations") or ():
            for value in variation.get("variables") or ():
                if value.get("id") in json_ids:
                    value["value"] = as_object(value.get("value"))
    return fitted


def sound(datafile: dict[str, Any]) -> None:
    """Let the texts of variables be of their type, as Optimizely publishes them; in place."""
    kinds: dict[str, str] = {}
    for flag in datafile["featureFlags"]:
        for variable in flag["variables"]:
            kinds[variable["id"]] = variable["type"]
            variable["defaultValue"] = of_kind(variable["type"], variable["defaultValue"])
    for rule in rules_of(datafile):
        for variation in rule.get("variations") or ():
            for value in variation.get("variables") or ():
                value["value"] = of_kind(kinds.get(value["id"], ""), value["value"])


def of_kind(kind: str, text: Any) -> Any:
    if kind == "boolean" and text not in ("true", "false"):
        return "true"
    if kind in ("integer", "double"):
        whole = re.fullmatch(
            r"-?[0-9]{1,9}" if kind == "integer" else r"-?[0-9]{1,9}\.[0-9]+", str(text)
        )
        return text if whole else "7" if kind == "integer" else "2.5"
    return text


def rules_of(datafile: dict[str, Any]) -> list[dict[str, Any]]:
    found = [*(datafile.get("experiments") or ()), *(datafile.get("holdouts") or ())]
    for parent in (*(datafile.get("groups") or ()), *(datafile.get("rollouts") or ())):
        found += parent.get("experiments") or ()
    return found


def as_object(text: Any) -> str:
    try:
        if isinstance(json.loads(text), dict):
            return text
    except (TypeError, ValueError):
        pass
    return json.dumps({"was": text})


def readable(conditions: Any) -> Any:
    """Conditions whose leaves have text where Agent wants text, and which aren't empty."""
    if isinstance(conditions, str):
        try:
            parsed = json.loads(conditions)
        except ValueError:
            parsed = None
        return json.dumps(readable(parsed))
    return (
        leaves(conditions)
        if isinstance(conditions, (dict, list)) and conditions
        else [
            "or",
            {"type": "custom_attribute", "name": "never", "match": "exact", "value": "never"},
        ]
    )


def leaves(node: Any) -> Any:
    # What is no JSON number can't be read either.
    if isinstance(node, list):
        return [leaves(each) for each in node]
    if isinstance(node, dict):
        return {
            n: fit(v, str)
            if n in ("name", "type", "match")
            else 1
            if isinstance(v, float) and not isfinite(v)
            else v
            for n, v in node.items()
        }
    return node
