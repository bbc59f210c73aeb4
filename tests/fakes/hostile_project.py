"""A datafile that somebody wrote to hurt whoever looks at it: a thousand flags, and names of all kinds."""

from __future__ import annotations

import json

MARKUP = "<img src=x onerror=\"window.hurt='img'\"><script>window.hurt='script'</script>"
#: Right to left, with a mark that turns the direction of what follows.
HEBREW = "מבצע\u202e סתיו"
EMOJI = "🎲👩‍👩‍👧‍👦"
LONG = "a_key_that_never_ends_" * 40
QUOTES = """it's "quoted" \\ `$(touch hurt)` ${hurt} %41 {origin} '); import os #"""
NAMES = (MARKUP, HEBREW, EMOJI, LONG, QUOTES, "__proto__", " ", "{{7*7}}", "javascript:hurt()")
FLAGS = 1000


def _condition(name, value):
    return {"match": "exact", "name": name, "type": "custom_attribute", "value": value}


def _experiment(number, key, audiences):
    variations = [
        {"id": f"v{number}a", "key": key, "featureEnabled": True, "variables": []},
        {"id": f"v{number}b", "key": f"other {key}", "featureEnabled": False, "variables": []},
    ]
    return {
        "id": f"e{number}",
        "key": f"experiment {key}",
        "layerId": f"l{number}",
        "status": "Running",
        "audienceIds": audiences,
        "audienceConditions": ["or", *audiences] if audiences else [],
        "forcedVariations": {MARKUP: key},
        "variations": variations,
        "trafficAllocation": [
            {"entityId": f"v{number}a", "endOfRange": 5000},
            {"entityId": f"v{number}b", "endOfRange": 10_000},
        ],
    }


def hostile_datafile():
    """Flags by each name, with an experiment and an audience of it, and plain ones up to `FLAGS`."""
    names = [*NAMES, *(f"flag_{number:04}" for number in range(len(NAMES), FLAGS))]
    audiences = [
        {"id": f"a{number}", "name": name, "conditions": ["or", _condition(name, name)]}
        for number, name in enumerate(NAMES)
    ]
    experiments = [
        _experiment(number, name, [f"a{number}"] if number < len(NAMES) else [])
        for number, name in enumerate(names)
    ]
    flags = [
        {
            "id": f"f{number}",
            "key": name,
            "rolloutId": "",
            "experimentIds": [f"e{number}"],
            "variables": [
                {"id": f"x{number}", "key": name, "type": "string", "defaultValue": name}
            ],
        }
        for number, name in enumerate(names)
    ]
    return {
        "accountId": "81",
        "projectId": "11",
        "revision": MARKUP,
        "version": "4",
        "sdkKey": "hostile",
        "environmentKey": HEBREW,
        "anonymizeIP": True,
        "botFiltering": False,
        "sendFlagDecisions": True,
        "attributes": [{"id": f"t{number}", "key": name} for number, name in enumerate(NAMES)],
        "audiences": [],
        "typedAudiences": audiences,
        "events": [{"id": "ev0", "key": MARKUP, "experimentIds": ["e0"]}],
        "experiments": experiments,
        "groups": [],
        "featureFlags": flags,
        "rollouts": [],
        "holdouts": [],
        "integrations": [],
        "variables": [],
    }


def write_hostile_datafile(path):
    """Write it to *path*."""
    path.write_text(json.dumps(hostile_datafile(), ensure_ascii=False), "utf-8")
    return path
