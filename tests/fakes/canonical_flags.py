"""The flags of OpenFeature's provider conformance suite, as an Optimizely datafile, and one of ours.

Source: open-feature/spec, specification/assets/provider-tck (draft), flags/canonical-flags.json.
Ours is `gold-flag`: `gold` for users whose `tier` is gold, else `plain`.
"""

from __future__ import annotations

from tests.fakes.datafiles import a_datafile

#: The one user whom `targeting-key-flag` hits.
HIT = "5c3d8535-f81a-4478-a6d3-afaa4d51199e"
TEMPLATE = '{"showImages": true, "title": "Check out these pics!", "imagesPerPage": 100}'

#: Key, type and default of the one variable, the variation that everybody has, its value.
EVERYBODY = [
    ("boolean-flag", "boolean", "false", "on", "true"),
    ("string-flag", "string", "bye", "greeting", "hi"),
    ("integer-flag", "integer", "1", "ten", "10"),
    ("float-flag", "double", "0.1", "half", "0.5"),
    ("large-integer-flag", "integer", "1", "max-int32", "2147483647"),
    ("huge-integer-flag", "integer", "1", "max-safe", "9007199254740991"),
    ("integral-float-flag", "double", "0.1", "ten", "10.0"),
    ("boolean-zero-flag", "boolean", "true", "zero", "false"),
    ("integer-zero-flag", "integer", "1", "zero", "0"),
    ("string-zero-flag", "string", "str", "zero", ""),
    ("object-flag", "json", "{}", "template", TEMPLATE),
    ("wrong-flag", "string", "dos", "one", "uno"),
]
NOBODY = [
    ("disabled-boolean-flag", "boolean", "true"),
    ("disabled-string-flag", "string", "hi"),
    ("disabled-integer-flag", "integer", "10"),
    ("disabled-float-flag", "double", "0.5"),
]


def datafile(changing="foo", revision="1"):
    """The flags; *changing* is what `changing-flag` is."""
    flags, rollouts = [], []
    for key, kind, default, variation, value in [
        *EVERYBODY,
        ("changing-flag", "string", "unset", changing, changing),
    ]:
        flags.append(_flag(key, kind, default))
        rollouts.append(_rollout(key, _rule(key, "all", variation, value)))
    for key, kind, default in NOBODY:
        flags.append(_flag(key, kind, default))
        rollouts.append(_rollout(key, _rule(key, "all", "off", default, on=False)))
    # A whitelist comes before the audience, which is nobody: one user is hit, the rest go on.
    hit = _rule("targeting-key-flag", "test", "hit", "hit", ["nobody"])
    hit["forcedVariations"] = {HIT: "hit"}
    flags.append(_flag("targeting-key-flag", "string", "", [hit["id"]]))
    miss = _rule("targeting-key-flag", "all", "miss", "miss")
    rollouts.append(_rollout("targeting-key-flag", miss))
    flags.append(_flag("gold-flag", "string", ""))
    gold = _rule("gold-flag", "gold", "gold", "gold", ["gold"])
    rollouts.append(_rollout("gold-flag", gold, _rule("gold-flag", "all", "plain", "plain")))
    return a_datafile(
        revision=revision,
        environmentKey="production",
        attributes=[{"id": "tier", "key": "tier"}],
        audiences=[_audience("gold", "tier", "gold"), _audience("nobody", "$never", "true")],
        typedAudiences=[],
        groups=[],
        holdouts=[],
        experiments=[hit],
        rollouts=rollouts,
        featureFlags=flags,
    )


def _audience(name, attribute, value):
    asked = f'{{"type": "custom_attribute", "match": "exact", "name": "{attribute}", "value": "{value}"}}'
    return {"id": name, "name": name, "conditions": f'["and", {asked}]'}


def _flag(key, kind, default, experiment_ids=()):
    variable = {"id": f"var {key}", "key": "value", "type": kind, "defaultValue": default}
    if kind == "json":
        variable |= {"type": "string", "subType": "json"}
    return {
        "id": f"flag {key}",
        "key": key,
        "rolloutId": f"rollout {key}",
        "experimentIds": list(experiment_ids),
        "variables": [variable],
    }


def _rollout(key, *rules):
    return {"id": f"rollout {key}", "experiments": list(rules)}


def _rule(key, name, variation, value, audience_ids=(), *, on=True):
    return {
        "id": f"{name} {key}",
        "key": f"{name} {key}",
        "status": "Running",
        "layerId": f"layer {name} {key}",
        "audienceIds": list(audience_ids),
        "forcedVariations": {},
        "variations": [
            {
                "id": f"{variation} {key}",
                "key": variation,
                "featureEnabled": on,
                "variables": [{"id": f"var {key}", "value": value}],
            }
        ],
        "trafficAllocation": [{"entityId": f"{variation} {key}", "endOfRange": 10_000}],
    }
