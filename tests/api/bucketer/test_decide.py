"""``/bucketer`` as specified: parameters, answers, debug, errors, impressions."""

from __future__ import annotations

import json

import pytest
from tests.fakes.datafiles import a_datafile
from tests.fakes.editions import NOW, AnEdition, Client

from bucketer.api.bucketer.answer import Answers, to_json
from bucketer.api.http import Known, ProfileNeeded, Request
from bucketer.api.options import ApiOptions
from bucketer.core import decide
from bucketer.core.bandit import PredictionNeeded
from bucketer.core.events import MAX_VISITOR_BYTES, visitor_json
from bucketer.core.user import Prediction

PLATINUM = "a=tier:%22platinum%22,member_since_days:56"
MISSION = f"e=checkout_flow_experiment&u=cooper34523569&{PLATINUM}"
ANSWER = {
    "variation": "one_step_checkout",
    "user": "cooper34523569",
    "experiment": "checkout_flow_experiment",
}
ATTRIBUTES = {"tier": "platinum", "member_since_days": 56}


@pytest.fixture
def client():
    return Client()


# Answers


def test_the_first_request_of_the_readme_gets_its_answer_to_the_byte(client):
    """In this order, with this spacing."""
    reply = client.ask(MISSION)

    assert reply.response.status == 200
    assert reply.response.body == (
        b'{"variation": "one_step_checkout", "user": "cooper34523569", '
        b'"experiment": "checkout_flow_experiment"}'
    )


@pytest.mark.parametrize("path", ["/bucketer", "/bucketer/"])
def test_a_trailing_slash_changes_nothing(client, path):
    """People put one there."""
    assert client.json(MISSION, path=path) == ANSWER


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/bucketers",
        "/prod/bucketer",
        "/a/b/bucketer",
        "/../bucketer",
        "/./bucketer",
        "/%2e%2e/bucketer",
        "/%2E/bucketer",
        "/..;/bucketer",
        "/x/../bucketer",
        "/x%2F..%2Fbucketer",
        "/%2fbucketer",
        "/bucketer%2f",
        "/%62ucketer",
        "/BUCKETER",
        "/bucketer;x=1",
        "/\\bucketer",
        "//bucketer",
        "//",
        "/bucketer//",
        "/bucketer/.",
        "/bucketer/x/..",
        "bucketer",
    ],
)
def test_any_other_path_is_unknown(client, path):
    """And still tells a caller that only looks at `variation` to fall back."""
    reply = client.ask(MISSION, path=path)

    assert reply.response.status == 404
    body = json.loads(reply.response.body)
    assert body["variation"] is None
    assert body["error"]["code"] == "not_found"


def test_user_in_no_variation_gets_null(client):
    """The audience asks for a tier."""
    reply = client.ask("e=checkout_flow_experiment&u=x")

    assert json.loads(reply.response.body) == {
        "variation": None,
        "user": "x",
        "experiment": "checkout_flow_experiment",
    }
    assert reply.events == ()


def test_flag_answers_with_its_variables(client):
    """`flag`, `enabled`, `variables` and `rule` take the place of `experiment`."""
    body = client.json(f"f=checkout_flow&u=cooper34523569&{PLATINUM}")

    assert body == {
        "variation": "one_step_checkout",
        "user": "cooper34523569",
        "flag": "checkout_flow",
        "enabled": True,
        "variables": {"steps": 1, "button_text": "Buy now"},
        "rule": "checkout_flow_experiment",
    }
    assert list(body) == ["variation", "user", "flag", "enabled", "variables", "rule"]


@pytest.mark.parametrize("query", ["", "&u=", "&u"])
def test_visitors_address_stands_in_for_a_user_id(client, query):
    """Absent and empty mean the same."""
    assert client.json(f"e=checkout_flow_experiment{query}")["user"] == "203.0.113.7"


@pytest.mark.parametrize(
    "user", ["a b", "é😀", 'quo"te', "back\\slash", "\0", "<script>", "u" * 2_000]
)
def test_any_string_is_a_user(client, user):
    """It comes back as it was sent, in JSON that is plain ASCII."""
    body = {"e": "checkout_flow_experiment", "u": user}

    response = client.ask(method="POST", body=body).response

    assert json.loads(response.body)["user"] == user
    assert response.body.isascii()


def test_post_means_the_same_as_get(client):
    """For attributes too big for a URL."""
    reply = client.post(e="checkout_flow_experiment", u="cooper34523569", a=ATTRIBUTES)

    assert json.loads(reply.response.body) == ANSWER
    assert len(reply.events) == 1


@pytest.mark.parametrize("debug", [True, 1, "1", "true", "yes", "on"])
def test_post_takes_switches_as_json_too(client, debug):
    """`true` and `1` are what a program writes."""
    reply = client.post(e="checkout_flow_experiment", debug=debug)

    assert "debug" in json.loads(reply.response.body)


@pytest.mark.parametrize("debug", [False, 0, "0", "false", "no", "off", "", None])
def test_post_takes_them_off_as_json_too(client, debug):
    """Null is absent, as in a program that fills in every field."""
    reply = client.post(e="checkout_flow_experiment", f=None, u=None, a=None, debug=debug)

    assert json.loads(reply.response.body) == {
        "variation": None,
        "user": "203.0.113.7",
        "experiment": "checkout_flow_experiment",
    }


def test_post_takes_empty_attributes_as_none(client):
    """As in a query."""
    reply = client.post(e="checkout_flow_experiment", u="x", a="")

    assert reply.response.status == 200


def test_post_reads_the_query_beside_its_body(client):
    """So `?debug=1` works there as well."""
    body = {"e": "checkout_flow_experiment", "u": "x"}

    assert "debug" in client.json("debug=1", method="POST", body=body)


def test_head_answers_like_get_without_body_and_impression(client):
    """Only its length is told."""
    got = client.ask(MISSION)
    head = client.ask(MISSION, method="HEAD")

    assert head.response.body == b""
    assert head.response.length == len(got.response.body)
    assert head.response.status == 200
    assert head.response.headers == got.response.headers
    assert head.events == ()


def test_head_of_an_error_has_its_status_and_no_body(client):
    """404 as GET would."""
    head = client.ask("e=unknown", method="HEAD")

    assert head.response.status == 404
    assert head.response.body == b""


# Impressions


def test_experiment_with_a_variation_calls_for_an_impression(client):
    """As `activate` does."""
    [event] = client.ask(MISSION).events

    assert event.what.variation_key == "one_step_checkout"
    assert event.user.id == "cooper34523569"
    assert event.user.attributes == ATTRIBUTES
    assert event.timestamp_ms == 1_523_293_562_699
    assert event.uuid == "uuid-1"
    assert event.ruleset is client.edition.ruleset


@pytest.mark.parametrize("word", ["0", "false", "no", "off"])
def test_track_off_answers_without_an_impression(client, word):
    """For health checks and previews."""
    reply = client.ask(f"{MISSION}&track={word}")

    assert json.loads(reply.response.body) == ANSWER
    assert reply.events == ()


@pytest.mark.parametrize("word", ["1", "true", "yes", "on", ""])
def test_track_on_is_the_default(client, word):
    """The same words as `debug`."""
    assert len(client.ask(f"{MISSION}&track={word}").events) == 1


# Debug


def test_debug_names_attributes_that_the_datafile_does_not_know_with_the_nearest(client):
    query = "e=checkout_flow_experiment&u=ada&debug=1&a="

    slips = client.json(f"{query}Tier:platinum,zzz:1,country:DE")["debug"]["unknown_attributes"]

    assert {"Tier": "tier", "zzz": None} == slips
    assert "unknown_attributes" not in client.json(f"{query}tier:gold")["debug"]


def test_a_flag_asked_for_as_an_experiment_is_told_so(client):
    message = client.json("e=search&u=ada")["error"]["message"]

    assert "That is a flag (f=search)." in message


@pytest.mark.parametrize("word", ["1", "true", "yes", "on"])
def test_debug_tells_everything_in_order(client, word):
    """What the block holds, all of it."""
    body = client.json(f"{MISSION}&debug={word}")

    assert list(body) == ["variation", "user", "experiment", "debug"]
    debug = body["debug"]
    assert list(debug) == [
        "project_id",
        "account_id",
        "time",
        "datafile",
        "user_attributes",
        "reasons",
        "changes",
    ]
    assert debug["project_id"] == "10000000000"
    assert debug["account_id"] == "80000000000"
    assert debug["time"] == "2018-04-09 17:06:02.698754"
    assert debug["user_attributes"] == ATTRIBUTES
    datafile = debug["datafile"]
    assert datafile["url"] == "https://cdn.example/datafiles/SDK-KEY.json"
    assert datafile["revision"] == "22"
    assert datafile["etag"] == '"0123"'
    assert datafile["fetched_at"] == "2018-04-09 17:04:32.698754"
    assert datafile["age_s"] == 90


def test_debug_reasons_hold_bucket_and_range(client):
    """Codes with values, and one plain sentence each."""
    reasons = client.json(f"{MISSION}&debug=1")["debug"]["reasons"]

    assert reasons
    assert all(reason["code"] and reason["message"].endswith(".") for reason in reasons)
    assert any("bucket" in reason for reason in reasons)


def test_debug_says_what_would_have_to_change(client):
    """As data: what is different, what that gives, and in words."""
    changes = client.json("e=checkout_flow_experiment&u=cooper34523569&debug=1")["debug"]["changes"]

    [change] = changes["items"]
    assert {"tier": "platinum", "member_since_days": 30} == change["set"]
    assert "one_step_checkout" == change["gives"]["variation"]
    assert 'if tier were "platinum" and member_since_days were 30' == change["text"]
    assert changes["complete"]
    assert changes["tried"] <= 400


def test_debug_of_several_flags_tells_of_no_changes(client):
    assert "changes" not in client.json("f=*&u=a&debug=1")["debug"]


def test_debug_of_a_large_datafile_tries_no_more(client_of_many_conditions):
    """Others wait for it: what it costs goes by the conditions that each try asks."""
    changes = client_of_many_conditions.json("e=checkout_flow_experiment&u=a&debug=1")["debug"][
        "changes"
    ]

    assert changes["tried"] <= 4
    assert not changes["complete"]


@pytest.fixture
def client_of_many_conditions():
    datafile = a_datafile()
    leaf = {"match": "gt", "name": "member_since_days", "type": "custom_attribute"}
    conditions = ["or", *({**leaf, "value": number} for number in range(1_600))]
    datafile["typedAudiences"][1]["conditions"] = conditions
    return Client(AnEdition(datafile))


@pytest.mark.parametrize("word", ["", "0", "false", "no", "off"])
def test_debug_is_off_without_a_word_for_on(client, word):
    """The answer is byte for byte the same."""
    assert client.ask(f"{MISSION}&debug={word}").response.body == client.ask(MISSION).response.body


def test_setting_turns_debug_off_for_everybody():
    """The parameter is still checked."""
    client = Client(options=ApiOptions(debug_allowed=False))

    assert client.json(f"{MISSION}&debug=1") == ANSWER
    assert client.ask(f"{MISSION}&debug=x").response.status == 400


@pytest.mark.parametrize(
    ("show", "expected"),
    [
        ("full", "https://cdn.example/datafiles/SDK-KEY.json"),
        ("host", "cdn.example"),
        ("off", None),
    ],
)
def test_setting_hides_the_datafiles_url(show, expected):
    """It carries the SDK key."""
    client = Client(options=ApiOptions(show_datafile=show))

    response = client.ask(f"{MISSION}&debug=1").response

    assert json.loads(response.body)["debug"]["datafile"].get("url") == expected
    assert (b"SDK-KEY" in response.body) is (show == "full")


def test_unknown_facts_of_the_datafile_are_left_out():
    """A packaged datafile has no ETag and no age."""
    client = Client(AnEdition(etag=None, fetched_at=None))

    datafile = client.json(f"{MISSION}&debug=1")["debug"]["datafile"]

    assert not {"etag", "fetched_at", "age_s"} & datafile.keys()


def test_a_clock_that_was_set_back_makes_the_time_of_fetching_unknown():
    """The datafile comes from the future then."""
    client = Client(AnEdition(fetched_at=NOW + 5))

    datafile = client.json(f"{MISSION}&debug=1")["debug"]["datafile"]

    assert not {"fetched_at", "age_s"} & datafile.keys()


def test_a_datafile_that_was_fetched_while_the_request_came_is_of_age_0():
    client = Client(AnEdition(fetched_at=NOW + 0.5))

    assert client.json(f"{MISSION}&debug=1")["debug"]["datafile"]["age_s"] == 0


# Errors


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "'e' (an experiment's key) or 'f'"),
        ("experimentKey=x&u=y", "called 'experiment' and 'flag'"),
        ("E=x&u=y", "called 'experiment' and 'flag'"),
        ("u=x", "'e' (an experiment's key) or 'f'"),
        ("e=&f=", "'e' (an experiment's key) or 'f'"),
        ("e=x&f=y", "exclude each other"),
        ("e=x&u=a&u=b", "'u' is given twice"),
        ("e=x&e=y", "'e' is given twice"),
        ("e=x&a=1", "'a' at position 0: no colon"),
        ("e=x&a=k:[1]", "'a' at position 2: an array"),
        ("e=x&debug=2", "'debug' must be 1, true"),
        ("e=x&debug=truest", "'debug' must be 1, true"),
        ("e=x&track=maybe", "'track' must be 1, true"),
        ("e=x&u=%FF", "'u' is not valid UTF-8 at position 0; found '%FF'."),
        ("e=%FF", "'e' is not valid UTF-8 at position 0; found '%FF'."),
        ("e=x&a=tier:%22%FFgold%22", "'a' is not valid UTF-8 at position 6; found '%FFgold\"'."),
        ("e=x&a=k:%22%5Cud800%22", "a lone surrogate"),
        ("e=x&a=$opt_bucketing_id:%22%5Cud800%22", "a lone surrogate"),
    ],
)
def test_bad_request_says_what_is_wrong(client, query, said):
    """400 invalid_request, without an event."""
    reply = client.ask(query)
    body = json.loads(reply.response.body)

    assert reply.response.status == 400
    assert body["error"]["code"] == "invalid_request"
    assert said in body["error"]["message"]
    assert body["variation"] is None
    assert reply.events == ()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "'e' (an experiment's key) or 'f'"),
        ({"e": 5}, "'e' must be a string"),
        ({"e": "x", "u": 5.5}, "'u' must be a string or an integer"),
        ({"e": "x", "u": True}, "'u' must be a string or an integer"),
        ({"e": "x", "u": {"id": "a"}}, "'u' must be a string or an integer"),
        ({"e": "x", "u": ["a"]}, "'u' must be a string"),
        ({"e": "x", "u": "\ud800"}, "lone surrogate"),
        ({"e": "x", "a": "tier:1"}, "'a' must be a JSON object"),
        ({"e": "x", "a": [1]}, "'a' must be a JSON object"),
        ({"e": "x", "a": {"k": [1]}}, "/a/k is an array"),
        ({"e": "x", "a": {"$opt_bucketing_id": "\ud800"}}, "a lone surrogate"),
        ({"e": "x", "debug": 2}, "'debug' must be 1, true"),
        ({"e": "x", "debug": 1.0}, "'debug' must be true or false"),
        ({"e": "x", "debug": []}, "'debug' must be true or false"),
    ],
)
def test_bad_body_says_what_is_wrong(client, parameters, said):
    """The same for POST."""
    response = client.post(**parameters).response
    body = json.loads(response.body)

    assert response.status == 400
    assert body["error"]["code"] == "invalid_request"
    assert said in body["error"]["message"]


def test_parameter_in_query_and_body_is_given_twice(client):
    """Which of them would count is nothing to guess."""
    reply = client.ask("u=a", method="POST", body={"e": "x", "u": "b"})

    assert "'u' is given twice" in json.loads(reply.response.body)["error"]["message"]


def test_unknown_experiment_suggests_the_nearest(client):
    """As docs/http-api.md shows it, to the letter."""
    reply = client.ask("e=chekout_flow_experiment&u=cooper34523569")

    assert reply.response.status == 404
    assert json.loads(reply.response.body) == {
        "variation": None,
        "user": "cooper34523569",
        "experiment": "chekout_flow_experiment",
        "error": {
            "code": "unknown_experiment",
            "message": "No experiment has the key 'chekout_flow_experiment' in revision 22. "
            "Did you mean 'checkout_flow_experiment'?",
        },
    }


def test_unknown_flag_has_its_own_code(client):
    """What was understood comes back under its name."""
    reply = client.ask("f=zzz&u=x")
    body = json.loads(reply.response.body)

    assert reply.response.status == 404
    assert body["error"]["code"] == "unknown_flag"
    assert body["flag"] == "zzz"
    assert "Did you mean" not in body["error"]["message"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("e=x&u=a&u=b", {"experiment": "x"}),
        ("e=x&e=y&u=a", {"user": "a"}),
        ("e=x&f=y&u=a", {"experiment": "x", "flag": "y", "user": "a"}),
        ("e=x&a=!", {"experiment": "x", "user": "203.0.113.7"}),
        ("e=%FF&u=a", {"user": "a"}),
    ],
)
def test_error_carries_what_was_understood(client, query, expected):
    """And nothing that wasn't."""
    body = client.json(query)
    del body["error"]

    assert body == {"variation": None, **expected}


def test_error_of_a_body_carries_what_was_understood(client):
    """Its parameters count like the query's; of a broken body nothing is known."""
    understood = client.json(method="POST", body={"e": "x", "u": 5.5})
    broken = client.json(method="POST", body=b"{")
    del understood["error"], broken["error"]

    assert understood == {"variation": None, "experiment": "x"}
    assert broken == {"variation": None}


@pytest.mark.parametrize("body", [b"", b"{", b"u%FF=ben", b"x" * (ApiOptions().max_body_bytes + 1)])
def test_error_of_a_body_carries_what_the_query_said(client, body):
    """The address is left out: the body may have named somebody else."""
    both = client.json("e=x&u=ben", method="POST", body=body)
    alone = client.json("f=y", method="POST", body=body)
    del both["error"], alone["error"]

    assert both == {"variation": None, "user": "ben", "experiment": "x"}
    assert alone == {"variation": None, "flag": "y"}


def test_no_user_and_no_address_is_a_bad_request(client):
    """A load balancer's health check has neither."""
    reply = client.ask("e=checkout_flow_experiment", ip="")

    assert reply.response.status == 400
    assert "'u'" in json.loads(reply.response.body)["error"]["message"]


def test_without_a_datafile_it_is_503_and_to_be_tried_again():
    """Until one could be loaded; what was understood comes back all the same."""
    reply = Client(edition=None).ask(MISSION)
    body = json.loads(reply.response.body)

    assert reply.response.status == 503
    assert ("Retry-After", "5") in reply.response.headers
    assert body["error"]["code"] == "no_datafile"
    assert body["user"] == "cooper34523569"


# What the shell must fetch


def test_profile_is_asked_for_once_and_saved_whole():
    """With a store configured; other experiments in it are kept."""
    client = Client(options=ApiOptions(profiles=True))

    with pytest.raises(ProfileNeeded) as needed:
        client.ask(MISSION)
    reply = client.ask(MISSION, known=Known(profile={"1": "2"}))

    assert needed.value.user_id == "cooper34523569"
    user_id, profile = reply.profile
    assert user_id == "cooper34523569"
    assert profile["1"] == "2"
    assert len(profile) == 2


def test_stored_variation_is_kept_and_not_saved_again():
    """Two-step is not what this user would be bucketed into today."""
    client = Client(options=ApiOptions(profiles=True))
    experiment = client.edition.ruleset.experiments["checkout_flow_experiment"]
    stored = {experiment.id: experiment.by_key["two_step_checkout"].id}

    reply = client.ask(MISSION, known=Known(profile=stored))

    assert json.loads(reply.response.body)["variation"] == "two_step_checkout"
    assert reply.profile is None


def test_without_a_store_no_profile_is_asked_for_or_saved(client):
    """The default."""
    assert client.ask(MISSION).profile is None


@pytest.fixture
def bandit(demonstration):
    """A client whose experiment is decided by a contextual bandit."""
    experiment = demonstration["experiments"][0]
    experiment["cmab"] = {"attributeIds": [], "trafficAllocation": 10_000}
    return Client(AnEdition(demonstration))


def test_prediction_is_asked_for_and_used(bandit):
    """The handler does no I/O: it says what it needs, and is called again."""
    experiment = bandit.edition.ruleset.experiments["checkout_flow_experiment"]
    chosen = experiment.by_key["two_step_checkout"]

    with pytest.raises(PredictionNeeded) as needed:
        bandit.ask(MISSION)
    known = Known(predictions={needed.value.rule_id: Prediction(chosen.id, "cmab-uuid")})

    assert bandit.json(MISSION, known=known)["variation"] == "two_step_checkout"


def test_failed_prediction_answers_without_a_variation(bandit):
    """The caller falls back; it isn't their mistake, so it is no error status."""
    known = Known(predictions={"10000000301": None})

    reply = bandit.ask(MISSION, known=known)

    assert reply.response.status == 200
    assert json.loads(reply.response.body)["variation"] is None
    assert reply.events == ()


def test_failed_prediction_is_told_in_debug(bandit):
    """For flags the decision says why."""
    known = Known(predictions={"10000000301": None})

    body = bandit.json(f"f=checkout_flow&u=cooper34523569&{PLATINUM}&debug=1", known=known)

    assert body["enabled"] is False
    assert body["debug"]["error"]


# Odd datafiles


def test_variable_that_json_has_no_word_for_becomes_null(demonstration):
    """`inf` is a fine double for the SDK, and no JSON."""
    flag = next(each for each in demonstration["featureFlags"] if each["key"] == "search")
    double = next(each for each in flag["variables"] if each["type"] == "double")
    double["defaultValue"] = "inf"
    flag["experimentIds"], flag["rolloutId"] = [], ""

    body = Client(AnEdition(demonstration)).json("f=search&u=x")

    assert body["variables"][double["key"]] is None


def test_what_json_has_no_word_for_is_found_at_any_depth():
    """In objects and lists; what stands beside it is untouched."""
    value = {"a": [1, float("nan"), {"b": float("-inf")}], "c": 1.5, "d": "NaN", "e": True}

    assert json.loads(to_json(value)) == {
        "a": [1, None, {"b": None}],
        "c": 1.5,
        "d": "NaN",
        "e": True,
    }


def test_kept_renderings_are_bounded(client):
    """And none of them is wrong after the others were dropped."""
    answers = Answers(room_bytes=800)
    ruleset = client.edition.ruleset
    first, second = ruleset.flags["search"].nothing, ruleset.flags["checkout_flow"].nothing

    rendered = [json.loads(answers.flag(each, "x"))["flag"] for each in (first, second, first)]

    assert rendered == ["search", "checkout_flow", "search"]
    assert len(answers._flags) == 1


def test_answers_of_two_users_differ_in_the_user_alone(client):
    """The rendering that is kept must not hold the first one's id."""
    first = client.json(MISSION)
    second = client.json(MISSION.replace("cooper34523569", "qa_ben"))

    assert (first["user"], second["user"]) == ("cooper34523569", "qa_ben")
    assert second["variation"] == "one_step_checkout"


def test_flag_answers_of_two_users_differ_in_the_user_alone(client):
    """The same for flags."""
    first = client.json(f"f=checkout_flow&u=cooper34523569&{PLATINUM}")
    second = client.json(f"f=checkout_flow&u=qa_ben&{PLATINUM}")

    assert second == {**first, "user": "qa_ben"}


class Overruling:
    """An engine that isn't the compiled one."""

    def __init__(self, decision):
        self._decision = decision

    def activate(self, ruleset, experiment_key, user, trace):
        return self._decision

    def decide(self, ruleset, flag_key, user, options, trace):
        return self._decision


def test_every_impression_of_a_decision_is_an_event_of_its_own(client):
    """A bypassed holdout comes before the delivery that it let through."""
    [event] = client.ask(MISSION).events
    decision = client.edition.ruleset.flags["search"].nothing.but(
        impressions=(event.what, event.what)
    )

    events = Client(engine=Overruling(decision)).ask("f=search&u=x").events

    assert [each.uuid for each in events] == ["uuid-1", "uuid-2"]


def test_another_engine_may_decide(client):
    """`--engine sdk` puts the official one there."""
    ruleset = client.edition.ruleset
    nothing = ruleset.flags["search"].nothing

    other = Client(engine=Overruling(nothing))

    assert other.json(f"f=checkout_flow&{PLATINUM}")["flag"] == "search"


# Retries, and looking without leaving a trace


@pytest.mark.parametrize(
    "asked", [{"method": "HEAD"}, {"query": "&track=off"}, {"query": "&track=False"}]
)
def test_who_only_looks_saves_no_profile(asked):
    """The decision is the same; the user is shown nothing."""
    client = Client(options=ApiOptions(profiles=True))
    query = MISSION + asked.pop("query", "")

    looked = client.ask(query, known=Known(profile={}), **asked)
    seen = client.ask(MISSION, known=Known(profile={}))

    assert looked.response.status == 200
    assert (looked.profile, looked.events) == (None, ())
    assert seen.profile is not None


def test_post_with_track_off_saves_no_profile():
    client = Client(options=ApiOptions(profiles=True))
    body = {"e": "checkout_flow_experiment", "u": "cooper34523569", "a": ATTRIBUTES}

    for track in (False, "off", 0):
        reply = client.ask(method="POST", body={**body, "track": track}, known=Known(profile={}))
        assert reply.profile is None
    assert client.ask(method="POST", body=body, known=Known(profile={})).profile is not None


def with_key(client, key, user="cooper34523569"):
    """The uuids of the impressions of a request that carries *key*."""
    query = f"e=checkout_flow_experiment&u={user}&{PLATINUM}"
    request = Request("GET", "/bucketer", query, {"idempotency-key": key}, b"", "", "r")
    return [event.uuid for event in client.handler.handle(request, NOW, lambda: "new").events]


def test_a_retry_by_the_callers_own_name_is_the_same_impression(client):
    """Of another worker too; of another user it is another, and without a name a new one."""
    [first] = with_key(client, "k")

    assert with_key(Client(), "k") == [first]
    assert with_key(client, "l") != [first]
    assert with_key(client, "k", user="cooper1") != [first]
    assert with_key(client, "") == with_key(client, " ") == ["new"]


def test_a_name_that_is_too_long_is_refused(client):
    with_key(client, "k" * 256)
    request = Request("GET", "/bucketer", MISSION, {"idempotency-key": "k" * 257}, b"", "", "r")
    reply = client.handler.handle(request, NOW, lambda: "new")

    assert (400, ()) == (reply.response.status, reply.events)


# Impressions too large to be sent


def large(client, over):
    """The parameters of a request whose impression has so many bytes more than the limit."""
    fields = {"e": "checkout_flow_experiment", "u": "cooper34523569"}
    small = client.post(**fields, a={**ATTRIBUTES, "$opt_x": ""})
    wide, narrow = divmod(MAX_VISITOR_BYTES - len(visitor_json(small.events[0])) + over, 6)
    return {**fields, "a": {**ATTRIBUTES, "$opt_x": "\u00e9" * wide + "x" * narrow}}


@pytest.mark.parametrize(("over", "status"), [(0, 200), (1, 413), (400_000, 413)])
def test_an_impression_has_the_same_limit_as_an_event_of_track(client, over, status):
    reply = client.post(**large(client, over))

    assert (status, len(reply.events)) == (reply.response.status, int(status == 200))
    if status != 200:
        error = json.loads(reply.response.body)["error"]
        assert error["code"] == "too_large"
        assert error["message"].startswith("The impression is over the limit of 245760 bytes.")
        assert "track=off" in error["message"]


def test_without_an_impression_there_is_no_limit_to_be_over(client):
    reply = client.post(**large(client, 400_000), track=False)

    assert (200, ()) == (reply.response.status, reply.events)


def test_what_is_too_large_is_refused_before_it_is_decided():
    decided = []

    class Counting:
        decide = staticmethod(decide.decide)

        def activate(self, *given):
            decided.append(given)
            return decide.activate(*given)

    client = Client(engine=Counting())
    fields = large(client, 1_000)
    decided.clear()

    reply = client.post(**fields)

    assert (413, []) == (reply.response.status, decided)
