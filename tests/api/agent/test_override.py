"""`/v1/override` and `/v1/reset`, and what an override does to decisions."""

import json

import pytest
from tests.fakes.agent_client import AgentClient

from bucketer.api.http import Known
from bucketer.api.needs import NotKept, OverrideGiven, OverridesNeeded, ResetGiven
from bucketer.api.options import ApiOptions
from bucketer.profiles.overrides import MemoryOverrides
from bucketer.profiles.sqlite_overrides import SqliteOverrides

EXPERIMENT, VARIATION = "checkout_flow_experiment", "two_step_checkout"
GIVEN = {"userId": "ben", "experimentKey": EXPERIMENT, "variationKey": VARIATION}


def agent(overrides=None, *, environment_id="production"):
    options = ApiOptions()
    options.overrides = MemoryOverrides() if overrides is None else overrides
    options.environment_id = environment_id
    return AgentClient(options=options)


def given(client, body, path="/v1/override"):
    """Ask, do what is needed as a runtime would, and ask again."""
    known = Known()
    try:
        return client.ask(path, body)
    except OverrideGiven as needed:
        known.asked = True
        known.previous = client.options.overrides.put(
            needed.environment_id, needed.user_id, needed.experiment_key, needed.variation_key
        )
    return client.ask(path, body, known=known)


def told(client, **changes):
    response = given(client, GIVEN | changes)
    return response.status, json.loads(response.body)


def test_the_answer_is_agents_to_the_byte():
    response = given(agent(), GIVEN)

    assert response.body == (
        b'{"userId":"ben","experimentKey":"checkout_flow_experiment","variationKey":'
        b'"two_step_checkout","prevVariationKey":"","messages":null}\n'
    )
    assert ("Content-Type", "application/json; charset=utf-8") in response.headers


def test_each_step_is_told_in_agents_words():
    client = agent()
    steps = [
        ({"variationKey": ""}, "", ["no pre-existing override"]),
        ({"variationKey": VARIATION}, "", None),
        ({"variationKey": "zz"}, VARIATION,
         ["variationKey not found in configuration", "updating previous override"]),
        ({"variationKey": VARIATION}, "zz", ["updating previous override"]),
        ({"variationKey": ""}, VARIATION, ["removing previous override"]),
        ({"experimentKey": "nope"}, "", ["experimentKey not found in configuration"]),
    ]  # fmt: skip
    for changes, previous, messages in steps:
        status, answer = told(client, **changes)

        assert (200, previous, messages) == (
            status,
            answer["prevVariationKey"],
            answer["messages"],
        )


def test_a_delivery_rule_is_no_experiment():
    client = agent()
    flag = client.edition.ruleset.flags["free_shipping"]
    rule = flag.rollout[0]

    _, answer = told(client, experimentKey=rule.key, variationKey="on")

    assert ["experimentKey not found in configuration"] == answer["messages"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "userId cannot be empty"),
        ({"userId": "", "experimentKey": ""}, "userId cannot be empty"),
        ({"userId": "a"}, "experimentKey cannot be empty"),
        ({"userId": 7}, "error parsing request body"),
        (b" ", "error parsing request body"),
    ],
)
def test_what_is_missing_is_refused_in_agents_words(body, error):
    response = agent().ask("/v1/override", body)

    assert (400, {"error": error}) == (response.status, json.loads(response.body))


@pytest.mark.parametrize(("chars", "status"), [(4_096, 200), (4_097, 400)])
def test_more_than_is_kept_is_refused_and_not_passed_over(chars, status):
    user_id = "\N{EURO SIGN}" + "u" * (chars - 3 - len(EXPERIMENT) - len(VARIATION))

    assert status == told(agent(), userId=user_id)[0]


def test_where_they_are_off_it_says_so_before_it_reads_anything():
    response = AgentClient().ask("/v1/override", b"{")

    assert (403, b"Overrides not enabled\n") == (response.status, response.body)
    assert ("Content-Type", "text/plain; charset=utf-8") in response.headers


def test_what_could_not_be_kept_is_an_error():
    known = Known(asked=True)
    known.failure = NotKept("override")

    response = agent().ask("/v1/override", GIVEN, known=known)

    assert 500 == response.status
    assert b"could not be kept" in response.body


def test_decide_and_activate_give_the_user_what_was_given_to_them():
    client = agent()
    told(client)
    _, decided = client.told("/v1/decide", {"userId": "ben"}, query="keys=checkout_flow")
    _, activated = client.told(
        "/v1/activate", {"userId": "ben"}, query=f"experimentKey={EXPERIMENT}"
    )
    _, other = client.told("/v1/decide", {"userId": "ann"}, query="keys=checkout_flow")

    assert (VARIATION, EXPERIMENT) == (decided["variationKey"], decided["ruleKey"])
    assert VARIATION == activated[0]["variationKey"]
    assert VARIATION != other["variationKey"]


def test_a_variation_that_is_not_there_is_passed_over():
    client = agent()
    before = client.told("/v1/decide", {"userId": "ben"}, query="keys=checkout_flow")
    told(client, variationKey="zz")

    assert before == client.told("/v1/decide", {"userId": "ben"}, query="keys=checkout_flow")


def test_another_environment_has_its_own():
    store = MemoryOverrides()
    told(agent(store, environment_id="production"))
    client = agent(store, environment_id="development")
    _, decided = client.told("/v1/decide", {"userId": "ben"}, query="keys=checkout_flow")

    assert VARIATION != decided["variationKey"]


def test_what_is_in_a_file_is_asked_for(tmp_path):
    store = SqliteOverrides(tmp_path / "profiles.sqlite")
    client = agent(store)
    with pytest.raises(OverridesNeeded) as needed:
        client.ask("/v1/decide", {"userId": "ben"}, query="keys=checkout_flow")
    assert ("production", "ben") == (needed.value.environment_id, needed.value.user_id)
    known = Known()
    known.overrides = {EXPERIMENT: VARIATION}

    _, decided = client.told(
        "/v1/decide", {"userId": "ben"}, query="keys=checkout_flow", known=known
    )

    assert VARIATION == decided["variationKey"]
    store.close()


def test_our_own_api_knows_of_none():
    client = agent()
    told(client)
    answer = client.ask("/bucketer", method="GET", query=f"e={EXPERIMENT}&u=ben")

    assert json.loads(answer.body)["variation"] is None


def test_reset_asks_for_what_is_kept_of_the_environment_to_be_forgotten():
    client = agent()
    with pytest.raises(ResetGiven) as needed:
        client.ask("/v1/reset")
    assert "production" == needed.value.environment_id

    answer = client.ask("/v1/reset", known=Known(asked=True))
    assert (200, b'{"result":true}\n') == (answer.status, answer.body)
    known = Known(asked=True)
    known.failure = NotKept("reset")
    assert 500 == client.ask("/v1/reset", known=known).status


def test_reset_forgets_nothing_where_overrides_are_off():
    answer = AgentClient().ask("/v1/reset")

    assert (200, b'{"result":true}\n') == (answer.status, answer.body)
    assert 415 == AgentClient().ask("/v1/reset", b"{}", content_type="text/plain").status
    assert 405 == AgentClient().ask("/v1/reset", method="GET").status
