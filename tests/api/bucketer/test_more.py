"""Segments, `forced=` and several flags: what few requests to `/bucketer` ask for."""

import json

import pytest
from tests.fakes.bandits import CHECKOUT, a_datafile_with_bandits
from tests.fakes.datafiles import a_datafile
from tests.fakes.editions import AnEdition, Client
from tests.fakes.odp import KEY, with_odp

from bucketer.api.http import Known, ProfileNeeded
from bucketer.api.needs import SegmentsNeeded
from bucketer.api.options import ApiOptions
from bucketer.core.bandit import PredictionNeeded


def options(**facts):
    made = ApiOptions()
    made.odp = made.forced = True
    for name, value in facts.items():
        setattr(made, name, value)
    return made


def known(segments=("gold",), **facts):
    made = Known(**facts)
    made.segments, made.segments_asked = segments, True
    return made


@pytest.fixture
def client():
    return Client(AnEdition(with_odp()), options())


# ------------------------------------------------------------------------------ segments


def test_segments_are_fetched_before_a_decision(client):
    with pytest.raises(SegmentsNeeded) as needed:
        client.ask("f=vip&u=ben&segments=1")

    assert (KEY, "ben") == (needed.value.odp.public_key, needed.value.user_id)
    assert "on" == client.json("f=vip&u=ben&segments=1", known=known())["variation"]
    assert "off" == client.json("f=vip&u=ben&segments=1", known=known(("silver",)))["variation"]
    assert "off" == client.json("f=vip&u=ben&segments=1", known=known(()))["variation"]


@pytest.mark.parametrize(
    "query", ["f=vip&u=ben", "f=vip&u=ben&segments=off", "f=vip&u=ben&segments="]
)
def test_nobody_is_asked_unless_it_is_wanted(client, query):
    assert "off" == client.json(query)["variation"]


def test_a_body_may_say_so_with_true(client):
    with pytest.raises(SegmentsNeeded):
        client.post(f="vip", u="ben", segments=True)
    assert (
        "off"
        == json.loads(client.post(f="vip", u="ben", segments=False).response.body)["variation"]
    )
    with pytest.raises(SegmentsNeeded):
        client.ask("segments=yes", method="POST", body={"f": "vip", "u": "ben"})


def test_without_segments_nothing_is_decided(client):
    reply = client.ask("f=vip&u=ben&segments=1", known=known(None))
    answer = json.loads(reply.response.body)

    assert 503 == reply.response.status
    assert ("Retry-After", "5") in reply.response.headers
    assert (None, "ben", "vip") == (answer["variation"], answer["user"], answer["flag"])
    assert "segments_unavailable" == answer["error"]["code"]
    assert not reply.events


def test_a_datafile_without_odp_has_no_segments():
    client = Client(AnEdition(a_datafile()), options())
    reply = client.ask("f=search&u=ben&segments=1")

    assert 400 == reply.response.status
    assert "isn't integrated" in json.loads(reply.response.body)["error"]["message"]


def test_a_service_that_may_not_ask_says_so():
    client = Client(AnEdition(with_odp()), options(odp=False))

    assert "isn't asked here" in client.json("f=vip&u=ben&segments=1")["error"]["message"]


@pytest.mark.parametrize("query", ["f=nope&u=ben&segments=1", "e=nope&u=ben&segments=1"])
def test_nobody_is_asked_for_a_key_that_is_not_there(client, query):
    assert 404 == client.ask(query).response.status


def test_a_bad_user_or_word_is_refused_before_anybody_is_asked(client):
    assert 400 == client.ask("f=vip&u=ben&segments=perhaps").response.status
    assert 400 == client.ask("f=vip&u=%FF&segments=1").response.status
    body = b'{"f": "vip", "u": "\\ud800", "segments": true}'
    assert 400 == client.ask(method="POST", body=body).response.status


def test_an_experiment_is_decided_with_segments_too(client):
    query = "e=checkout_flow_experiment&u=cooper34523569&a=tier:platinum,member_since_days:56"
    with pytest.raises(SegmentsNeeded):
        client.ask(f"{query}&segments=1")

    with_them = client.json(f"{query}&segments=1", known=known())
    assert client.json(query) == with_them


def test_debug_shows_the_segments_that_decided(client):
    answer = client.json("f=vip&u=ben&segments=1&debug=1", known=known())

    assert ["gold"] == answer["debug"]["segments"]
    assert "segments" not in client.json("f=vip&u=ben&debug=1")["debug"]


def test_profile_and_segments_are_asked_for_one_after_the_other():
    client = Client(AnEdition(with_odp()), options(profiles=True))
    with pytest.raises(ProfileNeeded):
        client.ask("f=vip&u=ben&segments=1")
    with pytest.raises(SegmentsNeeded):
        client.ask("f=vip&u=ben&segments=1", known=Known({}))

    assert "on" == client.json("f=vip&u=ben&segments=1", known=known(profile={}))["variation"]


# ------------------------------------------------------------------------- several flags


def test_several_flags_are_decided_in_the_order_asked(client):
    answer = client.json("f=vip,search,free_shipping&u=ben")

    assert ["user", "flags"] == list(answer)
    assert ["vip", "search", "free_shipping"] == list(answer["flags"])
    for key, found in answer["flags"].items():
        alone = client.json(f"f={key}&u=ben")
        assert "ben" == alone.pop("user")
        assert alone == found


def test_a_star_is_all_of_them_in_the_datafiles_order(client):
    answer = client.json("f=*&u=ben")

    assert list(client.edition.ruleset.flag_order) == list(answer["flags"])


def test_blanks_empty_keys_and_repeats_count_for_nothing(client):
    assert ["vip", "search"] == list(client.json("f=vip,+search,,vip,&u=ben")["flags"])
    assert ["vip"] == list(client.json("f=vip,&u=ben")["flags"])
    for query in ("f=,&u=ben", "f=+,+,&u=ben"):
        assert "lists no flag" in client.json(query)["error"]["message"]


def test_a_flag_with_a_comma_in_its_key_is_still_one():
    datafile = with_odp()
    datafile["featureFlags"][-1]["key"] = "a,b"
    datafile["featureFlags"][-2]["key"] = "*"
    client = Client(AnEdition(datafile), options())

    assert "a,b" == client.json("f=a,b&u=ben")["flag"]
    assert "*" == client.json("f=*&u=ben")["flag"]


def test_one_that_is_not_there_says_so_and_the_others_decide(client):
    answer = client.json("f=vip,serch&u=ben")

    assert "off" == answer["flags"]["vip"]["variation"]
    found = answer["flags"]["serch"]
    assert (None, "unknown_flag") == (found["variation"], found["error"]["code"])
    assert "Did you mean 'search'" in found["error"]["message"]


def test_each_flag_sends_its_impressions():
    client = Client(AnEdition(a_datafile(sendFlagDecisions=True)), options())
    query = "u=cooper34523569&a=tier:platinum,member_since_days:56"
    keys = client.edition.ruleset.flag_order
    alone = [each for key in keys for each in client.ask(f"f={key}&{query}").events]
    together = client.ask(f"f=*&{query}").events

    assert [each.what for each in alone] == [each.what for each in together]
    assert len(together) == len({each.uuid for each in together}) >= len(keys)
    assert () == client.ask(f"f=*&{query}&track=off").events
    assert () == client.ask(f"f=*&{query}", method="HEAD").events


def test_with_a_callers_key_each_impression_has_a_name_of_its_own():
    datafile = a_datafile(sendFlagDecisions=True, rollouts=[], experiments=[], groups=[])
    for flag in datafile["featureFlags"]:
        flag |= {"experimentIds": [], "rolloutId": ""}
    client = Client(AnEdition({**datafile, "holdouts": []}), options())

    def names():
        reply = client.ask("f=*&u=ben", headers={"idempotency-key": "retry"})
        return [each.uuid for each in reply.events]

    assert 3 == len(set(names()))
    assert names() == names()


def test_a_later_flag_keeps_what_an_earlier_one_got():
    client = Client(AnEdition(a_datafile()), options(profiles=True))
    query = "u=cooper34523569&a=tier:platinum,member_since_days:56"
    with pytest.raises(ProfileNeeded):
        client.ask(f"f=*&{query}")
    reply = client.ask(f"f=*&{query}", known=Known({"1": "2"}))
    user_id, saved = reply.profile

    assert ("cooper34523569", "2") == (user_id, saved["1"])
    assert len(saved) > 1
    assert client.ask(f"f=*&{query}&track=off", known=Known({})).profile is None


def test_a_bandit_that_is_silent_costs_its_flag_alone():
    client = Client(AnEdition(a_datafile_with_bandits()), options())
    asked = {}
    while True:
        try:
            answer = client.json("f=*&u=ben", known=Known(predictions=asked))
            break
        except PredictionNeeded as needed:
            asked[needed.rule_id] = None

    assert CHECKOUT in asked
    found = answer["flags"]["checkout_flow"]
    assert (None, "prediction_failed") == (found["variation"], found["error"]["code"])
    assert "error" not in answer
    assert "error" not in answer["flags"]["free_shipping"]


def test_debug_tells_of_which_flag_each_reason_is(client):
    reasons = client.json("f=vip,search&u=ben&debug=1")["debug"]["reasons"]

    assert {"vip", "search"} == {each["flag"] for each in reasons}
    assert [] == client.json("f=nope,nada&u=ben&debug=1")["debug"]["reasons"]


def test_a_body_may_list_flags_in_the_same_way(client):
    answer = json.loads(client.post(f="vip,search", u="ben").response.body)

    assert ["vip", "search"] == list(answer["flags"])


def test_segments_count_for_all_flags(client):
    with pytest.raises(SegmentsNeeded):
        client.ask("f=*&u=ben&segments=1")

    assert "on" == client.json("f=*&u=ben&segments=1", known=known())["flags"]["vip"]["variation"]


# --------------------------------------------------------------------------------- forced


def test_a_forced_variation_is_given_without_an_impression(client):
    reply = client.ask("f=vip&u=ben&forced=vip:on")

    assert "on" == json.loads(reply.response.body)["variation"]
    assert () == reply.events
    reply = client.ask(
        "e=checkout_flow_experiment&u=ben&forced=checkout_flow_experiment:two_step_checkout"
    )
    assert "two_step_checkout" == json.loads(reply.response.body)["variation"]
    assert () == reply.events


def test_it_saves_no_profile():
    client = Client(AnEdition(a_datafile()), options(profiles=True))
    query = "f=checkout_flow,search&u=cooper34523569&a=tier:platinum,member_since_days:56"

    assert client.ask(query, known=Known({})).profile is not None
    assert client.ask(f"{query}&forced=search:by_margin", known=Known({})).profile is None


def test_where_the_setting_is_off_it_is_not_heard():
    client = Client(AnEdition(with_odp()), options(forced=False))

    assert "off" == client.json("f=vip&u=ben&forced=vip:on")["variation"]
    assert "off" == client.json("f=vip&u=ben&forced=:::")["variation"]


def test_several_flags_may_be_forced(client):
    answer = client.json("f=vip,search&u=ben&forced=vip:on,search:by_margin")
    body = client.post(f="vip,search", u="ben", forced={"vip": "on", "search": "by_margin"})

    assert ["on", "by_margin"] == [each["variation"] for each in answer["flags"].values()]
    assert answer == json.loads(body.response.body)


@pytest.mark.parametrize(
    ("forced", "why"),
    [
        ("vip", "must be flag:variation"),
        ("vip:", "must be flag:variation"),
        (":on", "must be flag:variation"),
        ("vip:on,vip:off", "is there twice"),
        ("search:off", "isn't asked for"),
        ("vip:purple", "'vip' has no variation 'purple'; it has: on, off."),
    ],
)
def test_what_can_not_be_forced_is_told(client, forced, why):
    reply = client.ask(f"f=vip&u=ben&forced={forced}")
    error = json.loads(reply.response.body)["error"]

    assert 400 == reply.response.status
    assert why in error["message"]


@pytest.mark.parametrize("forced", [7, ["vip:on"], {"vip": 7}, {"": "on"}, {"vip": None}, True])
def test_a_body_with_something_else_is_refused(client, forced):
    assert 400 == client.post(f="vip", u="ben", forced=forced).response.status


def test_an_unknown_flag_stays_an_unknown_flag(client):
    assert 404 == client.ask("f=nope&u=ben&forced=nope:on").response.status


def test_an_empty_one_is_none(client):
    reply = client.ask("f=search&u=cooper34523569&a=tier:platinum&forced=")

    assert (
        client.ask("f=search&u=cooper34523569&a=tier:platinum").response.body == reply.response.body
    )


def test_no_datafile_comes_before_all_of_it():
    client = Client(None, options())
    for query in ("f=*&u=ben", "f=a&u=ben&segments=1", "f=a&u=ben&forced=a:b"):
        assert 503 == client.ask(query).response.status
