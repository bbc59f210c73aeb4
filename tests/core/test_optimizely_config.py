"""OptimizelyConfig: what a datafile defines, as Agent and the SDKs show it."""

import json
import re

import pytest

from bucketer.core.optimizely_config import optimizely_config


def camel(value):
    """The SDK's objects with the wire's names."""
    if isinstance(value, list):
        return [camel(each) for each in value]
    if isinstance(value, dict):
        return {key: camel(each) for key, each in value.items()}
    if not hasattr(value, "__dict__"):
        return value
    return {
        re.sub(r"_(\w)", lambda found: found[1].upper(), name): camel(each)
        for name, each in vars(value).items()
        if not name.startswith("_")
    }


def test_it_is_the_sdks_of_the_same_datafile(demonstration):
    sdk = pytest.importorskip("optimizely.optimizely")
    client = sdk.Optimizely(json.dumps(demonstration))
    theirs = camel(client.get_optimizely_config())
    ours = optimizely_config(demonstration)
    client.close()
    for name in ("experimentsMap", "attributes", "events", "environmentKey", "sdkKey", "revision"):
        assert ours[name] == theirs[name], name
    for key, feature in theirs["featuresMap"].items():
        own = ours["featuresMap"][key]
        for rule in (*own["deliveryRules"], *feature["deliveryRules"]):
            # What the SDK leaves out for delivery rules, and Agent doesn't.
            del rule["audiences"]
            for variation in rule["variationsMap"].values():
                for variable in variation["variablesMap"].values():
                    del variable["value"]
        assert own == feature
    assert {each["id"]: each["name"] for each in ours["audiences"]} == {
        each["id"]: each["name"] for each in theirs["audiences"]
    }


def a_rule(conditions):
    document = {
        "typedAudiences": [{"id": "1", "name": "One", "conditions": ["or", {"a": 1, "b": "<"}]}],
        "audiences": [
            {"id": "1", "name": "twin", "conditions": "x"},
            {"id": "2", "name": 'T"wo', "conditions": "[]"},
            {"id": "$opt_dummy_audience", "name": "dummy", "conditions": "[]"},
        ],
        "experiments": [
            {"id": "7", "key": "e", "variations": [], "audienceConditions": conditions}
        ],
    }
    return optimizely_config(document)


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        (None, ""),
        ([], ""),
        ("1", ""),
        (["1"], '"One"'),
        (["or", "1", "2"], '"One" OR "T\\"wo"'),
        (["1", "2"], '"One" OR "T\\"wo"'),
        (["and", "1", ["or", "2", "404"]], '"One" AND ("T\\"wo" OR "404")'),
        (["not", "1"], 'NOT "One"'),
        (["not", ["and", "1", "2"]], 'NOT ("One" AND "T\\"wo")'),
        (["not", "404"], 'NOT ""'),
        ([1, {"a": 1}, "1"], '"One"'),
    ],
)
def test_audiences_of_a_rule_are_written_as_people_do(conditions, text):
    assert a_rule(conditions)["experimentsMap"]["e"]["audiences"] == text


def test_typed_audiences_win_and_the_dummy_is_left_out():
    assert a_rule([])["audiences"] == [
        {"id": "1", "name": "One", "conditions": '["or",{"a":1,"b":"<"}]'},
        {"id": "2", "name": 'T"wo', "conditions": "[]"},
    ]


def test_a_variation_has_the_flags_variables_and_its_own_values_where_it_turns_the_flag_on():
    document = {
        "featureFlags": [
            {
                "id": "1",
                "key": "f",
                "experimentIds": ["7", "404"],
                "rolloutId": "9",
                "variables": [
                    {"id": "11", "key": "a", "type": "integer", "defaultValue": "1"},
                    {"id": "12", "key": "b", "type": "string", "subType": "json"},
                ],
            }
        ],
        "groups": [{"experiments": [rule("7", "e", enabled=True)]}],
        "rollouts": [{"id": "9", "experiments": [rule("8", "d", enabled=False)]}],
        "experiments": [rule("8", "d", enabled=True)],
    }
    config = optimizely_config(document)
    assert list(config["experimentsMap"]) == ["e"]
    feature = config["featuresMap"]["f"]
    assert [each["key"] for each in feature["experimentRules"]] == ["e"]
    [on] = feature["experimentRules"][0]["variationsMap"].values()
    assert on["variablesMap"]["a"] == {"id": "11", "key": "a", "type": "integer", "value": "5"}
    assert on["variablesMap"]["b"] == {"id": "12", "key": "b", "type": "json", "value": ""}
    [off] = feature["deliveryRules"][0]["variationsMap"].values()
    assert off["variablesMap"]["a"]["value"] == "1"


def rule(id_, key, *, enabled):
    variation = {
        "id": f"{id_}1",
        "key": "v",
        "featureEnabled": enabled,
        "variables": [{"id": "11", "value": "5"}],
    }
    return {"id": id_, "key": key, "variations": [variation]}


def test_entries_that_are_none_are_left_out():
    odd = {"experiments": [1, None, {"id": 5, "key": [], "variations": [{}, 3]}], "events": "x"}
    config = optimizely_config({**odd, "featureFlags": {}, "groups": [[], {"experiments": 1}]})
    assert list(config["experimentsMap"]) == [""]
    assert config["featuresMap"] == {}
    assert config["events"] == []
