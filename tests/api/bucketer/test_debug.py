"""What a debug answer shows, and how large it may get: in proportion to request and datafile."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from tests.fakes.editions import AnEdition, Client

from bucketer import demo
from bucketer.api.bucketer.debug import MOST_CHARS

KEY = "checkout_flow_experiment"


def condition(name, value, match="exact"):
    return {"name": name, "value": value, "match": match, "type": "custom_attribute"}


def a_client(conditions, listed=1, rules=1):
    """A client of a datafile: one audience, listed so often by so many delivery rules."""
    datafile = json.loads(Path(demo.PATH).read_bytes())
    audience = {"id": "900", "name": "Many", "conditions": ["or", *conditions]}
    datafile["typedAudiences"].append(audience)
    datafile["audiences"].append({**audience, "conditions": "[]"})
    tree = ["or", *["900"] * listed]
    datafile["experiments"][0]["audienceConditions"] = tree
    rollout = datafile["rollouts"][0]["experiments"]
    for number in range(rules - 1):
        rule = copy.deepcopy(rollout[-1])
        rule.update(id=f"8{number}", key=f"rule-{number}", audienceConditions=tree)
        rollout.insert(0, rule)
    flag = datafile["featureFlags"][0]
    flag["rolloutId"] = datafile["rollouts"][0]["id"]
    client = Client(AnEdition(datafile))
    client.datafile_bytes = len(json.dumps(datafile))
    return client


def debugged(client, **attributes):
    """A debug answer's text, and itself."""
    flag = json.loads(Path(demo.PATH).read_bytes())["featureFlags"][0]["key"]
    body = json.dumps(
        {"f": flag, "u": "ada", "a": attributes, "debug": True, "track": False}
    ).encode()
    answer = client.ask(method="POST", body=body).response.body
    return answer.decode(), json.loads(answer), len(body)


def every(reason):
    yield reason
    for child in reason.get("conditions", []):
        yield from every(child)


def all_of(answer):
    return [each for reason in answer["debug"]["reasons"] for each in every(reason)]


@pytest.mark.parametrize("match", ["exact", "substring", "semver_ge", "gt"])
def test_a_long_value_is_shown_once_and_cut_however_many_conditions_name_it(match):
    value = "Needle" + "x" * 1_000_000
    target = 5 if match == "gt" else "1.0"
    client = a_client([condition("tier", target, match)] * 28)

    text, answer, asked = debugged(client, tier=value)

    assert text.count("Needle") == 1
    assert len(text) < asked // 20 + 2 * client.datafile_bytes
    told = [each for each in all_of(answer) if each["code"] == "condition"]
    assert {1_000_006} == {each["user_value_chars"] for each in told}
    assert all("a string of 1,000,006 characters" in each["why"] for each in told)
    assert not any("user_value" in each for each in told)


@pytest.mark.parametrize(
    ("chars", "whole", "repeated"),
    [
        (200, True, True),
        (201, True, False),
        (MOST_CHARS, True, False),
        (MOST_CHARS + 1, False, False),
    ],
)
def test_both_sides_of_what_is_shown_of_a_value(chars, whole, repeated):
    _, answer, _ = debugged(a_client([condition("tier", "x")]), tier="y" * chars)
    shown = answer["debug"]["user_attributes"]["tier"]
    [told] = [each for each in all_of(answer) if each["code"] == "condition"]

    assert shown == ("y" * chars if whole else "y" * MOST_CHARS + f"… ({chars} characters)")
    assert told.get("user_value") == ("y" * chars if repeated else None)
    assert told.get("user_value_chars") == (None if repeated else chars)


@pytest.mark.parametrize(("listed", "rules"), [(300, 1), (1, 300), (30, 30), (5_000, 1)])
def test_the_answer_stays_in_proportion_however_often_an_audience_is_listed(listed, rules):
    conditions = [condition("tier", f"t{number}", "substring") for number in range(90)]
    client = a_client(conditions, listed, rules)

    text, _, asked = debugged(client, tier="platinum")

    assert len(text) < 25 * (asked + client.datafile_bytes)


def test_a_long_user_id_is_shown_once():
    client = Client()
    body = json.dumps({"e": KEY, "u": "Needle" + "x" * 500_000, "debug": 1}).encode()

    answer = client.ask(method="POST", body=body).response.body

    assert answer.count(b"Needle") == 1
    assert len(answer) < 2 * len(body)
