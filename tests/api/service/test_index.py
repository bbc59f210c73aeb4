"""The page at `/`: what it points to, and whom it doesn't hold up."""

import copy
import json
from urllib.parse import urlsplit

import pytest
from tests.fakes.datafiles import without_experiments
from tests.fakes.editions import AnEdition, Client

from bucketer.api.options import ApiOptions
from bucketer.api.service.index import example_of


def answer_to(url, edition):
    parts = urlsplit(url)
    return Client(edition).json(parts.query, path=parts.path)


def test_it_points_to_a_request_that_gets_a_variation_and_to_the_health():
    edition = AnEdition(source="demonstration")

    said = Client(edition).json(path="/")

    assert ["service", "try", "health"] == list(said)
    assert "one_step_checkout" == answer_to(said["try"], edition)["variation"]
    assert "ok" == answer_to(said["health"], edition)["status"]


def test_with_debug_off_the_example_does_not_ask_for_it():
    said = Client(options=ApiOptions(debug_allowed=False)).json(path="/")

    assert "/bucketer?e=checkout_flow_experiment&u=visitor1" == said["try"]


def test_without_a_datafile_there_is_nothing_to_try():
    assert {"service": "bucketer", "health": "/health"} == Client(None).json(path="/")


@pytest.mark.parametrize(
    ("method", "query", "status"),
    [("GET", "", 200), ("HEAD", "", 200), ("OPTIONS", "", 204), ("POST", "", 405), ("GET", "u=y", 400)],
)  # fmt: skip
def test_whoever_wants_a_variation_here_and_says_none_is_told(method, query, status):
    """An answer with status 200 would hide it."""
    response = Client().ask(query, method=method, path="/").response

    assert status == response.status
    if status > 400:
        assert json.loads(response.body)["variation"] is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "query", ["e=checkout_flow_experiment&u=x", "f=checkout_flow", "e=x", "u="]
)
def test_with_a_query_it_answers_as_the_path_would_that_was_left_out(method, query):
    """The URL of a function is often used bare."""
    client = Client()

    bare, whole = (
        client.ask(query, method=method, path=path, body=b"{}") for path in ("/", "/bucketer")
    )

    assert whole.response.status == bare.response.status
    assert whole.response.body == bare.response.body
    assert len(whole.events) == len(bare.events)


# The example


def paused(datafile):
    datafile = copy.deepcopy(datafile)
    for each in [*datafile["experiments"], *datafile["groups"][0]["experiments"]]:
        each["status"] = "Paused"
    return datafile


@pytest.mark.parametrize("change", [without_experiments, paused])
def test_where_no_experiment_runs_a_flag_is_asked_and_no_delivery_rule(demonstration, change):
    edition = AnEdition(change(demonstration))

    example = example_of(edition)

    assert "/bucketer?f=checkout_flow&u=visitor1&debug=1" == example
    assert "checkout_flow" == answer_to(example, edition)["flag"]


def test_where_nothing_else_is_there_a_rule_of_whatever_kind_is_asked(demonstration):
    bare = without_experiments(demonstration) | {"featureFlags": []}
    edition = AnEdition(bare)

    answer = answer_to(example_of(edition), edition)

    assert "experiment" in answer
    assert "error" not in answer


def test_an_empty_datafile_leaves_the_health(demonstration):
    empty = without_experiments(demonstration) | {"featureFlags": [], "rollouts": []}

    assert "/health" == example_of(AnEdition(empty))


def test_a_key_that_means_something_in_a_url_is_quoted(demonstration):
    demonstration["experiments"][0]["key"] = "a&b/ü"
    edition = AnEdition(demonstration)

    example = example_of(edition)

    assert "/bucketer?e=a%26b%2F%C3%BC&u=visitor1&debug=1" == example
    assert "a&b/ü" == answer_to(example, edition)["experiment"]
