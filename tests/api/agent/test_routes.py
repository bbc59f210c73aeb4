"""What all operations of Agent's API have in common: keys, methods, types of bodies, errors."""

import pytest
from tests.fakes.agent_client import AgentClient

from bucketer.api.http import EnvironmentNeeded, Known
from bucketer.api.options import ApiOptions
from bucketer.core.errors import EnvironmentsBusy, EnvironmentUnavailable, UnknownSdkKey


@pytest.fixture
def agent():
    """A client of the demonstration."""
    return AgentClient()


def header(response, name):
    return dict(response.headers).get(name)


@pytest.mark.parametrize("key", [None, ""])
def test_a_request_without_a_key_is_refused_in_agents_words(agent, key):
    response = agent.ask("/v1/track", {"userId": "ben"}, x_optimizely_sdk_key=key)
    assert response.status == 400
    assert response.body == b'{"error":"missing required X-Optimizely-SDK-Key header"}\n'
    assert header(response, "Content-Type") == "application/json; charset=utf-8"


def test_a_key_that_is_none_is_refused(agent):
    told = agent.told("/v1/track", {}, x_optimizely_sdk_key="a!b")
    assert told == (400, {"error": "sdkKey failed validation"})


def test_a_key_with_a_hyphen_answers_where_it_is_listed_and_else_is_none_to_agent(agent):
    known = Known()
    known.environment_asked, known.refusal = True, UnknownSdkKey()
    told = agent.told("/v1/track", {}, known=known, x_optimizely_sdk_key="with-hyphen")
    assert told == (400, {"error": "sdkKey failed validation"})
    listed = AgentClient(keys=frozenset({"with-hyphen"}))
    asked = listed.ask("/v1/decide", {"userId": "a"}, x_optimizely_sdk_key="with-hyphen")
    assert asked.status == 200


def test_another_key_is_for_the_shell_to_find(agent):
    with pytest.raises(EnvironmentNeeded, match="AnotherKey"):
        agent.ask("/v1/track", {}, x_optimizely_sdk_key="AnotherKey")


@pytest.mark.parametrize(
    ("why", "status", "error"),
    [
        (
            UnknownSdkKey(),
            403,
            "unable to fetch fresh datafile (consider rechecking SDK key), status code: 403 Forbidden",
        ),
        (EnvironmentUnavailable("x"), 500, "failed to instantiate Optimizely for SDK Key"),
        (
            EnvironmentsBusy("x"),
            503,
            "The environment of the SDK key can't answer now: x. Try again.",
        ),
    ],
)
def test_a_key_that_leads_nowhere_is_told_so_without_the_key(agent, why, status, error):
    known = Known()
    known.environment_asked, known.refusal = True, why
    told = agent.told("/v1/track", {}, known=known, x_optimizely_sdk_key="Secret:Token")
    assert told == (status, {"error": error})
    assert header(agent.reply.response, "Retry-After") == ("5" if status == 503 else None)
    assert agent.reply.failure is None


def test_the_key_is_looked_at_before_path_and_method(agent):
    assert agent.ask("/v1/nothing", x_optimizely_sdk_key=None).status == 400
    assert agent.ask("/v1/track", method="GET", x_optimizely_sdk_key=None).status == 400


def test_an_unknown_path_is_a_plain_text(agent):
    response = agent.ask("/v1/nothing")
    assert (response.status, response.body) == (404, b"404 page not found\n")
    assert header(response, "Content-Type") == "text/plain; charset=utf-8"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_a_wrong_method_gets_405_without_a_body(agent, method):
    response = agent.ask("/v1/track", method=method)
    assert (response.status, response.body) == (405, b"")
    assert header(response, "Allow") == "POST"
    assert header(response, "Content-Type") is None


@pytest.mark.parametrize("told", [None, "", "text/plain", "application/json, text/plain"])
def test_a_body_that_does_not_say_that_it_is_json_gets_415(agent, told):
    response = agent.ask("/v1/track", {}, content_type=told, query="eventKey=x")
    assert (response.status, response.body) == (415, b"")


@pytest.mark.parametrize(
    "told",
    [
        "Application/JSON",
        "application/json;",
        "application/json; a=b",
        "application/json ; a=b",
        " application/json\t;a=b",
    ],
)
def test_what_stands_behind_the_type_does_not_matter(agent, told):
    assert agent.ask("/v1/track", {}, content_type=told, query="eventKey=x").status == 200


def test_without_a_body_its_type_does_not_matter(agent):
    assert agent.ask("/v1/track", content_type="text/plain", query="eventKey=x").status == 200


def test_without_a_datafile_there_is_no_client():
    agent = AgentClient(edition=None)
    told = agent.told("/v1/track", {})
    assert told == (500, {"error": "failed to instantiate Optimizely for SDK Key"})


def test_a_body_that_is_too_large_is_told_in_agents_shape():
    agent = AgentClient(options=ApiOptions(max_body_bytes=10))
    status, told = agent.told("/v1/track", {"userId": "somebody"})
    assert status == 413
    assert "10 bytes" in told["error"]


def test_what_cannot_be_foreseen_is_told_without_its_inside(agent, monkeypatch):
    def breaks(_call):
        raise RuntimeError("inside")

    monkeypatch.setattr("bucketer.api.agent.track.answer", breaks)
    status, told = agent.told("/v1/track", {})
    assert status == 500
    assert "inside the service" in told["error"]
    assert isinstance(agent.reply.failure, RuntimeError)
