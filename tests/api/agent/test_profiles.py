"""`/v1/lookup` and `/v1/save`."""

import json

import pytest
from tests.fakes.agent_client import AgentClient

from bucketer import wiring
from bucketer.api.agent.save import MAX_BYTES, MAX_USER_ID_CHARS
from bucketer.api.http import Known, ProfileNeeded
from bucketer.api.needs import NotKept, ProfileGiven
from bucketer.api.options import ApiOptions
from bucketer.profiles import shape
from bucketer.settings import read_settings


@pytest.fixture
def agent():
    options = ApiOptions(profiles=True)
    options.profiles_open = True
    return AgentClient(options=options)


@pytest.mark.parametrize("path", ["/v1/lookup", "/v1/save"])
def test_profiles_are_nobody_s_to_see_unless_a_setting_says_so(path):
    answer = AgentClient(options=ApiOptions(profiles=True)).ask(path, {"userId": "ben"})

    assert (answer.status, b"no user profile service found" in answer.body) == (500, True)


def test_the_setting_opens_them():
    said = {"BUCKETER_PROFILES": "memory", "BUCKETER_PROFILES_API": "on"}
    assert wiring.api_options(read_settings(said)).profiles_open
    assert not wiring.api_options(read_settings({"BUCKETER_PROFILES": "memory"})).profiles_open


def saved(agent, **body):
    """Return what the shell is to keep."""
    with pytest.raises(ProfileGiven) as given:
        agent.ask("/v1/save", body)
    return given.value


def test_a_look_up_tells_all_that_is_stored(agent):
    with pytest.raises(ProfileNeeded) as needed:
        agent.ask("/v1/lookup", {"userId": "ben"})
    assert "ben" == needed.value.user_id

    answer = agent.ask("/v1/lookup", {"userId": "ben"}, known=Known({"2": "20", "1": "10"}))
    assert answer.body == (
        b'{"userId":"ben","experimentBucketMap":'
        b'{"1":{"variation_id":"10"},"2":{"variation_id":"20"}}}\n'
    )


def test_a_stranger_has_an_empty_one(agent):
    answer = agent.ask("/v1/lookup", {"userId": "ben"}, known=Known({}))

    assert answer.body == b'{"userId":"ben","experimentBucketMap":{}}\n'


def test_a_profile_is_saved_whole_and_answered_without_a_body(agent):
    body = {"userId": "ben", "experimentBucketMap": {"1": {"variation_id": "10", "x": 1}}}
    given = saved(agent, **body)

    assert ("ben", {"1": "10"}) == (given.user_id, given.profile)
    answer = agent.ask("/v1/save", body, known=Known(asked=True))
    assert (200, b"") == (answer.status, answer.body)
    assert "Content-Type" not in dict(answer.headers)


def test_without_a_map_the_profile_is_erased(agent):
    assert {} == saved(agent, userId="ben").profile
    assert {} == saved(agent, userId="ben", experimentBucketMap=None).profile


def test_entries_that_are_no_objects_are_passed_over_as_in_agent(agent):
    found = {"1": 7, "2": "x", "3": None, "4": [1], "5": {"variation_id": "50"}}

    assert {"5": "50"} == saved(agent, userId="ben", experimentBucketMap=found).profile


@pytest.mark.parametrize(
    "entry", [{}, {"variation_id": 7}, {"variation_id": None}, {"VARIATION_ID": "1"}]
)
def test_what_makes_agent_drop_the_connection_is_refused(agent, entry):
    answer = agent.ask("/v1/save", {"userId": "ben", "experimentBucketMap": {"1": entry}})

    assert (400, {"error": "error parsing request body"}) == (
        answer.status,
        json.loads(answer.body),
    )


@pytest.mark.parametrize("path", ["/v1/lookup", "/v1/save"])
def test_without_a_store_it_says_so_before_it_reads_anything(path):
    answer = AgentClient().ask(path, b"{")

    assert (500, {"error": "no user profile service found"}) == (
        answer.status,
        json.loads(answer.body),
    )


@pytest.mark.parametrize("path", ["/v1/lookup", "/v1/save"])
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", 'missing "userId" in request payload'),
        ({"userId": None}, 'missing "userId" in request payload'),
        ({"userId": True}, "error parsing request body"),
        (b" ", "error parsing request body"),
    ],
)
def test_what_is_missing_is_refused_in_agents_words(agent, path, body, error):
    answer = agent.ask(path, body)

    assert (400, {"error": error}) == (answer.status, json.loads(answer.body))


@pytest.mark.parametrize(("more", "status"), [(0, None), (1, 413)])
def test_what_is_stored_of_one_user_is_bounded(agent, more, status):
    body = {
        "userId": "b",
        "experimentBucketMap": {"1": {"variation_id": "v" * (MAX_BYTES - 1 + more)}},
    }
    if status is None:
        saved(agent, **body)
    else:
        assert status == agent.ask("/v1/save", body).status


def test_a_user_who_is_not_remembered_is_told_so(agent):
    assert MAX_USER_ID_CHARS == shape.MAX_USER_ID_CHARS
    saved(agent, userId="u" * MAX_USER_ID_CHARS)

    assert 400 == agent.ask("/v1/save", {"userId": "u" * (MAX_USER_ID_CHARS + 1)}).status


def test_what_could_not_be_stored_is_an_error(agent):
    known = Known(asked=True)
    known.failure = NotKept("profile")

    answer = agent.ask("/v1/save", {"userId": "ben"}, known=known)

    assert (500, True) == (answer.status, b"could not be kept" in answer.body)
